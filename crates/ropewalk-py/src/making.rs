//! The short way of making an instance: `Future()`, `Event()`, `Semaphore()`.
//!
//! Python calls `__new__` and `__init__`, each with a tuple and a dict for the arguments. A class
//! with a short way has an entry that makes an instance for a call without arguments, and leaves all
//! other calls to what PyO3 made.

use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::ffi::{self, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::{PyClass, PyClassInitializer};

/// The short way of making an instance: `class()`.
pub(crate) trait ShortMaking: PyClass<Frozen = True> + Sync {
    /// The class's own `tp_new` and `tp_init`, as PyO3 made them.
    fn ordinary() -> &'static OnceLock<(usize, usize)>;
    /// A new instance, of this very class.
    fn make(py: Python<'_>) -> PyResult<Bound<'_, Self>>;
}

/// How far into an instance of one class its value lies, in bytes; unknown before there was one.
#[derive(Debug)]
pub(crate) struct Place(AtomicUsize);

impl Place {
    pub(crate) const fn unknown() -> Self {
        Self(AtomicUsize::new(0))
    }
}

/// A class whose instances begin without a `__dict__`: Python makes one when it is asked for.
///
/// CPython 3.11 and 3.12 make one for each instance, a third of what making it costs, and 64 bytes.
/// But 3.11 finds the methods of an instance faster that has one: this is for instances that are
/// many and live shortly.
pub(crate) trait Bare:
    PyClass<Frozen = True> + Into<PyClassInitializer<Self>> + Sync
{
    /// Where the instances of this class have their value.
    fn place() -> &'static Place;
}

/// A new instance of this very class, which holds `value`.
#[inline]
pub(crate) fn bare<C: Bare>(py: Python<'_>, value: C) -> PyResult<Bound<'_, C>> {
    // Relaxed: the number is all that there is to it.
    match C::place().0.load(Ordering::Relaxed) {
        0 => first(py, value),
        // SAFETY: the offset is that of another instance of this class.
        offset => unsafe { bare_at(py, value, offset) },
    }
}

#[cold]
fn first<C: Bare>(py: Python<'_>, value: C) -> PyResult<Bound<'_, C>> {
    let made = Bound::new(py, value)?;
    let offset = std::ptr::from_ref(made.get()).addr() - made.as_ptr().addr();
    C::place().0.store(offset, Ordering::Relaxed);
    Ok(made)
}

/// # Safety
/// `offset` is where instances of this very class have their value.
#[inline]
unsafe fn bare_at<C: Bare>(py: Python<'_>, value: C, offset: usize) -> PyResult<Bound<'_, C>> {
    let class = C::type_object_raw(py);
    // SAFETY: attached, a class that is ready. The new object is all zeros behind its head, which is
    // what PyO3 writes around the value of a frozen class that may be sent to other threads: no dict
    // and no weak references. No Python code and no collection runs before the value is written.
    unsafe {
        let object = (*class).tp_alloc.map_or_else(null_mut, |alloc| alloc(class, 0));
        if object.is_null() {
            return Err(PyErr::fetch(py));
        }
        object.byte_add(offset).cast::<C>().write(value);
        Ok(Bound::from_owned_ptr(py, object).cast_into_unchecked())
    }
}

/// `tp_new` and `tp_init`.
///
/// # Safety
/// A valid class.
unsafe fn makers(class: *mut ffi::PyTypeObject) -> (usize, usize) {
    // SAFETY: the caller's.
    let (new, init) = unsafe { ((*class).tp_new, (*class).tp_init) };
    (new.map_or(0, |f| f as usize), init.map_or(0, |f| f as usize))
}

/// The entry of a class, for its calls. Classes that derive from it do not have it.
unsafe extern "C" fn make<C: ShortMaking>(
    class: *mut PyObject,
    arguments: *const *mut PyObject,
    flagged_count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: Python calls it attached, with the class and so many arguments.
    unsafe {
        let py = Python::assume_attached();
        let count = ffi::PyVectorcall_NARGS(flagged_count);
        // A program may have put an `__init__` of its own into the class.
        let is_ordinary = C::ordinary().get() == Some(&makers(class.cast()));
        if count == 0 && names.is_null() && is_ordinary {
            return match C::make(py) {
                Ok(made) => made.into_ptr(),
                Err(error) => {
                    error.restore(py);
                    std::ptr::null_mut()
                }
            };
        }
        make_ordinarily(class, arguments, count, names)
    }
}

/// Calls the class as Python does without a short way.
#[cold]
unsafe fn make_ordinarily(
    class: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: the caller's; a class of the metaclass `type`, whose call takes a tuple, and a dict
    // or null. The objects made here are dropped here.
    unsafe {
        let positional = ffi::PyTuple_New(count);
        if positional.is_null() {
            return positional;
        }
        for index in 0..count {
            let argument = *arguments.offset(index);
            ffi::Py_INCREF(argument);
            ffi::PyTuple_SET_ITEM(positional, index, argument);
        }
        let mut keywords = std::ptr::null_mut();
        if !names.is_null() {
            keywords = ffi::PyDict_New();
            for index in 0..ffi::PyTuple_GET_SIZE(names) {
                let name = ffi::PyTuple_GET_ITEM(names, index);
                let value = *arguments.offset(count + index);
                if keywords.is_null() || ffi::PyDict_SetItem(keywords, name, value) < 0 {
                    ffi::Py_DECREF(positional);
                    ffi::Py_XDECREF(keywords);
                    return std::ptr::null_mut();
                }
            }
        }
        let result = match ffi::PyType_Type.tp_call {
            Some(call) => call(class, positional, keywords),
            None => std::process::abort(),
        };
        ffi::Py_DECREF(positional);
        ffi::Py_XDECREF(keywords);
        result
    }
}

/// Gives a class its short way of making instances.
pub(crate) fn install<C: ShortMaking>(py: Python<'_>) {
    let class = py.get_type::<C>().as_type_ptr();
    // SAFETY: attached; a class of PyO3's, which is made on the heap.
    unsafe {
        if C::ordinary().set(makers(class)).is_ok() {
            (*class).tp_vectorcall = Some(make::<C>);
        }
    }
}

/// Makes a class [`ShortMaking`]: with what makes an instance.
macro_rules! short_making {
    ($class:ty, $make:expr) => {
        impl $crate::making::ShortMaking for $class {
            fn ordinary() -> &'static std::sync::OnceLock<(usize, usize)> {
                static ORDINARY: std::sync::OnceLock<(usize, usize)> = std::sync::OnceLock::new();
                &ORDINARY
            }
            #[inline]
            fn make(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Bound<'_, Self>> {
                ($make)(py)
            }
        }
    };
}
pub(crate) use short_making;
