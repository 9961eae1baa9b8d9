//! `name=`, which our constructors take beyond what CPython's do: what reports call the object.
//!
//! Classes with an `__init__` take it there. Those without one, as CPython's are without, get a
//! constructor that looks for a call with a name and nothing else, and leaves all other calls to
//! what PyO3 made: the record of a name needs the object where it stays, which PyO3's `#[new]` does
//! not have. A subclass's arguments are its own business.

use std::ops::Deref;
use std::sync::OnceLock;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{Borrowed, PyClass};

use super::host;

/// A name that was given, for reports: it may have characters that UTF-8 does not have.
pub(crate) struct Name(String);

impl FromPyObject<'_, '_> for Name {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        Ok(Self(value.cast::<PyString>()?.to_string_lossy().into_owned()))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A class whose constructor takes a name and otherwise nothing.
pub(crate) trait Named: PyClass {
    /// What PyO3 made.
    fn ordinary() -> &'static OnceLock<ffi::newfunc>;
    /// A new object, with its name.
    fn make<'py>(py: Python<'py>, name: Option<&str>) -> PyResult<Bound<'py, Self>>;
}

/// The name, if that and nothing else was given.
///
/// # Safety
/// Attached; a tuple and a dict, as constructors get them.
#[cold]
unsafe fn alone(
    py: Python<'_>,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> PyResult<Option<Bound<'_, PyAny>>> {
    // SAFETY: the caller's.
    let (args, kwargs): (Borrowed<'_, '_, PyTuple>, Borrowed<'_, '_, PyDict>) = unsafe {
        (
            Borrowed::from_ptr(py, args).cast_unchecked(),
            Borrowed::from_ptr(py, kwargs).cast_unchecked(),
        )
    };
    if !args.is_empty() || kwargs.len() != 1 {
        return Ok(None);
    }
    kwargs.get_item(host::word!(py, "name")?)
}

fn named<'py, T: Named>(name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, T>> {
    let py = name.py();
    if name.is_none() {
        return T::make(py, None);
    }
    if let Ok(name) = name.extract::<Name>() {
        return T::make(py, Some(&name));
    }
    let class = name.get_type().name()?;
    Err(crate::host::error::<PyTypeError>(format!("name must be a str or None, not {class}")))
}

/// The constructor in the place of PyO3's.
unsafe extern "C" fn new<T: Named>(
    class: *mut PyTypeObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut PyObject {
    if !kwargs.is_null() {
        // SAFETY: Python calls it attached, with a class and its arguments.
        let (py, name) = unsafe {
            let py = Python::assume_attached();
            let exact = std::ptr::eq(class, T::type_object_raw(py));
            (py, if exact { alone(py, args, kwargs) } else { Ok(None) })
        };
        let made = match name {
            Ok(Some(name)) => Some(named::<T>(&name)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        match made {
            Some(Ok(object)) => return object.into_ptr().cast(),
            Some(Err(error)) => {
                error.restore(py);
                return std::ptr::null_mut();
            }
            None => {}
        }
    }
    match T::ordinary().get() {
        // SAFETY: what Python called us with goes on to a function of the same kind.
        Some(ordinary) => unsafe { ordinary(class, args, kwargs) },
        // It is in use only once the other was kept.
        None => std::process::abort(),
    }
}

/// Puts it there, for good; before there are subclasses, which inherit it.
pub(crate) fn install<T: Named>(py: Python<'_>) {
    // SAFETY: attached; PyO3 made the class, and nobody has called its constructor yet.
    unsafe {
        let class = T::type_object_raw(py);
        // Only once, also if the module is made again.
        if let Some(ordinary) = (*class).tp_new
            && T::ordinary().set(ordinary).is_ok()
        {
            (*class).tp_new = Some(new::<T>);
        }
    }
}

/// Makes a class [`Named`]: with what makes an object, and where its name goes.
macro_rules! takes_name {
    ($class:ty, $make:expr) => {
        impl $crate::name::Named for $class {
            fn ordinary() -> &'static std::sync::OnceLock<pyo3::ffi::newfunc> {
                static ORDINARY: std::sync::OnceLock<pyo3::ffi::newfunc> =
                    std::sync::OnceLock::new();
                &ORDINARY
            }
            fn make<'py>(
                py: pyo3::Python<'py>,
                name: Option<&str>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, Self>> {
                let make: fn(pyo3::Python<'_>) -> Self = $make;
                let object = pyo3::Bound::new(py, make(py))?;
                if let Some(name) = name {
                    object.get().core.set_name(name);
                }
                Ok(object)
            }
        }
    };
}
pub(crate) use takes_name;
