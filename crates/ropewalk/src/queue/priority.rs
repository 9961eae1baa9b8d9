//! Smallest first: Python's `queue.PriorityQueue`.
//!
//! Comparing is the user's code, so it must not happen under the short lock. The thread that has
//! to compare takes the heap out of the store (`busy` says who) and puts it back; others wait for
//! that. Where nothing is to be compared, because there is at most one item, it is one section as
//! in the other queues.

use std::ops::{Deref, DerefMut};

use super::error::{GetError, JoinError, PutError, TooManyTasksDone};
use super::heap::{Natural, Order, sift_in, take_first};
use super::methods::count_methods;
use super::shared::{Kinds, Next, Shared, Turn, here};
use super::state::{Contents, Door, State, Store};
use crate::primitive::{AtomicUsize, Ordering, ShortGuard, const_unless_loom, thread_word};
use crate::wait::{
    Deadline, HANDOFF, NORMAL, Origin, Park, Parked, Resource, ResourceKind, Since, Token,
    WaitError, WaitQueue, park_and_take, starved,
};

/// The items as a heap. `push` and `pop` are for heaps of at most one item.
#[derive(Debug)]
struct Heap<T>(Vec<T>);

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Send> Store for Heap<T> {
    type Item = T;

    #[inline]
    fn reserve(&mut self) -> bool {
        self.0.len() < self.0.capacity() || self.0.try_reserve(1).is_ok()
    }
    #[inline]
    fn push(&mut self, item: T) {
        self.0.push(item);
    }
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn split(&mut self, kept: usize) -> Self {
        // The first ones of a heap are a heap.
        let mut rest = std::mem::take(&mut self.0);
        self.0.extend(rest.drain(..kept.min(rest.len())));
        Self(rest)
    }
    #[inline]
    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// A queue between any number of threads: the smallest item is got first.
///
/// ```
/// use ropewalk::queue::PriorityQueue;
///
/// let jobs = PriorityQueue::new(0);
/// for job in [(2, "then this"), (1, "first this"), (3, "at last this")] {
///     jobs.put(job)?;
/// }
/// assert_eq!(jobs.get()?.1, "first this");
/// assert_eq!(jobs.get()?.1, "then this");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Comparing runs without any lock of the core, and one thread at a time compares: `try_put` and
/// `try_get` wait for a comparison that another thread makes, and for nothing else.
///
/// # Interruption
/// As [`Queue`](super::Queue).
pub struct PriorityQueue<T, O = Natural> {
    shared: Shared<Heap<T>>,
    order: O,
    turnstile: Turnstile,
}

impl<T: Send, O> std::fmt::Debug for PriorityQueue<T, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PriorityQueue")
            .field("len", &self.shared.len())
            .field("maxsize", &self.shared.maxsize())
            .field("name", &self.shared.name())
            .finish_non_exhaustive()
    }
}

const KINDS: Kinds =
    [ResourceKind::PriorityItem, ResourceKind::PriorityPlace, ResourceKind::PriorityJoin];

/// Who has the heap out to compare, and those who wait for it.
#[derive(Debug)]
struct Turnstile {
    /// The thread word of whoever has the heap out, 0 if it is in the store. Changed under the
    /// state's lock.
    busy: AtomicUsize,
    /// 1 if somebody may be queued. Changed under the state's lock.
    parked: AtomicUsize,
    queue: WaitQueue,
    origin: Origin,
}

impl Resource for Turnstile {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Lock
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn owner(&self) -> Option<usize> {
        // Relaxed (all of this file): written under the state's lock; the detector looks twice.
        Some(self.busy.load(Ordering::Relaxed)).filter(|owner| *owner != 0)
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

impl<T: Send> PriorityQueue<T> {
    const_unless_loom! {
        /// An empty queue for at most `maxsize` items, or without a limit if that is 0, which
        /// remembers the line where it was made.
        #[must_use]
        #[track_caller]
        pub fn new(maxsize: usize) -> Self {
            Self::with_order(maxsize, Natural, here())
        }
    }
}

impl<T: Send, O> PriorityQueue<T, O> {
    const_unless_loom! {
        /// As `new`, with an order of one's own, for a queue that was made at `origin`.
        #[must_use]
        pub fn with_order(maxsize: usize, order: O, origin: Origin) -> Self {
            Self {
                shared: Shared::new(Heap(Vec::new()), KINDS, maxsize, origin),
                order,
                turnstile: Turnstile {
                    busy: AtomicUsize::new(0),
                    parked: AtomicUsize::new(0),
                    queue: WaitQueue::new(),
                    origin,
                },
            }
        }
    }

    count_methods!();
}

type StateGuard<'a, T> = ShortGuard<'a, State<Heap<T>>>;

/// The state with the heap in it; lets the next one through the turnstile when dropped.
struct Inside<'a, T: Send, O> {
    queue: &'a PriorityQueue<T, O>,
    /// `None` only while it is dropped.
    state: Option<StateGuard<'a, T>>,
}

impl<T: Send, O> Deref for Inside<'_, T, O> {
    type Target = State<Heap<T>>;
    fn deref(&self) -> &Self::Target {
        self.state.as_ref().expect("there until the drop")
    }
}

