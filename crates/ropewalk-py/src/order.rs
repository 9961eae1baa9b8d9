//! `--lock-order` and `--trace`: tells the core which locks are taken and released, if it wants to
//! know.

#![forbid(unsafe_code)]

use std::cell::Cell;

use pyo3::prelude::*;
use ropewalk::sync::Held;
use ropewalk::wait::{self, Deadline, WaitError};
use ropewalk::watch::{self, Inversion, Taken, Taking};

use super::error::Error;
use super::{host, late, origin, reporter};

/// Whether the core wants to know.
#[inline]
pub(crate) fn is_checked() -> bool {
    watch::notes_locks()
}

/// A lock was taken by the Python code that runs now, which would have waited for it or not.
#[inline]
pub(crate) fn taken(py: Python<'_>, lock: Held<'_>, waits: bool) {
    if is_checked() {
        tell(py, lock, waits);
    }
}

/// Whether the short ways may be taken: a trace is told of locks there, too, but the check of their
/// order runs Python.
pub(crate) fn is_short() -> bool {
    !watch::checks_lock_order()
}

/// Takes a lock, waiting for it until the deadline. Who checks the order is told before the wait: it
/// may be the one that never ends.
#[inline]
pub(crate) fn acquire_until(
    py: Python<'_>,
    lock: Held<'_>,
    deadline: Deadline,
) -> Result<bool, WaitError> {
    if watch::checks_lock_order() && tell_of_wait(py, lock) {
        return Ok(true);
    }
    lock.acquire_until(deadline)
}

/// Returns whether the lock was free and so was taken without a wait.
#[cold]
fn tell_of_wait(py: Python<'_>, lock: Held<'_>) -> bool {
    let is_taken = lock.try_acquire();
    if !is_taken {
        report(py, &watch::lock_wanted(look(py, lock, true)));
    }
    is_taken
}

#[cold]
fn tell(py: Python<'_>, lock: Held<'_>, waits: bool) {
    let name = lock.name();
    let taken = watch::checks_lock_order().then(|| look(py, lock, waits));
    let (lock, kind, origin) = (lock.resource(), lock.kind().name(), lock.origin());
    report(py, &watch::lock_taken(Taking { lock, kind, origin, name: name.as_deref(), taken }));
}

/// What the check of the order has to know of a lock.
fn look(py: Python<'_>, lock: Held<'_>, waits: bool) -> Taken {
    let made = lock.origin().describe().map(|at| format!(" made at {at}")).unwrap_or_default();
    let name = lock.name().map(|name| format!(" '{name}'")).unwrap_or_default();
    let name = format!("{}{name}{made}", lock.kind().name());
    let at = origin::here(py).origin().describe().unwrap_or_else(|| "an unknown line".into());
    let thread = wait::current().name().map_or_else(|| "?".into(), |name| name.to_string());
    Taken { lock: lock.resource(), name, at, thread, waits }
}

fn report(py: Python<'_>, inversions: &[Inversion]) {
    for inversion in inversions {
        reporter::tell(py, &inversion.describe(|text| clean(py, text)));
    }
}

/// A text without what a terminal would obey, as all that is shown.
fn clean(py: Python<'_>, text: &str) -> String {
    let clean = || -> PyResult<String> {
        late::call(host::word!(py, "ropewalk._tables")?, host::word!(py, "clean")?, (text,))?
            .extract()
    };
    // At the very end of the interpreter.
    clean().unwrap_or_else(|_| text.escape_debug().to_string())
}

/// Releases a lock, and says so to who wants to know.
#[inline]
pub(crate) fn release(lock: Held<'_>) -> Result<(), Error> {
    // Any thread may release some locks: who has taken it is known until then.
    let owner = if is_checked() { lock.owner() } else { None };
    if !lock.release() {
        return Err(match lock {
            Held::Lock(_) => Error::NotLocked,
            Held::RLock(_) => Error::NotOwner,
        });
    }
    if let Some(owner) = owner {
        watch::lock_released(lock.resource(), owner);
    }
    Ok(())
}

/// Calls `wait`, a wait on a condition that releases this lock, calls what it is given then, and takes
/// the lock again. An exception is to be what it returns, and not pending.
#[cold]
pub(crate) fn giving_up<R>(
    py: Python<'_>,
    lock: Held<'_>,
    wait: impl FnOnce(&dyn Fn()) -> PyResult<R>,
) -> PyResult<R> {
    let (owner, times) = (lock.owner(), lock.depth_hint());
    if watch::checks_lock_order() {
        // Taking it again may never end, nor may the wait itself.
        report(py, &watch::lock_wanted_again(look(py, lock, true)));
    }
    let is_released = Cell::new(false);
    let result = wait(&|| {
        is_released.set(true);
        for _ in 0..times {
            watch::lock_given_up(lock.resource(), owner.unwrap_or_default());
        }
    });
    // Nearly always; not if taking it again was interrupted twice.
    if is_released.get() && lock.owner() == Some(wait::current().word()) {
        for _ in 0..times {
            taken(py, lock, true);
        }
    }
    result
}

/// A lock is free from now on, whoever holds it.
pub(crate) fn freed(lock: Held<'_>) {
    if !is_checked() {
        return;
    }
    if let Some(owner) = lock.owner() {
        for _ in 0..lock.depth_hint() {
            watch::lock_released(lock.resource(), owner);
        }
    }
}

/// A lock is gone.
pub(crate) fn gone(lock: Held<'_>) {
    freed(lock);
    if watch::checks_lock_order() {
        watch::lock_gone(lock.resource());
    }
}

/// Switches on or off that locks which are taken in both orders, at different times, are reported.
#[pyfunction]
pub(crate) fn set_lock_order(on: bool) {
    watch::set_lock_order(on);
}
