//! Waiting for something to become true under a lock: Python's `threading.Condition`.

use std::cell::Cell;
use std::panic::Location;

use super::held::Held;
use crate::primitive::{AtomicBool, Ordering, const_unless_loom};
use crate::wait::{
    Deadline, HANDOFF, NORMAL, NextLock, Origin, Park, Parked, Resource, ResourceKind, WaitError,
    WaitList, WaitQueue, owing, park,
};

/// A queue of threads that wait, having released a lock, until another thread notifies them.
///
/// There are no spurious wake-ups: a `wait` that succeeds was notified. Waiters are notified in
/// the order in which they came. A notifier that holds one of our locks moves the waiters to the
/// lock's queue, asleep, so that each is woken when it can have the lock.
///
/// ```
/// use ropewalk::sync::{Condition, Lock};
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static LOCK: Lock = Lock::new();
/// static READY: AtomicBool = AtomicBool::new(false);
/// static CHANGED: Condition = Condition::new();
///
/// let waiter = std::thread::spawn(|| {
///     let _held = LOCK.hold().unwrap();
///     while !READY.load(Ordering::Relaxed) {
///         CHANGED.wait(&LOCK).unwrap();
///     }
/// });
/// let held = LOCK.hold()?;
/// READY.store(true, Ordering::Relaxed);
/// CHANGED.notify(1, &LOCK);
/// drop(held);
/// waiter.join().unwrap();
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// A blocked `wait` runs the host's signal handlers and ends if one of them raised, holding the
/// lock again; a notification that crossed the exception goes to the next waiter.
pub struct Condition {
    queue: WaitQueue,
    /// Whether somebody may be in the queue: set before a waiter releases its lock, cleared, under
    /// the queue's lock, by a notifier that leaves it empty.
    crowded: AtomicBool,
    origin: Origin,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition")
            .field("waiters", &self.waiters())
            .field("name", &self.queue.name())
            .finish_non_exhaustive()
    }
}

/// Why [`Condition::wait`] failed.
#[derive(Debug)]
pub enum ConditionError {
    /// The lock was not held: nothing was waited for.
    NotHeld,
    /// The wait ended early.
    Wait(WaitError),
}

