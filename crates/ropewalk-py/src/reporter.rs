//! How reports reach the user: a function of Python's is called with their text.
//!
//! The monitor writes them on a thread that nobody waits for. If the interpreter exits meanwhile,
//! that thread never runs Python again, but it holds the lock of the file that it writes to: the
//! report would be cut short, and CPython aborts when it wants to flush standard error. So the exit
//! lets a report that is under way be told, and none begins once it has closed the gate.

#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use ropewalk::wait::Deadlock;

use super::{error, host};

/// What is called with the text of each report.
static TELL: OnceLock<Py<PyAny>> = OnceLock::new();

/// How many reports are being told in the background.
static TELLING: AtomicUsize = AtomicUsize::new(0);

/// How long the exit waits for one: whoever should read it may have stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sets what is called with the text of each report; the first one stays.
pub(crate) fn set_tell(tell: Py<PyAny>) {
    let _ = TELL.set(tell);
}

/// Gives a text to the reporter, if there is one.
pub(crate) fn tell(py: Python<'_>, text: &str) {
    let Some(tell) = TELL.get() else { return };
    if let Err(error) = host::call(tell.bind(py), (text,), None) {
        host::report_unraisable(py, error, None);
    }
}

/// Tells of a suspected deadlock, unless it is a way to use a lock; on the monitor's thread, attached.
pub(crate) fn report(deadlock: &Deadlock) -> bool {
    // SeqCst: either we see the gate closed, or the exit sees us telling and waits.
    TELLING.fetch_add(1, Ordering::SeqCst);
    let told = host::gate_is_open()
        && host::attached(|py| {
            let text = error::message(py, deadlock);
            if !text.is_empty() {
                tell(py, &text);
            }
            !text.is_empty()
        });
    TELLING.fetch_sub(1, Ordering::SeqCst);
    told
}

/// Waits for the reports that are being told, for a second at most; called detached, with the gate
/// closed.
pub(crate) fn wait_until_told() {
    let began = Instant::now();
    while TELLING.load(Ordering::SeqCst) > 0 && began.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
}

/// In the child of a fork, where none of those who were telling exists.
pub(crate) fn forget() {
    TELLING.store(0, Ordering::SeqCst);
}