impl<T: Send, O> DerefMut for Inside<'_, T, O> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.state.as_mut().expect("there until the drop")
    }
}

impl<T: Send, O> Drop for Inside<'_, T, O> {
    fn drop(&mut self) {
        self.state = None;
        self.queue.pass_turnstile();
    }
}

/// The heap out of the store; put back when dropped, also by a panic in a comparison.
struct Out<'a, T: Send, O> {
    queue: &'a PriorityQueue<T, O>,
    heap: Heap<T>,
    /// What the comparing thread wants: the item or the place is its own already.
    door: Door,
    /// How the number of unfinished tasks changes.
    tasks: isize,
}

impl<T: Send, O> Drop for Out<'_, T, O> {
    fn drop(&mut self) {
        let wanted = if self.door == Door::Item { Door::Place } else { Door::Item };
        let (wake, outgrown) = {
            let mut state = self.queue.shared.lock();
            state.store = std::mem::take(&mut self.heap);
            // Counted anew, as something was added or removed outside the store.
            state.items = state.store.len() - state.getters.held;
            state.peak = state.peak.max(state.items);
            if self.door == Door::Place {
                state.putters.held -= 1;
            }
            self.queue.turnstile.busy.store(0, Ordering::Relaxed);
            (state.changed(self.tasks, wanted), state.is_outgrown())
        };
        self.queue.pass_turnstile();
        if wake {
            self.queue.shared.wake_one(wanted);
        }
        if outgrown {
            self.queue.shared.shrink();
        }
    }
}

impl<T: Send, O> PriorityQueue<T, O> {
    /// Locks the state with the heap in it, waiting while another thread has it out.
    #[inline]
    fn enter(&self) -> Result<Inside<'_, T, O>, WaitError> {
        let state = self.shared.lock();
        if self.turnstile.busy.load(Ordering::Relaxed) == 0 {
            return Ok(Inside { queue: self, state: Some(state) });
        }
        drop(state);
        self.enter_slow()
    }

    #[cold]
    fn enter_slow(&self) -> Result<Inside<'_, T, O>, WaitError> {
        let gate = &self.turnstile;
        let mut since = None;
        loop {
            let turn = *since.get_or_insert_with(Since::now);
            let request = Park {
                queue: &gate.queue,
                what: gate,
                deadline: Deadline::NEVER,
                since: Some(turn),
                next: None,
            };
            let is_busy = |_: &mut _| {
                let _state = self.shared.lock();
                let busy = gate.busy.load(Ordering::Relaxed) != 0;
                if busy {
                    gate.parked.store(1, Ordering::Relaxed);
                }
                busy
            };
            let give_back = |token: Token| {
                if token == HANDOFF {
                    let _state = self.shared.lock();
                    gate.busy.store(0, Ordering::Relaxed);
                }
                self.pass_turnstile();
            };
            let handed = match park_and_take(&request, &is_busy, give_back, &|_| {})? {
                Parked::Notified(token) => {
                    since = Some(turn.in_vain());
                    token == HANDOFF
                }
                _ => false,
            };
            let state = self.shared.lock();
            if handed {
                gate.busy.store(0, Ordering::Relaxed);
            }
            if gate.busy.load(Ordering::Relaxed) == 0 {
                return Ok(Inside { queue: self, state: Some(state) });
            }
        }
    }

    /// Wakes one thread that waits for the heap, which is in the store.
    #[inline]
    fn pass_turnstile(&self) {
        if self.turnstile.parked.load(Ordering::Relaxed) != 0 {
            self.pass_turnstile_slow();
        }
    }

    #[cold]
    fn pass_turnstile_slow(&self) {
        let gate = &self.turnstile;
        let woken = {
            let mut list = gate.queue.lock();
            let _state = self.shared.lock();
            if gate.busy.load(Ordering::Relaxed) != 0 {
                // Whoever has it now will come here.
                return;
            }
            let heir = list.first().filter(|(word, since)| *word != 0 && starved(*since));
            if let Some((word, _)) = heir {
                gate.busy.store(word, Ordering::Relaxed);
            }
            let woken = list.pop(if heir.is_some() { HANDOFF } else { NORMAL });
            gate.parked.store(usize::from(!list.is_empty()), Ordering::Relaxed);
            woken
        };
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// Takes the heap out, and away from the others what is there to be had at `door`.
    fn take_out(&self, mut inside: Inside<'_, T, O>, door: Door) -> Out<'_, T, O> {
        self.turnstile.busy.store(thread_word(), Ordering::Relaxed);
        match door {
            Door::Item => inside.items -= 1,
            Door::Place => inside.putters.held += 1,
        }
        Out { queue: self, heap: std::mem::take(&mut inside.store), door, tasks: 0 }
    }

    /// `enter` for a waiter that may have been handed what it waited for. A wake that it cannot
    /// use, as the wait for the heap ended early, goes to the next waiter.
    fn enter_again(&self, door: Door, handed: bool) -> Result<Inside<'_, T, O>, WaitError> {
        let entered = self.enter();
        match entered {
            Ok(mut inside) => {
                if handed {
                    inside.take_back(door);
                }
                Ok(inside)
            }
            Err(error) => {
                if handed {
                    self.shared.lock().take_back(door);
                }
                self.shared.wake_one(door);
                Err(error)
            }
        }
    }
}

