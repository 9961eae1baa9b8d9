//! Modules of ours that are seldom needed, and so are imported when they are.
//!
//! A fork would copy the locks that such an import holds, of our modules and of the stdlib's that these
//! want, into a child where nobody releases them. So forks wait for it.

#![forbid(unsafe_code)]

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyString;
use ropewalk::sync::RLock;
use ropewalk::wait::{Deadline, Origin};

use super::error::Error;
use super::host;

/// Held by one that imports, and during a fork.
static LATE: RLock = RLock::with_origin(Origin::Unknown);

/// How long a fork waits at most: who imports may want a module that the forking thread is importing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Calls a function of a module of ours, which is imported when that is needed.
pub(crate) fn call<'py>(
    module: &Bound<'py, PyString>,
    function: &Bound<'py, PyString>,
    args: impl host::Several<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    LATE.acquire().map_err(Error::from)?;
    // Also during the call: it may import more.
    let held = Held;
    let module = host::import(module)?;
    let result = host::call_method(&module, function, args);
    drop(held);
    result
}

struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        let _ = LATE.release();
    }
}

/// Before a fork.
#[pyfunction]
#[pyo3(name = "_before_fork")]
pub(crate) fn before_fork() {
    // It is not for a handler's exception to end the fork, which Python would tell of only: nobody else
    // may take it so long, and that is all.
    let _ = LATE.acquire_until(Deadline::after(PATIENCE));
}

/// After a fork, in the parent.
#[pyfunction]
#[pyo3(name = "_after_fork_in_parent")]
pub(crate) fn after_fork_in_parent() {
    let _ = LATE.release();
}

/// After a fork, in the child.
#[pyfunction]
#[pyo3(name = "_after_fork_in_child")]
pub(crate) fn after_fork_in_child() {
    if LATE.release().is_err() {
        // Who holds it is not there.
        LATE.reset_after_fork();
    }
}
