//! Lets objects of ours begin and end where Python may end the thread: see the head of `host.rs`.
//!
//! When an object ends, the callbacks of weak references to it run, and its attributes are dropped:
//! both may be code of the user. PyO3 does that in frames that must not be unwound. So it is done
//! before PyO3's `tp_dealloc` begins, guarded. And up to Python 3.11 the collector, which runs
//! destructors, may run where memory for an object is taken: there `tp_alloc` is guarded.
//!
//! And up to CPython 3.12 the memory for the `__dict__` is taken before PyO3 has written the value. If
//! there is none an object ends that is all zeros, which is no value of some classes. So nobody looks for
//! anything in one that is: a value that is all zeros has nothing to drop. (The collector may come there
//! as well, on 3.11: see `__traverse__` of each class.)

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

/// What the end of an instance was before it was guarded.
struct Original {
    dealloc: ffi::destructor,
    /// How long an instance of this very class is, in bytes.
    size: usize,
}

impl Original {
    /// Whether the value is not written yet.
    ///
    /// # Safety
    /// An instance of this class, or of one that derives from it.
    unsafe fn is_blank(&self, object: *mut ffi::PyObject) -> bool {
        let head = size_of::<ffi::PyObject>() / size_of::<usize>();
        let words = object.cast::<usize>();
        // SAFETY: so long is the object, in memory that Python has filled with zeros.
        (head..self.size / size_of::<usize>())
            .all(|word| unsafe { words.add(word).read_volatile() } == 0)
    }

    /// # Safety
    /// As the object's `tp_dealloc`.
    unsafe fn end(&self, object: *mut ffi::PyObject) {
        // SAFETY: the caller's. One that is blank has its memory, and a reference to its class.
        unsafe {
            if !self.is_blank(object) {
                before(object);
                return (self.dealloc)(object);
            }
            let class = ffi::Py_TYPE(object);
            if ffi::PyType_HasFeature(class, ffi::Py_TPFLAGS_HAVE_GC) != 0 {
                ffi::PyObject_GC_UnTrack(object.cast());
            }
            if let Some(free) = (*class).tp_free {
                free(object.cast());
            }
            ffi::Py_DECREF(class.cast());
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
        static ORIGINAL: OnceLock<Original> = OnceLock::new();
        unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
            if let Some(original) = ORIGINAL.get() {
                // SAFETY: called by Python as the object's `tp_dealloc`, as the original expects it.
                unsafe { original.end(object) };
            }
        }
        let class = <$class>::type_object_raw($py);
        // SAFETY: attached, and a class of PyO3's, which is made on the heap; nobody has derived from
        // it yet. Its slot is written once.
        unsafe {
            let size = (*class).tp_basicsize.unsigned_abs();
            if let Some(original) = (*class).tp_dealloc.map(|dealloc| Original { dealloc, size })
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
