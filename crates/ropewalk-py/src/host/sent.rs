//! Exceptions that another thread has sent to the calling one (`PyThreadState_SetAsyncExc`).
//!
//! The interpreter raises them at its next look, which is in the middle of CPython's waits, as those
//! are code of Python's, and after ours. By then an item has been taken that nobody gets. So a wait
//! asks, when it has slept, whether there is one.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use pyo3::exceptions::PyBaseException;
use pyo3::ffi;
use pyo3::prelude::*;

use super::{call0, nothing};

unsafe extern "C" {
    fn PyThreadState_EnterTracing(state: *mut ffi::PyThreadState);
    fn PyThreadState_LeaveTracing(state: *mut ffi::PyThreadState);
}

/// So many words of a thread's state are looked at: no version's state is shorter.
const WORDS: usize = 40;

/// Which word of a thread's state is the exception; 0 if that is not known.
static WORD: AtomicUsize = AtomicUsize::new(0);

/// Finds out where a thread's state keeps it, which differs between versions: sends one to the calling
/// thread, sees where it is, and has it raised. (To take it back would leave the interpreter's mark
/// that something is due, on CPython 3.11 and 3.12, and each loop would look for it from then on.)
///
/// # Errors
/// What a signal handler raised that was due.
pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let exception = py.get_type::<PyBaseException>();
    let nothing = nothing(py)?;
    // SAFETY: this thread is attached, and its state has that many words. In between nothing of
    // Python's runs.
    unsafe {
        let thread = ffi::PyThreadState_Get();
        let state = thread.cast::<AtomicPtr<ffi::PyObject>>();
        let words = || (1..WORDS).map(|word| (*state.add(word)).load(Ordering::Relaxed));
        let before: Vec<_> = words().collect();
        let me = ffi::PyThread_get_thread_ident().cast_signed();
        if ffi::PyThreadState_SetAsyncExc(me, exception.as_ptr()) != 1 {
            return Ok(());
        }
        let changed = words()
            .zip(before)
            .position(|(now, before)| now == exception.as_ptr() && before.is_null());
        // A debugger or profiler must not see it: CPython takes those away in which something is raised.
        PyThreadState_EnterTracing(thread);
        let raised = call0(nothing).err();
        PyThreadState_LeaveTracing(thread);
        let is_it = raised.as_ref().is_some_and(|error| error.get_type(py).is(&exception));
        if !is_it {
            ffi::PyThreadState_SetAsyncExc(me, std::ptr::null_mut());
        }
        let gone = changed.is_some_and(|at| words().nth(at).is_some_and(<*mut _>::is_null));
        if let Some(at) = changed.filter(|_| gone) {
            WORD.store(at + 1, Ordering::Relaxed);
        }
        raised.filter(|_| !is_it).map_or(Ok(()), Err)
    }
}

/// Whether the calling thread, which may be none of Python's, has been sent one.
#[inline]
pub(super) fn is_there() -> bool {
    let word = WORD.load(Ordering::Relaxed);
    if word == 0 {
        return false;
    }
    // SAFETY: may be called from any thread; a thread's own state is alive.
    unsafe {
        let state = ffi::PyGILState_GetThisThreadState().cast::<AtomicPtr<ffi::PyObject>>();
        !state.is_null() && !(*state.add(word)).load(Ordering::Relaxed).is_null()
    }
}

/// Raises what was sent to the calling thread; `true` means that it is raised now.
#[cold]
pub(super) fn raise(py: Python<'_>) -> bool {
    match nothing(py).and_then(call0) {
        Ok(_) => false,
        Err(error) => {
            error.restore(py);
            true
        }
    }
}
