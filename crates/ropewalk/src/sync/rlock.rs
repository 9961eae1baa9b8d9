//! A lock that its owner may take again: Python's `threading.RLock`.

use std::panic::Location;
use std::sync::Arc;

use super::raw::RawLock;
use crate::primitive::{AtomicUsize, Ordering, const_unless_loom, thread_word};
use crate::wait::{Deadline, Origin, ResourceKind, WaitError};

/// A lock that its owner may take several times and must release as often.
///
/// Only the owner can release it, so a cycle of threads that wait for each other's `RLock`s is a
/// certain deadlock: the acquire that closes it fails instead of hanging.
///
/// ```
/// use ropewalk::sync::RLock;
///
/// let lock = RLock::new();
/// let outer = lock.hold()?;
/// let inner = lock.hold()?;
/// drop(inner);
/// assert!(lock.is_owned());
/// drop(outer);
/// assert!(!lock.is_held());
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// As [`super::Lock`].
pub struct RLock {
    raw: RawLock,
    /// How often the owner has taken it beyond the first time. Written by the owner only.
    again: AtomicUsize,
}

impl std::fmt::Debug for RLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RLock")
            .field("depth", &self.depth_hint())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// The lock was released by a thread that does not own it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOwner;

impl std::fmt::Display for NotOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cannot release un-acquired lock")
    }
}

impl std::error::Error for NotOwner {}

/// How often an [`RLock`] was held when [`RLock::release_all`] released it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved(pub usize);

/// Keeps an [`RLock`] held, once, until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct RLockHold<'a> {
    lock: &'a RLock,
    /// Only the thread that took it may release it.
    not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for RLockHold<'_> {
    fn drop(&mut self) {
        // Fails only if the owner released more often than it took: nothing is left to release.
        let _ = self.lock.release();
    }
}

#[cfg_attr(loom, expect(clippy::new_without_default, reason = "const outside models"))]
impl RLock {
    const_unless_loom! {
        /// A free lock that remembers the line where it was made.
        #[must_use]
        #[track_caller]
        pub fn new() -> Self {
            Self::with_origin(Origin::Rust(Location::caller()))
        }
    }

    const_unless_loom! {
        /// A free lock that was made at `origin`.
        #[must_use]
        pub fn with_origin(origin: Origin) -> Self {
            Self { raw: RawLock::new(ResourceKind::RLock, origin), again: AtomicUsize::new(0) }
        }
    }

    /// Takes the lock if it is free or owned by the calling thread. Never blocks.
    #[inline]
    #[must_use = "the lock is held if this is true"]
    pub fn try_acquire(&self) -> bool {
        let me = thread_word();
        if self.raw.is_held_by(me) {
            // Relaxed (here and below): the owner alone reads and writes it, and ownership passes
            // through the word.
            self.again.store(self.again.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            return true;
        }
        self.raw.try_acquire(me)
    }

    /// Takes the lock, waiting for it as long as it takes.
    ///
    /// # Errors
    /// [`WaitError`]: a deadlock, or an exception of a signal handler; the lock is then not taken.
    #[inline]
    pub fn acquire(&self) -> Result<(), WaitError> {
        self.acquire_until(Deadline::NEVER).map(|_| ())
    }

    /// Takes the lock, waiting until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// As [`RLock::acquire`].
    #[inline]
    pub fn acquire_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if self.try_acquire() { Ok(true) } else { self.raw.acquire_slow(deadline, None) }
    }

    /// Releases the lock once.
    ///
    /// # Errors
    /// [`NotOwner`] if the calling thread does not own it.
    #[inline]
    pub fn release(&self) -> Result<(), NotOwner> {
        if !self.raw.is_held_by(thread_word()) {
            return Err(NotOwner);
        }
        let again = self.again.load(Ordering::Relaxed);
        if again > 0 {
            self.again.store(again - 1, Ordering::Relaxed);
        } else {
            self.raw.release();
        }
        Ok(())
    }

    /// Takes the lock once and releases it when the returned value is dropped.
    ///
    /// # Errors
    /// As [`RLock::acquire`].
    pub fn hold(&self) -> Result<RLockHold<'_>, WaitError> {
        self.acquire()?;
        Ok(RLockHold { lock: self, not_send: std::marker::PhantomData })
    }

    /// Releases the lock however often it is held: CPython's `_release_save`.
    ///
    /// # Errors
    /// [`NotOwner`] if the calling thread does not own it.
    pub fn release_all(&self) -> Result<Saved, NotOwner> {
        if !self.raw.is_held_by(thread_word()) {
            return Err(NotOwner);
        }
        let again = self.again.load(Ordering::Relaxed);
        self.again.store(0, Ordering::Relaxed);
        self.raw.release();
        Ok(Saved(again + 1))
    }

    /// Takes the lock as often as it was held before: CPython's `_acquire_restore`. A count that no
    /// lock ever had, of more than half of all numbers, is cut to that.
    ///
    /// # Errors
    /// As [`RLock::acquire`].
    pub fn acquire_all(&self, saved: Saved) -> Result<(), WaitError> {
        self.acquire()?;
        self.restore(saved);
        Ok(())
    }

    /// Sets the count of the calling thread, which owns the lock.
    pub(super) fn restore(&self, saved: Saved) {
        // So that the count has room for what is taken later.
        let again = saved.0.saturating_sub(1).min(usize::MAX / 2);
        self.again.store(again, Ordering::Relaxed);
    }

    /// How often the calling thread holds the lock.
    #[must_use]
    pub fn depth(&self) -> usize {
        if self.is_owned() { self.again.load(Ordering::Relaxed) + 1 } else { 0 }
    }

    /// How often somebody holds the lock, as seen from any thread: for reports.
    #[must_use]
    pub fn depth_hint(&self) -> usize {
        if self.is_held() { self.again.load(Ordering::Relaxed) + 1 } else { 0 }
    }

    /// Whether the calling thread owns the lock.
    #[inline]
    #[must_use]
    pub fn is_owned(&self) -> bool {
        self.raw.is_held_by(thread_word())
    }

    /// Whether somebody holds the lock at this moment.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.raw.is_held()
    }

    /// The thread word of the owner, which on Linux is its `pthread_t`.
    #[must_use]
    pub fn owner(&self) -> Option<usize> {
        crate::wait::Resource::owner(&self.raw)
    }

    /// The identity under which deadlock reports know the lock: where it is now.
    #[must_use]
    pub fn resource(&self) -> usize {
        crate::wait::Resource::id(&self.raw)
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        self.raw.set_name(name);
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        self.raw.name()
    }

    /// Where the lock was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        crate::wait::Resource::origin(&self.raw)
    }

    /// Makes the lock free, whoever holds it.
    ///
    /// For the child of a fork only: CPython's `_at_fork_reinit`.
    pub fn reset_after_fork(&self) {
        self.again.store(0, Ordering::Relaxed);
        self.raw.reset();
    }

    pub(super) fn raw(&self) -> &RawLock {
        &self.raw
    }
}

#[cfg(not(loom))]
impl Default for RLock {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_no_lock_ever_had_leaves_room_for_more() {
        let lock = RLock::new();
        lock.acquire_all(Saved(usize::MAX)).unwrap();
        let depth = lock.depth();
        assert!(lock.try_acquire() && lock.try_acquire());
        assert_eq!(lock.depth(), depth + 2);
        assert_eq!(lock.release_all(), Ok(Saved(depth + 2)));
        assert!(!lock.is_held());
    }
}
