//! A counter of permits: Python's `threading.Semaphore` and `BoundedSemaphore`.

use std::panic::Location;

use super::task::sealed::Rule;
use crate::primitive::{AtomicUsize, Ordering, const_unless_loom};
use crate::wait::{
    Deadline, HANDOFF, NORMAL, Origin, Park, Parked, Resource, ResourceKind, Since, Token,
    WaitError, WaitQueue, WakeList, park_and_take, starved,
};

const PARKED: usize = 1;
const RETIRED: usize = 2;
const ONE: usize = 4;

/// A counter that `acquire` takes one from, waiting while it is zero, and `release` adds to.
///
/// ```
/// use ropewalk::sync::Semaphore;
///
/// let seats = Semaphore::new(2);
/// assert!(seats.try_acquire());
/// assert!(seats.try_acquire());
/// assert!(!seats.try_acquire());
/// seats.release(1)?;
/// assert_eq!(seats.permits(), 1);
/// # Ok::<(), ropewalk::sync::TooManyReleases>(())
/// ```
///
/// # Interruption
/// A blocked `acquire` runs the host's signal handlers and ends if one of them raised; no permit
/// is then taken or lost. In the child of a [fork](crate::fork) the permits that other threads had
/// taken stay taken.
pub struct Semaphore {
    /// The permits in units of `ONE`, and `PARKED` when somebody may wait. `PARKED` with permits
    /// left means that a woken waiter is on its way to them and that others still wait.
    ///
    /// | permits | `PARKED` | left by |
    /// |---|---|---|
    /// | n | 0 | `acquire` (n - 1), `release` (n + k) |
    /// | 0 | 0 | also: a waiter, under the queue's lock (sets `PARKED`) |
    /// | n | 1 | `acquire`; `release`, under the queue's lock |
    ///
    /// `RETIRED` is set once, under the queue's lock, which takes the permits and empties the
    /// queue; no thread stands in it afterwards. A permit that is handed back later, by one who had
    /// been given it before, is there until the next retirement takes it.
    word: AtomicUsize,
    queue: WaitQueue,
    kind: ResourceKind,
    origin: Origin,
}

impl std::fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.permits())
            .field("name", &self.queue.name())
            .finish_non_exhaustive()
    }
}

/// A release would have taken the count over its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyReleases;

impl std::fmt::Display for TooManyReleases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Semaphore released too many times")
    }
}

impl std::error::Error for TooManyReleases {}

impl Resource for Semaphore {
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

impl Semaphore {
    /// The largest number of permits.
    pub const MAX_PERMITS: usize = usize::MAX / ONE / 2;

    const_unless_loom! {
        /// A semaphore with `permits` permits (at most [`Semaphore::MAX_PERMITS`], more are cut to
        /// that), which remembers the line where it was made.
        #[must_use]
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            Self::with_origin(permits, Origin::Rust(Location::caller()))
        }
    }

    const_unless_loom! {
        /// A semaphore with `permits` permits that was made at `origin`.
        #[must_use]
        pub fn with_origin(permits: usize, origin: Origin) -> Self {
            Self::of_kind(ResourceKind::Semaphore, permits, origin)
        }
    }

    const_unless_loom! {
        /// As [`Semaphore::with_origin`], for one that is a `BoundedSemaphore` to whoever looks.
        #[doc(hidden)]
        #[must_use]
        pub fn to_be_bounded(permits: usize, origin: Origin) -> Self {
            Self::of_kind(ResourceKind::BoundedSemaphore, permits, origin)
        }
    }

    const_unless_loom! {
        fn of_kind(kind: ResourceKind, permits: usize, origin: Origin) -> Self {
            let word = AtomicUsize::new(cut(permits) * ONE);
            Self { word, queue: WaitQueue::new(), kind, origin }
        }
    }

