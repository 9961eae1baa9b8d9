//! Locks of a thread that others have released.

use crate::primitive::{AtomicBool, Ordering, ShortLock};

/// What others leave for a thread that keeps a list of the locks that it has taken: they may not
/// touch the list itself.
#[derive(Debug)]
pub(crate) struct ReleasedByOthers {
    /// Asked at each lock that the thread takes or releases.
    any: AtomicBool,
    locks: ShortLock<Vec<usize>>,
}

impl ReleasedByOthers {
    pub(super) const fn new() -> Self {
        Self { any: AtomicBool::new(false), locks: ShortLock::new(Vec::new()) }
    }

    /// The thread's lock was released by the calling one.
    pub(crate) fn add(&self, lock: usize) {
        let mut locks = self.locks.lock();
        locks.push(lock);
        // Under the lock, as in `take`: what is there is never without its mark.
        self.any.store(true, Ordering::Relaxed);
    }

    /// Takes them all.
    #[inline]
    pub(crate) fn take(&self) -> Vec<usize> {
        // Relaxed: what is overlooked now is taken with the next lock.
        if self.any.load(Ordering::Relaxed) { self.take_all() } else { Vec::new() }
    }

    #[cold]
    fn take_all(&self) -> Vec<usize> {
        let mut locks = self.locks.lock();
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *locks)
    }
}
