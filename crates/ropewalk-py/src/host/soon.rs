//! Work that the main thread does soon, in between two instructions of a program.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

unsafe extern "C" {
    fn PyFrame_GetLasti(frame: *mut ffi::PyFrameObject) -> c_int;
}

/// What is to be done; null for nothing.
static WORK: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// The frame of Python's that makes the call, and where in its code it is.
static CALLED_IN: AtomicUsize = AtomicUsize::new(0);
static CALLED_AT: AtomicUsize = AtomicUsize::new(0);
/// How often it was too early.
static TRIES: AtomicUsize = AtomicUsize::new(0);

/// Then it is done all the same: each look costs something as long as the call goes on. Python looks up
/// to 32 times between two instructions.
const MOST_TRIES: usize = 32_000;

/// Notes the call of a function of C's that is about to ask for something: a fork.
pub(crate) fn note_call(_py: Python<'_>) {
    // SAFETY: attached; borrowed, or null if there is none.
    let (frame, at) = unsafe {
        let frame = ffi::PyEval_GetFrame();
        (frame.addr(), if frame.is_null() { 0 } else { place(frame) })
    };
    CALLED_IN.store(frame, Ordering::Relaxed);
    CALLED_AT.store(at, Ordering::Relaxed);
}

/// Has `work` be done once the call that was noted has returned to Python's code: functions of a
/// program that a fork calls come before that. The last one stays; one that cannot be kept, as Python has
/// too many, is left out. In another thread than the main one it is done at once: the main thread may be
/// in a call that does not end, and Python warns of threads there in any case.
pub(super) fn soon(work: fn()) {
    if !ropewalk::wait::current().is_main() {
        return work();
    }
    WORK.store(work as *mut c_void, Ordering::Relaxed);
    TRIES.store(0, Ordering::Relaxed);
    call_soon();
}

fn call_soon() {
    // SAFETY: may be called by any thread at any time.
    unsafe { ffi::Py_AddPendingCall(Some(call), null_mut()) };
}

extern "C" fn call(_: *mut c_void) -> c_int {
    if TRIES.fetch_add(1, Ordering::Relaxed) < MOST_TRIES && is_still_in_call() {
        call_soon();
        return 0;
    }
    let work = WORK.swap(null_mut(), Ordering::Relaxed);
    if !work.is_null() {
        // SAFETY: it is what was given to `soon`.
        unsafe { std::mem::transmute::<*mut c_void, fn()>(work)() };
    }
    0
}

/// Whether the frame that made the call is where it was, and has called the one that runs.
fn is_still_in_call() -> bool {
    let called_in = CALLED_IN.load(Ordering::Relaxed);
    // SAFETY: Python calls us attached, without an exception. The frame that runs is borrowed, or null;
    // those that have called it are new references, or null, which are dropped here.
    unsafe {
        let running = ffi::PyEval_GetFrame();
        if running.is_null() || running.addr() == called_in {
            return false;
        }
        let mut frame = ffi::PyFrame_GetBack(running);
        while !frame.is_null() {
            if frame.addr() == called_in {
                let same = place(frame) == CALLED_AT.load(Ordering::Relaxed);
                ffi::Py_DECREF(frame.cast());
                return same;
            }
            let back = ffi::PyFrame_GetBack(frame);
            ffi::Py_DECREF(frame.cast());
            frame = back;
        }
        // It may have ended for lack of memory.
        ffi::PyErr_Clear();
        false
    }
}

/// # Safety
/// Attached; a valid frame.
unsafe fn place(frame: *mut ffi::PyFrameObject) -> usize {
    // SAFETY: the caller's.
    unsafe { PyFrame_GetLasti(frame) }.cast_unsigned() as usize
}
