//! A meeting point for a fixed number of threads: Python's `threading.Barrier`.

use std::panic::Location;

use crate::primitive::{AtomicU32, AtomicUsize, Ordering, const_unless_loom};
use crate::wait::{
    Deadline, NORMAL, Origin, Park, Parked, Resource, ResourceKind, Token, WaitError, WaitList,
    WaitQueue, WakeList, park,
};

/// The threads of this turn come in.
const FILLING: u32 = 0;
/// All are there, and the last one runs the action.
const ACTING: u32 = 1;
/// Everybody gets an error until `reset`.
const BROKEN: u32 = 2;

/// The turn was broken: by `abort`, `reset`, a timeout or a failing action.
const BROKE: Token = 2;

/// Lets `parties` threads wait for each other, any number of times.
///
/// ```
/// use ropewalk::sync::Barrier;
///
/// let alone = Barrier::new(1);
/// assert_eq!(alone.wait()?, 0);
/// # Ok::<(), ropewalk::sync::BarrierError>(())
/// ```
///
/// # Interruption
/// A blocked `wait` runs the host's signal handlers. If one of them raised, that thread leaves and
/// the others go on waiting for one more, as in CPython. In the child of a
/// [fork](crate::fork) nobody waits, and threads that had arrived are still counted.
pub struct Barrier {
    parties: usize,
    /// `FILLING`, `ACTING` or `BROKEN`; changed under the lock of `queue`, as is `arrived`.
    phase: AtomicU32,
    arrived: AtomicUsize,
    /// Twice the number of turns that have ended, plus 1 if the last one broke.
    turn: AtomicUsize,
    /// The threads of this turn.
    queue: WaitQueue,
    /// Threads that came while an action was running: they belong to the next turn.
    early: WaitQueue,
    origin: Origin,
}

impl std::fmt::Debug for Barrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &self.waiting())
            .field("broken", &self.is_broken())
            .field("name", &self.queue.name())
            .finish_non_exhaustive()
    }
}

/// Why [`Barrier::wait`] failed.
#[derive(Debug)]
pub enum BarrierError {
    /// The barrier is broken, or was reset while the thread waited.
    Broken,
    /// The wait ended early.
    Wait(WaitError),
}

