//! The short way into the methods of every day: `acquire()`, `put(item)`, `with lock`.
//!
//! PyO3 reads the arguments of a call through a description of them, counts the threads that are
//! attached and turns results into objects: twice what an uncontended lock costs. So the entry of
//! such a method looks first whether it was called with the very arguments of every day, and does
//! what is to be done if that is nothing but an operation on the core. In all other cases it calls
//! what PyO3 made, which is the method: the short way is nothing that a caller could see.

use std::ffi::CStr;
use std::sync::OnceLock;

use pyo3::exceptions::PySystemError;
use pyo3::ffi::{self, METH_FASTCALL, METH_KEYWORDS, METH_NOARGS, Py_ssize_t, PyObject};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyBool;
use pyo3::{Borrowed, PyClass};
use ropewalk::queue::PutError;

/// The short way of one method.
///
/// PyO3 does not know that the thread is attached here: no `Py` may be dropped (a `Bound` may).
pub(crate) trait ShortWay {
    /// Whose method it is.
    type Class: PyClass<Frozen = True> + Sync;
    /// How many positional arguments there must be.
    const ARGUMENTS: usize;
    /// What PyO3 made.
    fn ordinary() -> &'static Ordinary;
    /// Does it and gives the result; `None`, when nothing has been done, leaves it to the ordinary
    /// method. `first` is the first argument, if there are any.
    fn call<'py>(
        object: &Bound<'py, Self::Class>,
        first: Option<Borrowed<'_, 'py, PyAny>>,
    ) -> Option<Bound<'py, PyAny>>;
}

/// A method as PyO3 made it.
#[derive(Debug)]
pub(crate) struct Ordinary(OnceLock<Function>);

#[derive(Debug, Clone, Copy)]
enum Function {
    Fast(ffi::PyCFunctionFastWithKeywords),
    NoArguments(ffi::PyCFunction),
}

impl Ordinary {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }
}

/// `None` as a result.
#[inline]
pub(crate) fn nothing(py: Python<'_>) -> Bound<'_, PyAny> {
    py.None().into_bound(py)
}

/// `True` or `False` as a result.
#[inline]
pub(crate) fn truth(py: Python<'_>, value: bool) -> Bound<'_, PyAny> {
    PyBool::new(py, value).to_owned().into_any()
}

/// What `put` does with an item that was not put.
#[cold]
pub(crate) fn not_put<E>(
    py: Python<'_>,
    error: PutError<Py<PyAny>, E>,
) -> Option<Bound<'_, PyAny>> {
    // The caller holds it too, so this is not its end.
    drop(error.into_item().map(|item| item.into_bound(py)));
    None
}

/// The entry of a method that takes arguments.
unsafe extern "C" fn fast<W: ShortWay>(
    object: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    if count.cast_unsigned() == W::ARGUMENTS && names.is_null() {
        // SAFETY: Python calls it attached, with an instance of the class and so many arguments.
        let result = unsafe {
            let py = Python::assume_attached();
            let first = (W::ARGUMENTS > 0).then(|| Borrowed::from_ptr(py, *arguments));
            W::call(&Borrowed::from_ptr(py, object).cast_unchecked(), first)
        };
        if let Some(result) = result {
            return result.into_ptr();
        }
    }
    // SAFETY: what Python called us with goes on to a function of the same kind.
    unsafe { fast_ordinary(W::ordinary(), object, arguments, count, names) }
}

#[cold]
unsafe extern "C" fn fast_ordinary(
    ordinary: &Ordinary,
    object: *mut PyObject,
    arguments: *const *mut PyObject,
    count: Py_ssize_t,
    names: *mut PyObject,
) -> *mut PyObject {
    match ordinary.0.get() {
        // SAFETY: the caller's.
        Some(Function::Fast(function)) => unsafe { function(object, arguments, count, names) },
        // The entry is in use only once a function of this kind was kept.
        _ => std::process::abort(),
    }
}

/// The entry of a method without arguments.
unsafe extern "C" fn no_arguments<W: ShortWay>(
    object: *mut PyObject,
    unused: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as in `fast`.
    let result = unsafe {
        let py = Python::assume_attached();
        W::call(&Borrowed::from_ptr(py, object).cast_unchecked(), None)
    };
    match result {
        Some(result) => result.into_ptr(),
        // SAFETY: as in `fast`.
        None => unsafe { no_arguments_ordinary(W::ordinary(), object, unused) },
    }
}

#[cold]
unsafe extern "C" fn no_arguments_ordinary(
    ordinary: &Ordinary,
    object: *mut PyObject,
    unused: *mut PyObject,
) -> *mut PyObject {
    match ordinary.0.get() {
        // SAFETY: the caller's.
        Some(Function::NoArguments(function)) => unsafe { function(object, unused) },
        // As in `fast_ordinary`.
        _ => std::process::abort(),
    }
}

/// Puts the entry of a short way in the place of the method `name`, for good.
pub(crate) fn install<W: ShortWay>(py: Python<'_>, name: &CStr) -> PyResult<()> {
    let class = py.get_type::<W::Class>().as_type_ptr();
    // SAFETY: attached. PyO3 made the class with an array of its methods, which is never freed and
    // ends with one without a name; Python reads the function in it at each call, and no method
    // is called before the module is there. The flags say which of the function types it is.
    unsafe {
        let mut method = (*class).tp_methods;
        while !method.is_null() && !(*method).ml_name.is_null() {
            if CStr::from_ptr((*method).ml_name) == name {
                let function = &mut (*method).ml_meth;
                let kept = match (*method).ml_flags {
                    flags if flags == METH_FASTCALL | METH_KEYWORDS => {
                        Function::Fast(function.PyCFunctionFastWithKeywords)
                    }
                    METH_NOARGS if W::ARGUMENTS == 0 => Function::NoArguments(function.PyCFunction),
                    _ => break,
                };
                // Only once, also if the module is made again.
                if W::ordinary().0.set(kept).is_ok() {
                    match kept {
                        Function::Fast(_) => function.PyCFunctionFastWithKeywords = fast::<W>,
                        Function::NoArguments(_) => function.PyCFunction = no_arguments::<W>,
                    }
                }
                return Ok(());
            }
            method = method.add(1);
        }
    }
    Err(crate::host::error::<PySystemError>(format!("{} has no short way", name.to_string_lossy())))
}

/// Defines a function that gives methods of a class their short ways:
/// `name(number of arguments) => function`, the function being its [`ShortWay::call`].
macro_rules! short_ways {
    ($install:ident for $class:ty { $($method:literal($arguments:literal) => |$object:ident, $first:tt| $way:expr;)* }) => {
        /// Gives the methods of every day their short ways.
        pub(crate) fn $install(py: pyo3::Python<'_>) -> pyo3::PyResult<()> {
            $({
                struct Way;
                impl $crate::direct::ShortWay for Way {
                    type Class = $class;
                    const ARGUMENTS: usize = $arguments;
                    fn ordinary() -> &'static $crate::direct::Ordinary {
                        static ORDINARY: $crate::direct::Ordinary =
                            $crate::direct::Ordinary::new();
                        &ORDINARY
                    }
                    #[inline]
                    fn call<'py>(
                        $object: &pyo3::Bound<'py, Self::Class>,
                        $first: Option<pyo3::Borrowed<'_, 'py, pyo3::PyAny>>,
                    ) -> Option<pyo3::Bound<'py, pyo3::PyAny>> {
                        $way
                    }
                }
                $crate::direct::install::<Way>(py, $method)?;
            })*
            Ok(())
        }
    };
}
pub(crate) use short_ways;