    /// Whether it is a `BoundedSemaphore` to whoever looks.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn is_to_be_bounded(&self) -> bool {
        self.kind == ResourceKind::BoundedSemaphore
    }

    /// Sets the number of free permits (at most [`Semaphore::MAX_PERMITS`]), whoever has some; for
    /// a semaphore that nobody waits for yet.
    pub fn reset(&self, permits: usize) {
        let permits = cut(permits);
        // Relaxed: whoever shares the semaphore afterwards publishes it.
        let mut word = self.word.load(Ordering::Relaxed);
        while let Err(changed) = self.word.compare_exchange_weak(
            word,
            (permits * ONE) | (word % ONE),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            word = changed;
        }
    }

    /// How many permits are free at this moment.
    #[must_use]
    pub fn permits(&self) -> usize {
        self.word.load(Ordering::Relaxed) / ONE
    }

    /// Takes a permit if one is free. Never blocks.
    #[inline]
    #[must_use = "a permit is taken if this is true"]
    pub fn try_acquire(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word >= ONE {
            // Acquire pairs with the Release in `release`.
            match self.word.compare_exchange_weak(
                word,
                word - ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    /// Takes a permit, waiting for it as long as it takes.
    ///
    /// # Errors
    /// [`WaitError`]: a deadlock, or an exception of a signal handler; no permit is then taken.
    #[inline]
    pub fn acquire(&self) -> Result<(), WaitError> {
        self.acquire_until(Deadline::NEVER).map(|_| ())
    }

    /// Takes a permit, waiting until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// As [`Semaphore::acquire`].
    #[inline]
    pub fn acquire_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if self.try_acquire() { Ok(true) } else { self.acquire_slow(deadline) }
    }

    #[cold]
    fn acquire_slow(&self, deadline: Deadline) -> Result<bool, WaitError> {
        let mut since = None;
        loop {
            if self.try_acquire() {
                return Ok(true);
            }
            if deadline.has_passed() || self.is_retired() {
                return Ok(false);
            }
            let turn = *since.get_or_insert_with(Since::now);
            let request =
                Park { queue: &self.queue, what: self, deadline, since: Some(turn), next: None };
            let give_back = |token| self.give_back(token);
            match park_and_take(&request, &|_| self.mark_parked(), give_back, &|_| {})? {
                Parked::Notified(HANDOFF) => return Ok(true),
                Parked::Notified(_) => since = Some(turn.in_vain()),
                Parked::Retry => {}
                Parked::TimedOut => return Ok(false),
            }
        }
    }

    /// Under the queue's lock: sets `PARKED` unless there is a permit, or never will be.
    fn mark_parked(&self) -> bool {
        // Relaxed: the releaser that sees the bit takes the queue's lock, which orders it.
        match self.word.compare_exchange(0, PARKED, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(word) => word < RETIRED,
        }
    }

    fn is_retired(&self) -> bool {
        self.word.load(Ordering::Relaxed) & RETIRED != 0
    }

    /// Takes all permits along, for a face whose permits are elsewhere from now on, and returns how
    /// many. Whoever waits, or comes to wait, has its `acquire_until` end with `Ok(false)`, as if
    /// its time were up: what was taken before is taken. To be used by one that calls neither
    /// `acquire` nor `acquire_async`, which cannot say that there was no permit.
    #[doc(hidden)]
    pub fn retire(&self) -> usize {
        let mut wakes = WakeList::default();
        let word = {
            let mut list = self.queue.lock();
            while let Some(woken) = list.pop(NORMAL) {
                wakes.push(woken);
            }
            // Acquire pairs with the Release in `release`.
            self.word.swap(RETIRED, Ordering::Acquire)
        };
        wakes.wake();
        word / ONE
    }

    /// Hands on a wake that its receiver could not use.
    fn give_back(&self, token: Token) {
        // The permit was in the count before, so it fits.
        let _ = self.release_slow(usize::from(token == HANDOFF), Self::MAX_PERMITS);
    }

    /// Adds `count` permits and wakes as many waiters.
    ///
    /// # Errors
    /// [`TooManyReleases`], and nothing changes, if there would be more than
    /// [`Semaphore::MAX_PERMITS`].
    #[inline]
    pub fn release(&self, count: usize) -> Result<(), TooManyReleases> {
        self.release_up_to(count, Self::MAX_PERMITS)
    }

    /// As [`Semaphore::release`], with a bound of the caller's (at most [`Semaphore::MAX_PERMITS`]).
    ///
    /// # Errors
    /// [`TooManyReleases`], and nothing changes, if there would be more than `bound`.
    #[inline]
    pub fn release_up_to(&self, count: usize, bound: usize) -> Result<(), TooManyReleases> {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & PARKED == 0 {
            if !fits(word, count, bound) {
                return Err(TooManyReleases);
            }
            // Release pairs with the Acquire in `try_acquire`.
            match self.word.compare_exchange_weak(
                word,
                word + count * ONE,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(changed) => word = changed,
            }
        }
        self.release_slow(count, bound)
    }

    /// Adds permits under the queue's lock: to starved waiters directly, to the rest through the
    /// word; then wakes as many waiters as there are new permits.
    #[cold]
    fn release_slow(&self, mut count: usize, bound: usize) -> Result<(), TooManyReleases> {
        let mut wakes = WakeList::default();
        {
            let mut list = self.queue.lock();
            if !fits(self.word.load(Ordering::Relaxed), count, bound) {
                return Err(TooManyReleases);
            }
            while count > 0 && list.first().is_some_and(|(_, since)| starved(since)) {
                list.pop(HANDOFF).into_iter().for_each(|woken| wakes.push(woken));
                count -= 1;
            }
            // Release pairs with the Acquire in `try_acquire`.
            let before = self.word.fetch_add(count * ONE, Ordering::Release);
            // Without new permits this is a wake handed on: it goes to the permits that are there.
            let mut wanted = if count == 0 { before / ONE } else { count };
            while wanted > 0
                && let Some(woken) = list.pop(NORMAL)
            {
                wakes.push(woken);
                wanted -= 1;
            }
            if list.is_empty() {
                self.word.fetch_and(!PARKED, Ordering::Relaxed);
            }
        }
        wakes.wake();
        Ok(())
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        self.queue.set_name(self, name);
    }

    /// Where the semaphore was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

#[expect(private_interfaces, reason = "sealed: nobody outside can name it")]
impl Rule for Semaphore {
    fn take(&self) -> bool {
        self.try_acquire()
    }
    fn mark(&self) -> bool {
        self.mark_parked()
    }
    fn hand_on(&self, token: Token) {
        self.give_back(token);
    }
    fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}

/// So many permits, or as many as there can be.
const fn cut(permits: usize) -> usize {
    if permits > Semaphore::MAX_PERMITS { Semaphore::MAX_PERMITS } else { permits }
}

/// Whether `count` more permits than in `word` are at most `bound`.
#[inline]
fn fits(word: usize, count: usize, bound: usize) -> bool {
    let bound = cut(bound);
    count <= bound && word / ONE <= bound - count
}

/// A semaphore whose count must not exceed its first value: releasing too often is an error.
///
/// ```
/// use ropewalk::sync::{BoundedSemaphore, TooManyReleases};
///
/// let seats = BoundedSemaphore::new(1);
/// assert!(seats.try_acquire());
/// seats.release(1)?;
/// assert_eq!(seats.release(1), Err(TooManyReleases));
/// # Ok::<(), TooManyReleases>(())
/// ```
///
/// # Interruption
/// As [`Semaphore`].
pub struct BoundedSemaphore {
    semaphore: Semaphore,
    bound: usize,
}

impl std::fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("permits", &self.permits())
            .field("bound", &self.bound)
            .field("name", &self.semaphore.queue.name())
            .finish_non_exhaustive()
    }
}