impl std::fmt::Display for ConditionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotHeld => f.write_str("cannot wait on un-acquired lock"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConditionError {}

impl From<WaitError> for ConditionError {
    fn from(error: WaitError) -> Self {
        Self::Wait(error)
    }
}

impl Resource for Condition {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Condition
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

#[cfg_attr(loom, expect(clippy::new_without_default, reason = "const outside models"))]
impl Condition {
    const_unless_loom! {
        /// A condition that nobody waits for, which remembers the line where it was made.
        #[must_use]
        #[track_caller]
        pub fn new() -> Self {
            Self::with_origin(Origin::Rust(Location::caller()))
        }
    }

    const_unless_loom! {
        /// A condition that was made at `origin`.
        #[must_use]
        pub fn with_origin(origin: Origin) -> Self {
            Self { queue: WaitQueue::new(), crowded: AtomicBool::new(false), origin }
        }
    }

    /// Releases `lock`, which the calling thread holds, waits for a notification, and takes the
    /// lock again as often as it was held.
    ///
    /// # Errors
    /// [`ConditionError`]; the lock is held again in every case but two: it was not held before,
    /// or taking it again was itself refused or interrupted twice.
    pub fn wait<'a>(&self, lock: impl Into<Held<'a>>) -> Result<(), ConditionError> {
        self.wait_until(lock, Deadline::NEVER).map(|_| ())
    }

    /// As [`Condition::wait`], until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// As [`Condition::wait`].
    pub fn wait_until<'a>(
        &self,
        lock: impl Into<Held<'a>>,
        deadline: Deadline,
    ) -> Result<bool, ConditionError> {
        self.wait_until_telling(lock, deadline, || {})
    }

    /// As [`Condition::wait_until`]; calls `released`, which must not wait, when it has released the
    /// lock and before it sleeps.
    ///
    /// # Errors
    /// As [`Condition::wait`].
    pub fn wait_until_telling<'a>(
        &self,
        lock: impl Into<Held<'a>>,
        deadline: Deadline,
        released: impl FnOnce(),
    ) -> Result<bool, ConditionError> {
        let lock = lock.into();
        let mut saved = None;
        let handed_over = Cell::new(false);
        let raw = lock.raw();
        let give_back = |token| raw.give_back(token);
        let moved = Cell::new(None);
        let next =
            Some(NextLock { queue: raw.queue(), what: raw, give_back: &give_back, moved: &moved });
        let result = self.wait_releasing(deadline, next, &handed_over, || {
            // Who gets the lock can run when this thread sleeps.
            saved = owing(|| lock.release_all());
            if saved.is_some() {
                released();
            }
            saved.is_some()
        });
        // If not even an exception kept it from being released, it was not held.
        let Some(saved) = saved else {
            return Err(result.map_or_else(Into::into, |_| ConditionError::NotHeld));
        };
        let interrupted = matches!(result, Err(WaitError::Interrupted));
        let again =
            if handed_over.get() { Ok(()) } else { raw.acquire_again(interrupted, moved.get()) };
        // Interrupted here still means that the lock was taken, unless it happened twice.
        if raw.is_held_by(crate::primitive::thread_word()) {
            lock.restore(saved);
        }
        let notified = matches!(result?, Parked::Notified(_));
        again?;
        Ok(notified)
    }

    /// Waits for a notification with a lock of the caller's own, which `release` releases; taking
    /// it again afterwards is the caller's. `Ok(None)` means that `release` said `false`: nothing
    /// was waited for. `Ok(Some(false))` means that the time was up.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_foreign(
        &self,
        deadline: Deadline,
        release: impl FnOnce() -> bool,
    ) -> Result<Option<bool>, WaitError> {
        Ok(match self.wait_releasing(deadline, None, &Cell::new(false), release)? {
            Parked::Notified(_) => Some(true),
            Parked::TimedOut => Some(false),
            Parked::Retry => None,
        })
    }

    /// `handed_over` becomes true if the waiter was moved to its lock's queue and was given the lock
    /// there, also when the wait then ended by an exception.
    fn wait_releasing(
        &self,
        deadline: Deadline,
        next: Option<NextLock<'_>>,
        handed_over: &Cell<bool>,
        release: impl FnOnce() -> bool,
    ) -> Result<Parked, WaitError> {
        let request = Park { queue: &self.queue, what: self, deadline, since: None, next };
        let hand_on = |token| {
            handed_over.set(token == HANDOFF);
            self.queue.notify_one(NORMAL);
        };
        let come = |_: &mut WaitList| {
            // Release pairs with the Acquire in `is_crowded`; a notifier that takes the lock after
            // we have released it sees this in any case.
            self.crowded.store(true, Ordering::Release);
            true
        };
        let parked = park(&request, come, release, hand_on)?;
        if parked == Parked::Notified(HANDOFF) {
            handed_over.set(true);
        }
        Ok(parked)
    }

    /// Notifies up to `count` waiters, `lock` being the one that they released. They go on one
    /// after the other, as they get the lock. Returns how many were notified.
    ///
    /// Python asks that the caller hold the lock; here it need not.
    pub fn notify<'a>(&self, count: usize, lock: impl Into<Held<'a>>) -> usize {
        if !self.is_crowded() {
            return 0;
        }
        let raw = lock.into().raw();
        // As in `look_whether_empty`.
        let emptied = || self.crowded.store(false, Ordering::Relaxed);
        let notified = self.queue.requeue(raw.queue(), count, || raw.mark_parked(), emptied);
        notified.unwrap_or_else(|| self.notify_foreign(count))
    }

    /// Whether somebody may wait. Nobody does, usually, and then a notify is this look only.
    #[inline]
    fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Acquire)
    }

    fn look_whether_empty(&self) {
        // Under the queue's lock, as the mark is set.
        let list = self.queue.lock();
        if list.is_empty() {
            self.crowded.store(false, Ordering::Relaxed);
        }
    }

    /// Notifies and wakes up to `count` waiters, whatever their lock is; returns how many.
    pub fn notify_foreign(&self, count: usize) -> usize {
        if !self.is_crowded() {
            return 0;
        }
        let notified = self.queue.notify_many(count, NORMAL);
        self.look_whether_empty();
        notified
    }

    /// How many threads wait at this moment.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.queue.lock().len()
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        self.queue.set_name(self, name);
    }

    /// Where the condition was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

#[cfg(not(loom))]
impl Default for Condition {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