impl<T: Send, O: Order<T>> PriorityQueue<T, O> {
    /// Puts an item if there is a free place. Waits for a comparison of another thread's only.
    ///
    /// # Errors
    /// [`PutError`], which gives the item back, except [`PutError::Order`].
    #[inline]
    pub fn try_put(&self, item: T) -> Result<(), PutError<T, O::Error>> {
        match self.enter() {
            Ok(inside) => self.put_inside(inside, item),
            Err(error) => Err(PutError::Wait(item, error)),
        }
    }

    #[inline]
    fn put_inside(
        &self,
        mut inside: Inside<'_, T, O>,
        item: T,
    ) -> Result<(), PutError<T, O::Error>> {
        if !inside.admits() {
            return Err(inside.why_not(item));
        }
        if inside.store.len() == 0 {
            inside.store.push(item);
            let wake = inside.added(1);
            drop(inside);
            if wake {
                self.shared.wake_one(Door::Item);
            }
            return Ok(());
        }
        let mut out = self.take_out(inside, Door::Place);
        out.heap.push(item);
        sift_in(&mut out.heap.0, &self.order).map_err(PutError::Order)?;
        out.tasks = 1;
        Ok(())
    }

    /// Puts an item, waiting for a free place as long as it takes.
    ///
    /// # Errors
    /// As [`PriorityQueue::try_put`], but never [`PutError::Full`].
    #[inline]
    pub fn put(&self, item: T) -> Result<(), PutError<T, O::Error>> {
        self.put_until(item, Deadline::NEVER)
    }

    /// Puts an item, waiting for a free place until the deadline.
    ///
    /// # Errors
    /// As [`PriorityQueue::try_put`].
    #[inline]
    pub fn put_until(&self, item: T, deadline: Deadline) -> Result<(), PutError<T, O::Error>> {
        match self.try_put(item) {
            Err(PutError::Full(item)) => self.put_slow(item, deadline),
            result => result,
        }
    }

