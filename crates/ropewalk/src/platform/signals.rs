//! Which signals a thread takes.

/// The signals that a thread has blocked.
#[cfg(unix)]
#[derive(Clone, Copy)]
pub(crate) struct SignalMask(libc::sigset_t);

#[cfg(unix)]
impl SignalMask {
    /// Those of the calling thread.
    pub(crate) fn current() -> Self {
        let mut mask = std::mem::MaybeUninit::uninit();
        // SAFETY: room for a set, which is written: the call fails only for an unknown way to set.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), mask.as_mut_ptr());
            Self(mask.assume_init())
        }
    }

    /// All that come from outside. A fault comes to the thread that made it, and something may be
    /// there to tell of it.
    pub(crate) fn all() -> Self {
        let mut mask = std::mem::MaybeUninit::uninit();
        // SAFETY: room for a set, which is filled by the first call.
        unsafe {
            libc::sigfillset(mask.as_mut_ptr());
            for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT] {
                libc::sigdelset(mask.as_mut_ptr(), fault);
            }
            Self(mask.assume_init())
        }
    }

    /// Has the calling thread block these and no others.
    pub(crate) fn set(&self) {
        // SAFETY: a set that was written.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

#[cfg(unix)]
impl std::fmt::Debug for SignalMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalMask").finish_non_exhaustive()
    }
}

/// There are no signals.
#[cfg(not(unix))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignalMask;

#[cfg(not(unix))]
impl SignalMask {
    /// None.
    pub(crate) fn current() -> Self {
        Self
    }

    /// None.
    pub(crate) fn all() -> Self {
        Self
    }

    /// Does nothing.
    pub(crate) fn set(&self) {}
}

/// Runs `spawn`; the threads that it starts take no signals.
///
/// The system gives a signal to any thread that has not blocked it. One that the program has blocked
/// in all of its own threads, to wait for it (`sigwait`), or until it has time, would come to a thread
/// of ours, and its default is to end the process.
pub(crate) fn without_signals<R>(spawn: impl FnOnce() -> R) -> R {
    let before = SignalMask::current();
    SignalMask::all().set();
    let result = spawn();
    before.set();
    result
}
