//! Objects and exceptions made so that a lack of memory is a `MemoryError`: PyO3's own ways of
//! making them panic then.

use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};
use pyo3::{Borrowed, PyErr, PyTypeInfo};

use super::attached;

/// What becomes an object of Python's.
pub(crate) trait Made<'py> {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

/// Several of them: the arguments of a call, or what is in a tuple.
pub(crate) trait Several<'py> {
    type Objects: AsRef<[Bound<'py, PyAny>]> + IntoIterator<Item = Bound<'py, PyAny>>;
    fn objects(self, py: Python<'py>) -> PyResult<Self::Objects>;
}

/// The most that [`Several`] can be.
pub(super) const MOST: usize = 5;

/// # Safety
/// A new reference, or null with an exception set.
unsafe fn owned(py: Python<'_>, object: *mut ffi::PyObject) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: the caller's.
    unsafe { Bound::from_owned_ptr_or_err(py, object) }
}

impl<'py, T> Made<'py> for Bound<'py, T> {
    fn made(self, _: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.into_any())
    }
}

impl<'py, T> Made<'py> for &Bound<'py, T> {
    fn made(self, _: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.as_any().clone())
    }
}

impl<'py, T> Made<'py> for Borrowed<'_, 'py, T> {
    fn made(self, _: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.to_owned().into_any())
    }
}

impl<'py, T> Made<'py> for Py<T> {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.into_bound(py).into_any())
    }
}

impl<'py, M: Made<'py>> Made<'py> for Option<M> {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.map_or_else(|| Ok(py.None().into_bound(py)), |some| some.made(py))
    }
}

impl<'py> Made<'py> for bool {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyBool::new(py, self).to_owned().into_any())
    }
}

impl<'py> Made<'py> for usize {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: attached; a new reference or null.
        unsafe { owned(py, ffi::PyLong_FromSize_t(self)) }
    }
}

impl<'py> Made<'py> for u64 {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: as above.
        unsafe { owned(py, ffi::PyLong_FromUnsignedLongLong(self)) }
    }
}

impl<'py> Made<'py> for isize {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: as above.
        unsafe { owned(py, ffi::PyLong_FromSsize_t(self)) }
    }
}

impl<'py> Made<'py> for i32 {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: as above.
        unsafe { owned(py, ffi::PyLong_FromLong(self.into())) }
    }
}

impl<'py> Made<'py> for f64 {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: as above.
        unsafe { owned(py, ffi::PyFloat_FromDouble(self)) }
    }
}

impl<'py> Made<'py> for &str {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (text, length) = (self.as_ptr().cast(), self.len().cast_signed());
        // SAFETY: as above; so many bytes of UTF-8.
        unsafe { owned(py, ffi::PyUnicode_FromStringAndSize(text, length)) }
    }
}

impl<'py> Made<'py> for String {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.as_str().made(py)
    }
}

/// A list.
impl<'py, M: Made<'py>> Made<'py> for Vec<M> {
    fn made(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: as above. Its places are filled one after the other; those that are not yet, should
        // one fail, are null, which ends well.
        unsafe {
            let list = owned(py, ffi::PyList_New(self.len().cast_signed()))?;
            for (place, each) in self.into_iter().enumerate() {
                let object = each.made(py)?.into_ptr();
                ffi::PyList_SET_ITEM(list.as_ptr(), place.cast_signed(), object);
            }
            Ok(list)
        }
    }
}

macro_rules! several {
    ($length:literal $(, $kind:ident $place:tt)*) => {
        impl<'py, $($kind: Made<'py>),*> Several<'py> for ($($kind,)*) {
            type Objects = [Bound<'py, PyAny>; $length];
            #[inline]
            fn objects(self, _py: Python<'py>) -> PyResult<Self::Objects> {
                Ok([$(self.$place.made(_py)?),*])
            }
        }
    };
}

several!(0);
several!(1, A 0);
several!(2, A 0, B 1);
several!(3, A 0, B 1, C 2);
several!(4, A 0, B 1, C 2, D 3);
several!(5, A 0, B 1, C 2, D 3, E 4);

/// A tuple.
pub(crate) fn tuple<'py>(
    py: Python<'py>,
    several: impl Several<'py>,
) -> PyResult<Bound<'py, PyTuple>> {
    let objects = several.objects(py)?;
    let objects = objects.as_ref();
    // SAFETY: as above; each place is filled, with a reference of its own.
    unsafe {
        let tuple = owned(py, ffi::PyTuple_New(objects.len().cast_signed()))?;
        for (place, object) in objects.iter().enumerate() {
            let object = object.clone().into_ptr();
            ffi::PyTuple_SET_ITEM(tuple.as_ptr(), place.cast_signed(), object);
        }
        Ok(tuple.cast_into_unchecked())
    }
}

/// A `str`.
pub(crate) fn text<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyString>> {
    Ok(text.made(py)?.cast_into()?)
}

/// A new list.
pub(crate) fn list<'py, M: Made<'py>>(
    py: Python<'py>,
    objects: impl IntoIterator<Item = M>,
) -> PyResult<Bound<'py, PyList>> {
    Ok(objects.into_iter().collect::<Vec<_>>().made(py)?.cast_into()?)
}

/// A new dict.
pub(crate) fn dict(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    // SAFETY: as above.
    Ok(unsafe { owned(py, ffi::PyDict_New()) }?.cast_into()?)
}

/// `dict[name] = value`
pub(crate) fn put_in<'py>(
    dict: &Bound<'py, PyDict>,
    name: &str,
    value: impl Made<'py>,
) -> PyResult<()> {
    let py = dict.py();
    dict.set_item(text(py, name)?, value.made(py)?)
}

/// A `str` of which there is only one, as of the names in a program: it is found faster in a dict.
pub(crate) fn interned<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyString>> {
    let mut name = text(py, name)?.into_ptr();
    // SAFETY: attached; a reference to a `str` becomes one to a `str`, without memory to the same.
    unsafe {
        ffi::PyUnicode_InternInPlace(&raw mut name);
        Ok(Bound::from_owned_ptr(py, name).cast_into_unchecked())
    }
}

/// An exception of a class of Python's, or of ours, with a text.
#[cold]
pub(crate) fn error<T: PyTypeInfo>(text: impl AsRef<str>) -> PyErr {
    attached(|py| match text.as_ref().made(py) {
        Ok(text) => {
            // SAFETY: attached; a class of exceptions, and an object.
            unsafe { ffi::PyErr_SetObject(T::type_object_raw(py).cast(), text.as_ptr()) };
            PyErr::fetch(py)
        }
        Err(error) => error,
    })
}

/// The arguments of a call, as Python takes them without a tuple: with a free place before them.
pub(super) fn vector(objects: &[Bound<'_, PyAny>]) -> [*mut ffi::PyObject; MOST + 1] {
    let mut vector = [null_mut(); MOST + 1];
    for (place, object) in vector[1..].iter_mut().zip(objects) {
        *place = object.as_ptr();
    }
    vector
}

/// How many they are, and that there is the free place.
pub(super) fn vector_count(objects: &[Bound<'_, PyAny>]) -> usize {
    objects.len() | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET
}