impl BoundedSemaphore {
    const_unless_loom! {
        /// A semaphore with `permits` permits (at most [`Semaphore::MAX_PERMITS`]), never more,
        /// which remembers the line where it was made.
        #[must_use]
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            Self::with_origin(permits, Origin::Rust(Location::caller()))
        }
    }

    const_unless_loom! {
        /// A semaphore with `permits` permits, never more, that was made at `origin`.
        #[must_use]
        pub fn with_origin(permits: usize, origin: Origin) -> Self {
            Self { semaphore: Semaphore::to_be_bounded(permits, origin), bound: cut(permits) }
        }
    }

    /// How many permits there are at most.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// As [`Semaphore::permits`].
    #[must_use]
    pub fn permits(&self) -> usize {
        self.semaphore.permits()
    }

    /// As [`Semaphore::try_acquire`].
    #[inline]
    #[must_use = "a permit is taken if this is true"]
    pub fn try_acquire(&self) -> bool {
        self.semaphore.try_acquire()
    }

    /// As [`Semaphore::acquire`].
    ///
    /// # Errors
    /// As [`Semaphore::acquire`].
    #[inline]
    pub fn acquire(&self) -> Result<(), WaitError> {
        self.semaphore.acquire()
    }

    /// As [`Semaphore::acquire_until`].
    ///
    /// # Errors
    /// As [`Semaphore::acquire`].
    #[inline]
    pub fn acquire_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        self.semaphore.acquire_until(deadline)
    }

    /// As [`Semaphore::acquire_async`].
    pub fn acquire_async(&self) -> super::Acquire<'_, Semaphore> {
        self.semaphore.acquire_async()
    }

    /// Adds `count` permits.
    ///
    /// # Errors
    /// [`TooManyReleases`], and nothing changes, if there would be more than at first.
    #[inline]
    pub fn release(&self, count: usize) -> Result<(), TooManyReleases> {
        self.semaphore.release_up_to(count, self.bound)
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        self.semaphore.set_name(name);
    }

    /// Where the semaphore was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.semaphore.origin()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_bound_lets_more_in_than_there_can_be() {
        let semaphore = Semaphore::new(0);
        // Twice this is 0.
        assert_eq!(
            semaphore.release_up_to(1 << (usize::BITS - 1), usize::MAX),
            Err(TooManyReleases)
        );
        assert_eq!(semaphore.permits(), 0);
        assert_eq!(semaphore.release_up_to(Semaphore::MAX_PERMITS, usize::MAX), Ok(()));
        assert_eq!(semaphore.release_up_to(1, usize::MAX), Err(TooManyReleases));
        assert_eq!(semaphore.permits(), Semaphore::MAX_PERMITS);
    }

    #[test]
    fn a_bound_that_was_cut_is_what_there_was_at_first() {
        let semaphore = BoundedSemaphore::new(usize::MAX);
        assert_eq!(semaphore.bound(), semaphore.permits());
        assert_eq!(semaphore.release(1), Err(TooManyReleases));
        assert!(semaphore.try_acquire());
        assert_eq!(semaphore.release(1), Ok(()));
    }
}
