//! `--lock-order` and `--trace`: tells the core which locks are taken and released, if it wants to
//! know.

#![forbid(unsafe_code)]

use pyo3::prelude::*;
use ropewalk::sync::Held;
use ropewalk::wait;
use ropewalk::watch::{self, Taken};

use super::{origin, reporter};

/// Whether the core wants to know.
#[inline]
pub(crate) fn is_checked() -> bool {
    watch::notes_locks()
}

/// A lock was taken by the Python code that runs now.
#[inline]
pub(crate) fn taken(py: Python<'_>, lock: Held<'_>) {
    if is_checked() {
        tell(py, lock);
    }
}

/// Whether the short ways may be taken: a trace is told of locks there, too, but the check of their
/// order runs Python.
pub(crate) fn is_short() -> bool {
    !watch::checks_lock_order()
}

#[cold]
fn tell(py: Python<'_>, lock: Held<'_>) {
    let (lock, kind, made, name) = match lock {
        Held::Lock(lock) => (lock.resource(), "Lock", lock.origin(), lock.name()),
        Held::RLock(lock) => (lock.resource(), "RLock", lock.origin(), lock.name()),
    };
    watch::trace_taken(lock, kind, made, name.as_deref());
    if !watch::checks_lock_order() {
        return;
    }
    let made = made.describe().map(|at| format!(" made at {at}")).unwrap_or_default();
    let name = name.map(|name| format!(" '{name}'")).unwrap_or_default();
    let name = format!("{kind}{name}{made}");
    let at = origin::here(py).origin().describe().unwrap_or_else(|| "an unknown line".into());
    let thread = wait::current().name().map_or_else(|| "?".into(), |name| name.to_string());
    for inversion in watch::lock_taken(&Taken { lock, name, at, thread }) {
        reporter::tell(py, &inversion.to_string());
    }
}

/// A lock was released.
#[inline]
pub(crate) fn released(lock: usize) {
    if is_checked() {
        watch::lock_released(lock);
        watch::trace_released(lock);
    }
}

/// A lock is gone.
pub(crate) fn gone(lock: usize) {
    if watch::checks_lock_order() {
        watch::lock_gone(lock);
    }
}

/// Switches on or off that locks which are taken in both orders, at different times, are reported.
#[pyfunction]
pub(crate) fn set_lock_order(on: bool) {
    watch::set_lock_order(on);
}
