//! What all queues share: who may put, who may get, who waits, what is unfinished.
//!
//! The store and all counts are one [`State`] under a short lock. Getters that find no item,
//! putters that find no place and joiners each wait in a queue of their own.
//!
//! | who | waits for | [`State`] says so by | woken by |
//! |---|---|---|---|
//! | getter | `ready(Item) > 0` | `getters.parked` | a put, a shutdown, a retirement |
//! | putter | `ready(Place) > 0` | `putters.parked` | a get, a larger limit, a shutdown, a retirement |
//! | joiner | `unfinished == 0` | `joiners_parked` | the last `task_done`, a retirement |
//!
//! Invariants:
//! 1. A waiter marks `parked` under its wait queue's lock and the state's, in the same section in
//!    which it sees that there is nothing to be had; whoever adds something sees the mark in the
//!    section in which it adds. So no wake is lost, and without waiters there is no look at a wait
//!    queue at all.
//! 2. A wait queue is locked before the state, never after it.
//! 3. Barging: what is added is free to whoever comes first, and one waiter is woken to try. One
//!    that was woken in vain, and is [`starved`], is handed the next item or place
//!    (`held`): nobody else can have it.
//! 4. A wake that its receiver cannot use goes to the next waiter.
//! 5. Nothing of a user runs in a section: items are moved out and dropped after it.

use std::panic::Location;
use std::sync::Arc;

use crate::primitive::{ShortGuard, ShortLock, const_unless_loom};
use crate::wait::{
    Deadline, Depth, HANDOFF, NORMAL, Origin, Park, Parked, Resource, ResourceKind, Since, Token,
    WaitError, WaitQueue, park, park_and_take, starved,
};

use super::error::{GetError, JoinError, PutError, TooManyTasksDone};
use super::state::{Contents, Door, Left, Phase, State, Store, UNLIMITED};

/// One wait queue of a queue, as the wait-for graph sees it.
#[derive(Debug)]
pub(super) struct Side {
    queue: WaitQueue,
    kind: ResourceKind,
    origin: Origin,
}

