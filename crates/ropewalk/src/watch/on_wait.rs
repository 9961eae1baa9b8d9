//! What is to be done once a thread is started or begins to wait.
//!
//! A background thread that tells of waits is not there while there is nothing to be told: a
//! program without threads must not look as if it had some.

#![forbid(unsafe_code)]

use crate::primitive::{AtomicBool, OnceLock, Ordering};

static WANTED: AtomicBool = AtomicBool::new(false);
static WHAT: OnceLock<fn()> = OnceLock::new();

/// Has the next start of a thread, or wait of any thread, call `what` before it begins; the first
/// `what` stays.
pub(crate) fn once_on_wait(what: fn()) {
    let _ = WHAT.set(what);
    // Relaxed: a wait that does not see it yet leaves it to the next one.
    WANTED.store(true, Ordering::Relaxed);
}

/// A thread is about to be started, or to wait.
#[inline]
pub(super) fn call() {
    // A load first, which is all that nearly every wait does.
    if WANTED.load(Ordering::Relaxed)
        && WANTED.swap(false, Ordering::Relaxed)
        && let Some(what) = WHAT.get()
    {
        what();
    }
}
