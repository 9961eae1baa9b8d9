//! Work that the main thread does soon, in between two instructions of a program.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use pyo3::ffi;

use super::is_attached;

unsafe extern "C" {
    fn PyFrame_GetLasti(frame: *mut ffi::PyFrameObject) -> c_int;
}

/// What is to be done; null for nothing.
static WORK: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// The frame of Python's that ran when this was asked for, and where in its code it was.
static ASKED_IN: AtomicUsize = AtomicUsize::new(0);
static ASKED_AT: AtomicUsize = AtomicUsize::new(0);

/// Has `work` be done once the call that is under way has returned to Python's code: functions of a
/// program that it calls, as a fork does, come before that. The last one stays; one that cannot be kept,
/// as Python has too many, is left out.
pub(super) fn soon(work: fn()) {
    WORK.store(work as *mut c_void, Ordering::Relaxed);
    let mut at = (0, 0);
    if is_attached() {
        // SAFETY: attached; borrowed, or null if there is none.
        unsafe {
            let frame = ffi::PyEval_GetFrame();
            if !frame.is_null() {
                at = (frame.addr(), place(frame));
            }
        }
    }
    ASKED_IN.store(at.0, Ordering::Relaxed);
    ASKED_AT.store(at.1, Ordering::Relaxed);
    call_soon();
}

fn call_soon() {
    // SAFETY: may be called by any thread at any time.
    unsafe { ffi::Py_AddPendingCall(Some(call), null_mut()) };
}

extern "C" fn call(_: *mut c_void) -> c_int {
    if is_still_in_call() {
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

/// Whether the frame that asked is where it was, and has called the one that runs.
fn is_still_in_call() -> bool {
    let (asked_in, asked_at) = (ASKED_IN.load(Ordering::Relaxed), ASKED_AT.load(Ordering::Relaxed));
    // SAFETY: Python calls us attached. The frame that runs is borrowed, or null; those that have called
    // it are new references, or null, which are dropped here.
    unsafe {
        let running = ffi::PyEval_GetFrame();
        if running.is_null() || running.addr() == asked_in {
            return false;
        }
        let mut frame = ffi::PyFrame_GetBack(running);
        while !frame.is_null() {
            if frame.addr() == asked_in {
                let same = place(frame) == asked_at;
                ffi::Py_DECREF(frame.cast());
                return same;
            }
            let back = ffi::PyFrame_GetBack(frame);
            ffi::Py_DECREF(frame.cast());
            frame = back;
        }
        false
    }
}

/// # Safety
/// Attached; a valid frame.
unsafe fn place(frame: *mut ffi::PyFrameObject) -> usize {
    // SAFETY: the caller's.
    unsafe { PyFrame_GetLasti(frame) }.cast_unsigned() as usize
}
