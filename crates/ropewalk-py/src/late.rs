//! Modules of ours that are seldom needed, and so are imported when they are.
//!
//! A fork would copy the locks that such an import holds, of our modules and of the stdlib's that these
//! want, into a child where nobody releases them. So forks wait for it. (Calls do not wait for each
//! other, nor for forks: what is told there may be that somebody waits.)

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::host;

/// How many calls are under way.
static CALLS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How many of them are this thread's.
    static MINE: Cell<usize> = const { Cell::new(0) };
}

/// Calls a function of a module of ours, which is imported when that is needed.
pub(crate) fn call<'py>(
    module: &Bound<'py, PyString>,
    function: &Bound<'py, PyString>,
    args: impl host::Several<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    // Also during the call: it may import more.
    let _call = Call::begin();
    host::call_method(&host::import(module)?, function, args)
}

struct Call;

impl Call {
    fn begin() -> Self {
        // Relaxed (here and below): who forks has the GIL, as has who begins or ends.
        CALLS.fetch_add(1, Ordering::Relaxed);
        MINE.set(MINE.get() + 1);
        Self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::Relaxed);
        MINE.set(MINE.get() - 1);
    }
}

/// Before a fork.
#[pyfunction]
#[pyo3(name = "_before_fork")]
pub(crate) fn before_fork(py: Python<'_>) {
    host::note_call(py);
    // Not for longer than it does: who imports may want a module that this thread is importing. And what
    // a handler of a signal raised here would not reach the program.
    host::give_way_until(py, || CALLS.load(Ordering::Relaxed) <= MINE.get());
    // Here: during the fork itself CPython has locked what threads of 3.14 need in order to end.
    ropewalk::fork::settle();
}

/// In the child of a fork: the calls of the other threads are not there.
pub(crate) fn forget() {
    CALLS.store(MINE.get(), Ordering::Relaxed);
}