impl std::fmt::Display for BarrierError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken => f.write_str("the barrier is broken"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BarrierError {}

impl From<WaitError> for BarrierError {
    fn from(error: WaitError) -> Self {
        Self::Wait(error)
    }
}

/// What a thread found when it came.
enum Arrival {
    Early,
    Broken,
    Last(usize, WakeList),
    Waits,
}

impl Resource for Barrier {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Barrier
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

impl Barrier {
    const_unless_loom! {
        /// A barrier for `parties` threads, which remembers the line where it was made. With 0
        /// parties nobody ever gets through.
        #[must_use]
        #[track_caller]
        pub fn new(parties: usize) -> Self {
            Self::with_origin(parties, Origin::Rust(Location::caller()))
        }
    }

    const_unless_loom! {
        /// A barrier for `parties` threads that was made at `origin`.
        #[must_use]
        pub fn with_origin(parties: usize, origin: Origin) -> Self {
            Self {
                parties,
                phase: AtomicU32::new(FILLING),
                arrived: AtomicUsize::new(0),
                turn: AtomicUsize::new(0),
                queue: WaitQueue::new(),
                early: WaitQueue::new(),
                origin,
            }
        }
    }

    /// How many threads it takes.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many threads wait for the rest at this moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        // Relaxed: a look from outside.
        if self.phase.load(Ordering::Relaxed) == FILLING {
            self.arrived.load(Ordering::Relaxed)
        } else {
            0
        }
    }

    /// Whether the barrier is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == BROKEN
    }

    /// Waits until all parties are there; returns the place, from 0, in which this thread came.
    ///
    /// # Errors
    /// [`BarrierError`].
    pub fn wait(&self) -> Result<usize, BarrierError> {
        self.wait_until(Deadline::NEVER)
    }

    /// Comes as the last of the parties, which ends the turn; returns the place in which this
    /// thread came. Never blocks: `None`, and nothing has changed, if others are still missing or
    /// the barrier is broken.
    #[must_use]
    pub fn try_wait(&self) -> Option<usize> {
        let arrival = self.arrive(&mut self.queue.lock(), false);
        let Arrival::Last(place, wakes) = arrival else { return None };
        wakes.wake();
        Some(place)
    }

    /// Waits until all parties are there or the deadline passes, which breaks the barrier.
    ///
    /// # Errors
    /// [`BarrierError`].
    pub fn wait_until(&self, deadline: Deadline) -> Result<usize, BarrierError> {
        self.wait_with(deadline, None::<fn() -> Result<(), BarrierError>>)
    }

    /// As [`Barrier::wait_until`]. The last thread to come runs `action`, if it has one, while the
    /// others still wait; if that fails the barrier breaks.
    ///
    /// ```
    /// use ropewalk::sync::{Barrier, BarrierError};
    /// use ropewalk::wait::Deadline;
    ///
    /// let alone = Barrier::new(1);
    /// let fails = || Err(BarrierError::Broken);
    /// assert!(alone.wait_with(Deadline::NEVER, Some(fails)).is_err());
    /// assert!(alone.is_broken());
    /// ```
    ///
    /// # Errors
    /// [`BarrierError`], or what `action` returned.
    pub fn wait_with<E: From<BarrierError>>(
        &self,
        deadline: Deadline,
        action: Option<impl FnOnce() -> Result<(), E>>,
    ) -> Result<usize, E> {
        loop {
            // A statement of its own: in the `match` the queue would stay locked through the arms.
            let arrival = self.arrive(&mut self.queue.lock(), action.is_some());
            match arrival {
                Arrival::Broken => return Err(BarrierError::Broken.into()),
                Arrival::Early => self.wait_for_turn(deadline)?,
                Arrival::Last(place, wakes) => {
                    wakes.wake();
                    if let Some(action) = action {
                        let broke = BreakUnlessDone(self);
                        action()?;
                        std::mem::forget(broke);
                        if !self.end_turn(FILLING, NORMAL, |phase| phase == ACTING) {
                            return Err(BarrierError::Broken.into());
                        }
                    }
                    return Ok(place);
                }
                Arrival::Waits => {
                    if let Some(place) = self.wait_in_turn(deadline)? {
                        return Ok(place);
                    }
                }
            }
        }
    }

    /// Under the queue's lock: what it means to come now. Counts the calling thread in only if it
    /// is the last, and then ends the turn, unless there is an action to run first.
    fn arrive(&self, list: &mut WaitList, has_action: bool) -> Arrival {
        // Relaxed (all of this file): written under the queue's lock only.
        match self.phase.load(Ordering::Relaxed) {
            BROKEN => return Arrival::Broken,
            ACTING => return Arrival::Early,
            _ => {}
        }
        let place = self.arrived.load(Ordering::Relaxed);
        if place + 1 != self.parties {
            return Arrival::Waits;
        }
        let mut wakes = WakeList::default();
        if has_action {
            self.arrived.store(self.parties, Ordering::Relaxed);
            self.phase.store(ACTING, Ordering::Relaxed);
        } else {
            self.next_turn(list, NORMAL, &mut wakes);
        }
        Arrival::Last(place, wakes)
    }

    /// Under the queue's lock: lets everybody of this turn go, with `token`.
    fn next_turn(&self, list: &mut WaitList, token: Token, wakes: &mut WakeList) {
        self.arrived.store(0, Ordering::Relaxed);
        let turn = self.turn.load(Ordering::Relaxed) & !1;
        self.turn.store(turn.wrapping_add(2) | usize::from(token == BROKE), Ordering::Relaxed);
        list.pop_all(token, wakes);
    }

    /// Counts the calling thread in and waits for the rest; `None` if things changed before.
    fn wait_in_turn(&self, mut deadline: Deadline) -> Result<Option<usize>, BarrierError> {
        let mut mine = None;
        loop {
            let request =
                Park { queue: &self.queue, what: self, deadline, since: None, next: None };
            let take_place = |_: &mut WaitList| {
                let (turn, phase) =
                    (self.turn.load(Ordering::Relaxed) & !1, self.phase.load(Ordering::Relaxed));
                if let Some((_, began)) = mine {
                    return turn == began;
                }
                let place = self.arrived.load(Ordering::Relaxed);
                if phase != FILLING || place + 1 == self.parties {
                    return false;
                }
                self.arrived.store(place + 1, Ordering::Relaxed);
                mine = Some((place, turn));
                true
            };
            let parked = park(&request, take_place, || true, |_| {});
            let Some((place, began)) = mine else { return Ok(parked.map(|_| None)?) };
            match parked {
                Ok(Parked::Notified(BROKE)) => return Err(BarrierError::Broken),
                Ok(Parked::Notified(_)) => return Ok(Some(place)),
                // The turn ended while its last action made us wait beyond the deadline.
                Ok(Parked::Retry) => return self.outcome().map(|()| Some(place)),
                Ok(Parked::TimedOut) => {
                    if self.end_turn(BROKEN, BROKE, |phase| {
                        phase == FILLING && self.turn.load(Ordering::Relaxed) & !1 == began
                    }) {
                        return Err(BarrierError::Broken);
                    }
                    // All were there in time: what remains is the action, which takes its time.
                    deadline = Deadline::NEVER;
                }
                Err(error) => {
                    self.leave(began);
                    return Err(error.into());
                }
            }
        }
    }

    /// How the turn before this one ended.
    fn outcome(&self) -> Result<(), BarrierError> {
        let broke = self.turn.load(Ordering::Relaxed) & 1 == 1;
        if broke { Err(BarrierError::Broken) } else { Ok(()) }
    }

    /// Waits until the running action has ended.
    fn wait_for_turn(&self, deadline: Deadline) -> Result<(), BarrierError> {
        let request = Park { queue: &self.early, what: self, deadline, since: None, next: None };
        let acting = |_: &mut WaitList| self.phase.load(Ordering::Relaxed) == ACTING;
        match park(&request, acting, || true, |_| {})? {
            Parked::TimedOut => {
                self.abort();
                Err(BarrierError::Broken)
            }
            Parked::Notified(_) | Parked::Retry => Ok(()),
        }
    }

    /// Breaks the barrier: all waiters, and all who come until [`Barrier::reset`], get
    /// [`BarrierError::Broken`].
    pub fn abort(&self) {
        self.end_turn(BROKEN, BROKE, |_| true);
    }

    /// Makes the barrier as new. Threads that wait get [`BarrierError::Broken`].
    pub fn reset(&self) {
        self.end_turn(FILLING, BROKE, |_| true);
    }

    fn end_turn(&self, phase: u32, token: Token, only_if: impl FnOnce(u32) -> bool) -> bool {
        let mut wakes = WakeList::default();
        {
            let mut list = self.queue.lock();
            if !only_if(self.phase.load(Ordering::Relaxed)) {
                return false;
            }
            self.next_turn(&mut list, token, &mut wakes);
            // `early`'s lock as well, so that nobody queues there after it was emptied.
            let mut early = self.early.lock();
            self.phase.store(phase, Ordering::Relaxed);
            early.pop_all(NORMAL, &mut wakes);
        }
        wakes.wake();
        true
    }

    /// The calling thread, which had arrived in the turn `began`, goes away with an exception.
    fn leave(&self, began: usize) {
        let _list = self.queue.lock();
        let arrived = self.arrived.load(Ordering::Relaxed);
        let same_turn = self.turn.load(Ordering::Relaxed) & !1 == began;
        if same_turn && self.phase.load(Ordering::Relaxed) == FILLING && arrived > 0 {
            self.arrived.store(arrived - 1, Ordering::Relaxed);
        }
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        self.queue.set_name(self, name);
    }

    /// Where the barrier was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

/// Breaks the barrier when the action fails or panics.
struct BreakUnlessDone<'a>(&'a Barrier);

impl Drop for BreakUnlessDone<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
