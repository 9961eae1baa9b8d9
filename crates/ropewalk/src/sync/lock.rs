//! A mutual exclusion lock that any thread may release: Python's `threading.Lock`.

use std::panic::Location;
use std::sync::Arc;

use super::raw::RawLock;
use crate::primitive::{const_unless_loom, thread_word};
use crate::wait::{Deadline, Origin, ResourceKind, WaitError};

/// A lock that is held by at most one thread and that any thread may release.
///
/// It knows its owner, so a wait that can never end is refused as a deadlock and reports name the
/// holder. Waiters are overtaken for half a millisecond at most (see the module `raw`).
///
/// ```
/// use ropewalk::sync::Lock;
///
/// static LOCK: Lock = Lock::new();
/// let held = LOCK.hold()?;
/// assert!(LOCK.is_held());
/// drop(held);
/// assert!(!LOCK.is_held());
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// A blocked `acquire` runs the host's signal handlers and ends if one of them raised; the lock is
/// then not held. In the child of a [fork](crate::fork) a lock that another thread held stays held.
pub struct Lock {
    raw: RawLock,
}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lock")
            .field("held", &self.is_held())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// The lock was released though nobody held it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLocked;

impl std::fmt::Display for NotLocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("release unlocked lock")
    }
}

impl std::error::Error for NotLocked {}

/// Keeps a [`Lock`] held until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Hold<'a>(&'a Lock);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        // Somebody else may have released it meanwhile: everybody may.
        self.0.raw.release();
    }
}

#[cfg_attr(loom, expect(clippy::new_without_default, reason = "const outside models"))]
impl Lock {
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
            Self { raw: RawLock::new(ResourceKind::Lock, origin) }
        }
    }

    /// Takes the lock if it is free. Never blocks.
    #[inline]
    #[must_use = "the lock is held if this is true"]
    pub fn try_acquire(&self) -> bool {
        self.raw.try_acquire(thread_word())
    }

    /// Takes the lock, waiting for it as long as it takes.
    ///
    /// # Errors
    /// [`WaitError`]: a deadlock, or an exception of a signal handler; the lock is then not held.
    #[inline]
    pub fn acquire(&self) -> Result<(), WaitError> {
        self.acquire_until(Deadline::NEVER).map(|_| ())
    }

    /// Takes the lock, waiting until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    #[inline]
    pub fn acquire_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if self.try_acquire() { Ok(true) } else { self.raw.acquire_slow(deadline, None) }
    }

    /// Releases the lock, whoever took it.
    ///
    /// # Errors
    /// [`NotLocked`] if nobody holds it.
    #[inline]
    pub fn release(&self) -> Result<(), NotLocked> {
        if self.raw.release() { Ok(()) } else { Err(NotLocked) }
    }

    /// Takes the lock and releases it when the returned value is dropped.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    pub fn hold(&self) -> Result<Hold<'_>, WaitError> {
        self.acquire()?;
        Ok(Hold(self))
    }

    /// Whether somebody holds the lock at this moment.
    #[inline]
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.raw.is_held()
    }

    /// The identity under which deadlock reports know the lock: where it is now.
    #[must_use]
    pub fn resource(&self) -> usize {
        crate::wait::Resource::id(&self.raw)
    }

    /// The thread word of whoever holds the lock, where somebody does.
    #[must_use]
    pub fn owner(&self) -> Option<usize> {
        crate::wait::Resource::owner(&self.raw)
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
        self.raw.reset();
    }

    pub(super) fn raw(&self) -> &RawLock {
        &self.raw
    }
}

#[cfg(not(loom))]
impl Default for Lock {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
