//! Lets objects of ours begin and end where Python may end the thread: see the head of `host.rs`.
//!
//! When an object ends, the callbacks of weak references to it run, and its attributes are dropped:
//! both may be code of the user. PyO3 does that in frames that must not be unwound. So it is done
//! before PyO3's `tp_dealloc` begins, guarded. And up to Python 3.11 the collector, which runs
//! destructors, may run where memory for an object is taken: there `tp_alloc` is guarded.

use std::ptr::null_mut;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::{PyTypeInfo, ffi};

use super::host;

/// Does what may run code of the user when the object ends.
///
/// # Safety
/// Attached, from within the object's `tp_dealloc`.
unsafe fn before(object: *mut ffi::PyObject) {
    // SAFETY: the object is whole, and nobody else refers to it. Its class says where the two
    // pointers are; both are null or valid. The collector must not see it any more.
    unsafe {
        let class = ffi::Py_TYPE(object);
        let (weak, dict) = ((*class).tp_weaklistoffset, (*class).tp_dictoffset);
        let at = |offset| object.byte_offset(offset).cast::<*mut ffi::PyObject>();
        let has_weak = weak > 0 && !(*at(weak)).is_null();
        let has_dict = dict > 0 && !(*at(dict)).is_null();
        if !has_weak && !has_dict {
            return;
        }
        if ffi::PyType_HasFeature(class, ffi::Py_TPFLAGS_HAVE_GC) != 0 {
            ffi::PyObject_GC_UnTrack(object.cast());
        }
        if has_weak {
            host::end_weak_references(object);
        }
        if has_dict {
            host::drop_reference(std::mem::replace(&mut *at(dict), null_mut()));
        }
    }
}

/// The `tp_alloc` of our classes where it may run the collector.
unsafe extern "C" fn allocate(
    class: *mut ffi::PyTypeObject,
    items: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: called by Python, or in its place, as the class's `tp_alloc`.
    unsafe { host::allocate(class, items) }
}

macro_rules! guard_the_end_of {
    ($py:expr, $($class:ty),* $(,)?) => {$({
        static ORIGINAL: OnceLock<ffi::destructor> = OnceLock::new();
        unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
            // SAFETY: called by Python as the object's `tp_dealloc`, as the original expects it.
            unsafe {
                before(object);
                if let Some(original) = ORIGINAL.get() {
                    original(object);
                }
            }
        }
        let class = <$class>::type_object_raw($py);
        // SAFETY: attached, and a class of PyO3's, which is made on the heap; nobody has derived from
        // it yet. Its slot is written once.
        unsafe {
            if let Some(original) = (*class).tp_dealloc
                && ORIGINAL.set(original).is_ok()
            {
                (*class).tp_dealloc = Some(dealloc);
                if $py.version_info() < (3, 12) {
                    (*class).tp_alloc = Some(allocate);
                }
            }
        }
    })*};
}

/// Guards the end of the objects of all classes that have weak references or attributes.
pub(crate) fn install(py: Python<'_>) {
    guard_the_end_of!(
        py,
        super::barrier::PyBarrier,
        super::condition::PyCondition,
        super::event::PyEvent,
        super::future::PyFuture,
        super::lock::PyLock,
        super::pool::PyPool,
        super::pool_queue::PyWorkQueue,
        super::queue::QueueBase,
        super::queue_classes::PyQueue,
        super::queue_classes::PyLifoQueue,
        super::queue_classes::PyPriorityQueue,
        super::queue_simple::PySimpleQueue,
        super::rlock::PyRLock,
        super::semaphore::PySemaphore,
        super::semaphore::PyBoundedSemaphore,
        super::thread::ThreadHandle,
        super::timer::TimerHandle,
    );
}