    #[cold]
    fn put_slow(&self, mut item: T, deadline: Deadline) -> Result<(), PutError<T, O::Error>> {
        let mut turn = Turn::new(Door::Place, deadline);
        loop {
            let handed = match turn.wait(&self.shared) {
                Ok(Next::Try) => false,
                Ok(Next::Fetch) => true,
                Ok(Next::GiveUp) => return Err(PutError::Full(item)),
                Err(error) => return Err(PutError::Wait(item, error)),
            };
            let inside = match self.enter_again(Door::Place, handed) {
                Ok(inside) => inside,
                Err(error) => return Err(PutError::Wait(item, error)),
            };
            match self.put_inside(inside, item) {
                Err(PutError::Full(back)) => item = back,
                Err(error) => {
                    // Without memory for this item the place is another's.
                    self.shared.wake_one(Door::Place);
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Gets the smallest item if there is one. Waits for a comparison of another thread's only.
    ///
    /// # Errors
    /// [`GetError`].
    #[inline]
    pub fn try_get(&self) -> Result<T, GetError<O::Error>> {
        self.get_inside(self.enter()?)
    }

    #[inline]
    fn get_inside(&self, mut inside: Inside<'_, T, O>) -> Result<T, GetError<O::Error>> {
        if inside.items == 0 {
            return Err(inside.why_empty());
        }
        if inside.store.len() == 1 {
            // Never an error: there is an item.
            let Some((item, left)) = inside.remove() else { return Err(inside.why_empty()) };
            drop(inside);
            self.shared.finish_get(left);
            return Ok(item);
        }
        let mut out = self.take_out(inside, Door::Item);
        let taken = take_first(&mut out.heap.0, &self.order);
        drop(out);
        // Never `None`: there was an item.
        let (item, sifted) = taken.ok_or(GetError::Empty)?;
        sifted.map_err(GetError::Order)?;
        Ok(item)
    }

    /// Gets the smallest item, waiting for one as long as it takes.
    ///
    /// # Errors
    /// [`GetError`]; never [`GetError::Empty`].
    #[inline]
    pub fn get(&self) -> Result<T, GetError<O::Error>> {
        self.get_until(Deadline::NEVER)
    }

    /// Gets the smallest item, waiting for one until the deadline.
    ///
    /// # Errors
    /// [`GetError`]; [`GetError::Empty`] if the time was up.
    #[inline]
    pub fn get_until(&self, deadline: Deadline) -> Result<T, GetError<O::Error>> {
        match self.try_get() {
            Err(GetError::Empty) => self.get_slow(deadline),
            result => result,
        }
    }

    #[cold]
    fn get_slow(&self, deadline: Deadline) -> Result<T, GetError<O::Error>> {
        let mut turn = Turn::new(Door::Item, deadline);
        loop {
            let handed = match turn.wait(&self.shared)? {
                Next::Try => false,
                Next::Fetch => true,
                Next::GiveUp => return Err(GetError::Empty),
            };
            match self.get_inside(self.enter_again(Door::Item, handed)?) {
                Err(GetError::Empty) => {}
                result => return result,
            }
        }
    }

    /// As [`Queue::shutdown`](super::Queue::shutdown).
    pub fn shutdown(&self) {
        self.shared.shut_down(false);
    }

    /// As [`Queue::shutdown_now`](super::Queue::shutdown_now); the items come in the order of the
    /// heap.
    ///
    /// # Errors
    /// [`WaitError`], if the wait for another thread's comparison ended early: nothing has changed.
    pub fn shutdown_now(&self) -> Result<Vec<T>, WaitError> {
        let drained = self.enter()?.shut_down(true);
        self.shared.wake_closed();
        Ok(drained.map_or_else(Vec::new, |heap| heap.0))
    }

    /// As [`Queue::retire`](super::Queue::retire).
    ///
    /// # Errors
    /// [`WaitError`], if the wait for another thread's comparison ended early: nothing has changed.
    pub fn retire(&self) -> Result<Option<Contents<T>>, WaitError> {
        let retired = self.enter()?.retire();
        self.shared.wake_closed();
        Ok(retired.map(|(heap, mut contents)| {
            contents.items = heap.0;
            contents
        }))
    }

    /// As [`Queue::drain`](super::Queue::drain); nothing while a thread compares.
    #[must_use = "the items are taken out"]
    pub fn drain(&self) -> Vec<T> {
        self.shared.drain().0
    }

    /// As [`Queue::try_for_each`](super::Queue::try_for_each); no item while a thread compares.
    pub fn try_for_each(&self, look: impl FnMut(&T)) {
        if let Some(state) = self.shared.lock_to_collect() {
            state.store.0.iter().for_each(look);
        }
    }
}

impl<T: Send> Default for PriorityQueue<T> {
    /// A queue without a limit.
    #[track_caller]
    fn default() -> Self {
        Self::new(0)
    }
}