impl Resource for Side {
    fn kind(&self) -> ResourceKind {
        self.kind
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

/// What getters, putters and joiners wait for.
pub(super) type Kinds = [ResourceKind; 3];

/// A queue around a store.
#[derive(Debug)]
pub(super) struct Shared<S> {
    // First, so that it is dropped first: until then the state may be looked at through it.
    getters: Side,
    putters: Side,
    joiners: Side,
    state: ShortLock<State<S>>,
}

/// What getters wait for: the side that also tells how much is in the queue.
impl<S: Store> Resource for Shared<S> {
    fn kind(&self) -> ResourceKind {
        self.getters.kind
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn origin(&self) -> Origin {
        self.getters.origin
    }
    fn is_lasting(&self) -> bool {
        true
    }
    fn depth(&self) -> Option<Depth> {
        let state = self.state.lock();
        // What its items have moved to is not ours to count.
        let counts = state.phase() != Phase::Retired;
        counts.then(|| Depth { now: state.items, peak: state.peak })
    }
}

impl<S> Shared<S> {
    const_unless_loom! {
        pub(super) fn new(store: S, kinds: Kinds, maxsize: usize, origin: Origin) -> Self {
            let limit = if maxsize == 0 { UNLIMITED } else { maxsize };
            let [item, place, join] = kinds;
            Self {
                getters: Side { queue: WaitQueue::new(), kind: item, origin },
                putters: Side { queue: WaitQueue::new(), kind: place, origin },
                joiners: Side { queue: WaitQueue::new(), kind: join, origin },
                state: ShortLock::new(State::new(store, limit)),
            }
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> ShortGuard<'_, State<S>> {
        self.state.lock()
    }

    pub(super) fn lock_to_collect(&self) -> Option<ShortGuard<'_, State<S>>> {
        self.state.lock_to_collect()
    }

    fn side(&self, door: Door) -> &Side {
        match door {
            Door::Item => &self.getters,
            Door::Place => &self.putters,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.getters.origin
    }
}

impl<S: Store> Shared<S> {
    #[expect(clippy::inline_always, reason = "the fast path, whose result goes through no memory")]
    #[inline(always)]
    pub(super) fn try_put<E>(&self, item: S::Item) -> Result<(), PutError<S::Item, E>> {
        let wake = {
            let mut state = self.state.lock();
            if !state.admits() {
                return Err(state.why_not(item));
            }
            state.add(item)
        };
        if wake {
            self.wake_one(Door::Item);
        }
        Ok(())
    }

    #[expect(clippy::inline_always, reason = "the fast path, whose result goes through no memory")]
    #[inline(always)]
    pub(super) fn try_get<E>(&self) -> Result<S::Item, GetError<E>> {
        let (item, left) = {
            let mut state = self.state.lock();
            match state.remove() {
                Some(removed) => removed,
                None => return Err(state.why_empty()),
            }
        };
        self.finish_get(left);
        Ok(item)
    }

    /// What is left to be done after a get.
    #[inline]
    pub(super) fn finish_get(&self, left: Left) {
        if left.wake {
            self.wake_one(Door::Place);
        }
        if left.outgrown {
            self.shrink();
        }
    }

    /// Gives the memory of a large store back if that is still empty.
    #[cold]
    pub(super) fn shrink(&self) {
        let outgrown = {
            let mut state = self.state.lock();
            (state.store.len() == 0 && state.is_outgrown())
                .then(|| std::mem::take(&mut state.store))
        };
        drop(outgrown);
    }

    #[inline]
    pub(super) fn put_until(
        &self,
        item: S::Item,
        deadline: Deadline,
    ) -> Result<(), PutError<S::Item>> {
        match self.try_put(item) {
            Ok(()) => Ok(()),
            Err(PutError::Full(item)) => self.put_slow(item, deadline),
            Err(error) => Err(error),
        }
    }

    #[inline]
    pub(super) fn get_until(&self, deadline: Deadline) -> Result<S::Item, GetError> {
        match self.try_get() {
            Ok(item) => Ok(item),
            Err(GetError::Empty) => self.get_slow(deadline),
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn put_slow(&self, mut item: S::Item, deadline: Deadline) -> Result<(), PutError<S::Item>> {
        let mut turn = Turn::new(Door::Place, deadline);
        loop {
            match turn.wait(self) {
                Ok(Next::Try) => {}
                Ok(Next::GiveUp) => return Err(PutError::Full(item)),
                Ok(Next::Fetch) => {
                    // The place becomes free and is taken in the same section.
                    let mut state = self.state.lock();
                    state.take_back(Door::Place);
                    if state.admits() {
                        let wake = state.add(item);
                        drop(state);
                        if wake {
                            self.wake_one(Door::Item);
                        }
                        return Ok(());
                    }
                    // The limit was lowered meanwhile, or it was closed.
                }
                Err(error) => return Err(PutError::Wait(item, error)),
            }
            match self.try_put(item) {
                Err(PutError::Full(back)) => item = back,
                Err(error) => {
                    // Without memory for this item the place is another's.
                    self.wake_one(Door::Place);
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    #[cold]
    fn get_slow(&self, deadline: Deadline) -> Result<S::Item, GetError> {
        let mut turn = Turn::new(Door::Item, deadline);
        loop {
            match turn.wait(self)? {
                Next::Try => {}
                Next::GiveUp => return Err(GetError::Empty),
                // The item becomes free and is taken in the same section.
                Next::Fetch => {
                    let mut state = self.state.lock();
                    state.take_back(Door::Item);
                    if let Some((item, left)) = state.remove() {
                        drop(state);
                        self.finish_get(left);
                        return Ok(item);
                    }
                }
            }
            match self.try_get() {
                Err(GetError::Empty) => {}
                result => return result,
            }
        }
    }

    /// Waits at a door until there may be something to be had there.
    pub(super) fn wait(
        &self,
        door: Door,
        deadline: Deadline,
        since: Since,
    ) -> Result<Parked, WaitError> {
        let side = self.side(door);
        let what: &dyn Resource = if door == Door::Item { self } else { side };
        let request = Park { queue: &side.queue, what, deadline, since: Some(since), next: None };
        let nothing_there = |_: &mut _| {
            let mut state = self.state.lock();
            let nothing = state.ready(door) == 0 && state.phase() == Phase::Open;
            if nothing {
                let crowd = state.crowd(door);
                crowd.parked = true;
                crowd.vain |= since.is_in_vain();
            }
            nothing
        };
        // A handler may want the same: its wait comes first, as its thread waits for it.
        park_and_take(&request, &nothing_there, |token| self.give_back(door, token), &|_| {})
    }

    fn give_back(&self, door: Door, token: Token) {
        if token == HANDOFF {
            self.state.lock().take_back(door);
        }
        self.wake_one(door);
    }

    /// Wakes one waiter to what is ready at a door, or hands it over if the waiter is starved.
    #[cold]
    pub(super) fn wake_one(&self, door: Door) {
        let woken = {
            let mut list = self.side(door).queue.lock();
            let mut state = self.state.lock();
            // Taken meanwhile: whoever adds the next one wakes. Closed: all are woken anyway.
            if state.ready(door) == 0 && !list.is_empty() {
                return;
            }
            let hands_over =
                state.crowd(door).vain && list.first().is_some_and(|(_, since)| starved(since));
            if hands_over {
                state.hand_over(door);
                state.crowd(door).vain = false;
            }
            let woken = list.pop(if hands_over { HANDOFF } else { NORMAL });
            if list.is_empty() {
                let crowd = state.crowd(door);
                (crowd.parked, crowd.vain) = (false, false);
            }
            woken
        };
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// Names all three sides.
    pub(super) fn set_name(&self, name: &str) {
        self.name_getters(name);
        self.putters.queue.set_name(&self.putters, name);
        self.joiners.queue.set_name(&self.joiners, name);
    }

    /// Names the only side of one that nobody waits to put into, or to join.
    pub(super) fn name_getters(&self, name: &str) {
        self.getters.queue.set_name(self, name);
    }

    /// The name that it was given.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.getters.queue.name()
    }

    /// Wakes everybody at a door, to see that things have changed.
    pub(super) fn wake_all(&self, door: Door) {
        self.side(door).queue.notify_many(usize::MAX, NORMAL);
    }

    pub(super) fn task_done(&self) -> Result<(), TooManyTasksDone> {
        let wake = {
            let mut state = self.state.lock();
            if state.unfinished <= 0 {
                return Err(TooManyTasksDone);
            }
            state.unfinished -= 1;
            state.unfinished == 0 && state.joiners_parked
        };
        if wake {
            self.wake_joiners();
        }
        Ok(())
    }

    /// Wakes the joiners if there is still nothing unfinished.
    #[cold]
    fn wake_joiners(&self) {
        let mut wakes = crate::wait::WakeList::default();
        {
            let mut list = self.joiners.queue.lock();
            let mut state = self.state.lock();
            if state.unfinished != 0 && state.phase() != Phase::Retired {
                return;
            }
            state.joiners_parked = false;
            list.pop_all(NORMAL, &mut wakes);
        }
        wakes.wake();
    }

    pub(super) fn join_until(&self, deadline: Deadline) -> Result<bool, JoinError> {
        loop {
            {
                let state = self.state.lock();
                if state.phase() == Phase::Retired {
                    return Err(JoinError::Retired);
                }
                if state.unfinished == 0 {
                    return Ok(true);
                }
            }
            if deadline.has_passed() {
                return Ok(false);
            }
            let side = &self.joiners;
            let request =
                Park { queue: &side.queue, what: side, deadline, since: None, next: None };
            let unfinished = |_: &mut _| {
                let mut state = self.state.lock();
                let wait = state.unfinished != 0 && state.phase() != Phase::Retired;
                state.joiners_parked |= wait;
                wait
            };
            // A wake that crossed an exception needs no handing on: everybody was woken. One that
            // finds new tasks goes on waiting.
            let _ = park(&request, unfinished, || true, |_| {})?;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().items
    }

    pub(super) fn is_full(&self) -> bool {
        let state = self.state.lock();
        state.items >= state.limit
    }

    pub(super) fn unfinished(&self) -> isize {
        self.state.lock().unfinished
    }

    pub(super) fn set_unfinished(&self, tasks: isize) {
        self.state.lock().unfinished = tasks;
        if tasks == 0 {
            self.wake_joiners();
        }
    }

    pub(super) fn maxsize(&self) -> usize {
        Some(self.state.lock().limit).filter(|limit| *limit != UNLIMITED).unwrap_or(0)
    }

    pub(super) fn set_maxsize(&self, maxsize: usize) {
        self.state.lock().set_limit(if maxsize == 0 { UNLIMITED } else { maxsize });
        self.wake_all(Door::Place);
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.state.lock().phase() == Phase::ShutDown
    }

    pub(super) fn is_retired(&self) -> bool {
        self.state.lock().phase() == Phase::Retired
    }

    /// Shuts down, and gives out all free items if `immediate`.
    pub(super) fn shut_down(&self, immediate: bool) -> Option<S> {
        let drained = self.state.lock().shut_down(immediate);
        self.wake_closed();
        drained
    }

    /// Wakes all for whom a shutdown or a retirement has changed things.
    pub(super) fn wake_closed(&self) {
        self.wake_all(Door::Item);
        self.wake_all(Door::Place);
        self.wake_joiners();
    }

    /// Takes all free items out.
    pub(super) fn drain(&self) -> S {
        let drained = {
            let mut state = self.state.lock();
            state.items = 0;
            let kept = state.getters.held;
            state.store.split(kept)
        };
        self.wake_all(Door::Place);
        drained
    }

    /// Opens it again after a shutdown.
    pub(super) fn reopen(&self) {
        let mut state = self.state.lock();
        if state.phase() == Phase::ShutDown {
            state.set_phase(Phase::Open);
        }
    }

    /// Takes everything out and closes for good.
    pub(super) fn retire(&self) -> Option<(S, Contents<S::Item>)> {
        let taken = self.state.lock().retire();
        self.wake_closed();
        taken
    }
}

/// The turns that a waiter needs until it has what it wants.
pub(super) struct Turn {
    door: Door,
    deadline: Deadline,
    /// When it began to wait.
    since: Option<Since>,
    timed_out: bool,
}

/// What a waiter does next.
pub(super) enum Next {
    /// Look whether there is something.
    Try,
    /// Come for what was handed over.
    Fetch,
    /// The time is up.
    GiveUp,
}

impl Turn {
    pub(super) fn new(door: Door, deadline: Deadline) -> Self {
        Self { door, deadline, since: None, timed_out: false }
    }

    pub(super) fn wait<S: Store>(&mut self, shared: &Shared<S>) -> Result<Next, WaitError> {
        if self.timed_out || self.deadline.has_passed() {
            return Ok(Next::GiveUp);
        }
        let since = *self.since.get_or_insert_with(Since::now);
        match shared.wait(self.door, self.deadline, since)? {
            Parked::Notified(HANDOFF) => return Ok(Next::Fetch),
            Parked::Notified(_) => self.since = Some(since.in_vain()),
            Parked::Retry => {}
            // There may be something all the same: its wake went to another waiter.
            Parked::TimedOut => self.timed_out = true,
        }
        Ok(Next::Try)
    }
}

/// Where the caller stands.
#[track_caller]
pub(super) const fn here() -> Origin {
    Origin::Rust(Location::caller())
}
