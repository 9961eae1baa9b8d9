//! A lock of either kind, for those who do the same with both.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::lock::Lock;
use super::raw::RawLock;
use super::rlock::{RLock, Saved};
use crate::wait::{Deadline, Origin, Resource, ResourceKind, WaitError};

/// A lock of ours, for a [`Condition`](super::Condition) and for reports.
#[derive(Debug, Clone, Copy)]
pub enum Held<'a> {
    /// A [`Lock`].
    Lock(&'a Lock),
    /// An [`RLock`].
    RLock(&'a RLock),
}

impl<'a> From<&'a Lock> for Held<'a> {
    fn from(lock: &'a Lock) -> Self {
        Self::Lock(lock)
    }
}

impl<'a> From<&'a RLock> for Held<'a> {
    fn from(lock: &'a RLock) -> Self {
        Self::RLock(lock)
    }
}

impl<'a> Held<'a> {
    /// Takes the lock if it can be had at once: see the class's own `try_acquire`.
    #[inline]
    #[must_use]
    pub fn try_acquire(self) -> bool {
        match self {
            Self::Lock(lock) => lock.try_acquire(),
            Self::RLock(lock) => lock.try_acquire(),
        }
    }

    /// Takes the lock, waiting until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    #[inline]
    pub fn acquire_until(self, deadline: Deadline) -> Result<bool, WaitError> {
        match self {
            Self::Lock(lock) => lock.acquire_until(deadline),
            Self::RLock(lock) => lock.acquire_until(deadline),
        }
    }

    /// Releases the lock once: see the class's own `release`. `false` where that is an error.
    #[inline]
    #[must_use]
    pub fn release(self) -> bool {
        match self {
            Self::Lock(lock) => lock.release().is_ok(),
            Self::RLock(lock) => lock.release().is_ok(),
        }
    }

    /// Whether a condition of this lock may be used now: an `RLock` must be owned by the calling
    /// thread. A `Lock` belongs to nobody, so somebody must hold it.
    #[inline]
    #[must_use]
    pub fn is_owned(self) -> bool {
        match self {
            Self::Lock(lock) => lock.is_held(),
            Self::RLock(lock) => lock.is_owned(),
        }
    }

    /// How often somebody holds the lock, as seen from any thread: for reports.
    #[must_use]
    pub fn depth_hint(self) -> usize {
        match self {
            Self::Lock(lock) => usize::from(lock.is_held()),
            Self::RLock(lock) => lock.depth_hint(),
        }
    }

    /// What kind of lock it is.
    #[must_use]
    pub fn kind(self) -> ResourceKind {
        self.raw().kind()
    }

    /// The identity under which deadlock reports know the lock: where it is now.
    #[must_use]
    pub fn resource(self) -> usize {
        self.raw().id()
    }

    /// The thread word of whoever holds the lock, where somebody does.
    #[must_use]
    pub fn owner(self) -> Option<usize> {
        self.raw().owner()
    }

    /// Where the lock was made.
    #[must_use]
    pub fn origin(self) -> Origin {
        self.raw().origin()
    }

    /// The name that it was given.
    #[must_use]
    pub fn name(self) -> Option<Arc<str>> {
        self.raw().name()
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(self, name: &str) {
        self.raw().set_name(name);
    }

    /// Makes the lock free, whoever holds it. For the child of a fork only.
    pub fn reset_after_fork(self) {
        match self {
            Self::Lock(lock) => lock.reset_after_fork(),
            Self::RLock(lock) => lock.reset_after_fork(),
        }
    }

    pub(super) fn raw(self) -> &'a RawLock {
        match self {
            Self::Lock(lock) => lock.raw(),
            Self::RLock(lock) => lock.raw(),
        }
    }

    /// Releases it however often it is held.
    pub(super) fn release_all(self) -> Option<Saved> {
        match self {
            Self::Lock(lock) => lock.release().ok().map(|()| Saved(1)),
            Self::RLock(lock) => lock.release_all().ok(),
        }
    }

    /// Sets how often the calling thread, which holds it, does so.
    pub(super) fn restore(self, saved: Saved) {
        if let Self::RLock(lock) = self {
            lock.restore(saved);
        }
    }
}
