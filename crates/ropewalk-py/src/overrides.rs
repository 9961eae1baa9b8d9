//! Whether a program has put methods of its own in the place of ours: in a class that derives from
//! ours, in ours itself, or in the `__dict__` of an instance.
//!
//! CPython's methods call each other by name. Ours do so only where it makes a difference: to look
//! whether it does costs next to nothing, as Python marks each state of a class with a number.

use std::sync::atomic::{AtomicU32, Ordering};

use once_cell::race::OnceBox;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use pyo3::{Borrowed, PyClass, ffi};

use super::host;

/// What an instance remembers of a look: the mark of its class, when that had our methods.
#[derive(Debug)]
pub(crate) struct Seen(AtomicU32);

impl Default for Seen {
    fn default() -> Self {
        // No mark: Python stops long before that.
        Self(AtomicU32::new(u32::MAX))
    }
}

/// Some methods of a class of ours, by their names.
pub(crate) struct Methods {
    names: &'static [&'static str],
    /// The same names, with what we made.
    ours: OnceBox<Vec<(Py<PyString>, Py<PyAny>)>>,
}

impl Methods {
    pub(crate) const fn new(names: &'static [&'static str]) -> Self {
        Self { names, ours: OnceBox::new() }
    }

    /// Keeps what we made: when the module is made, before anybody can replace it.
    pub(crate) fn keep<C: PyClass>(&self, py: Python<'_>) -> PyResult<()> {
        let class = py.get_type::<C>();
        self.ours.get_or_try_init(|| {
            let names = self.names.iter().map(|name| {
                let name = host::interned(py, name)?;
                let method = host::attribute(&class, &name)?;
                Ok((name.unbind(), method.unbind()))
            });
            names.collect::<PyResult<_>>().map(Box::new)
        })?;
        Ok(())
    }

    /// Whether one of them is another one for this instance.
    #[inline]
    pub(crate) fn are_replaced(&self, object: &Bound<'_, PyAny>, seen: &Seen) -> bool {
        // Relaxed: a mark is never given to another state, nor to another class.
        let is_ours = seen.0.load(Ordering::Relaxed) == mark(object);
        !(is_ours && attributes(object).is_none()) && self.look(object, seen, is_ours)
    }

    #[cold]
    fn look(&self, object: &Bound<'_, PyAny>, seen: &Seen, is_ours: bool) -> bool {
        let py = object.py();
        let Some(ours) = self.ours.get() else { return false };
        // A key with code behind it may have the object take another dict.
        let own = attributes(object).map(Borrowed::to_owned);
        let is_in_instance = own.is_some_and(|own| {
            let any = ours.iter().any(|(name, _)| own.contains(name.bind(py)).unwrap_or(false));
            host::discard(own.into_any());
            any
        });
        if is_in_instance {
            return true;
        }
        let class = object.get_type();
        let is_same = |(name, method): &(Py<PyString>, Py<PyAny>)| {
            host::attribute(&class, name.bind(py)).is_ok_and(|found| found.is(method))
        };
        if is_ours || ours.iter().all(is_same) {
            let mark = mark(object);
            if mark != 0 {
                seen.0.store(mark, Ordering::Relaxed);
            }
            return false;
        }
        true
    }
}

/// An instance's attribute of its own with this name.
pub(crate) fn get_own<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyAny>> {
    // A key with code behind it may have the object take another dict.
    attributes(object)?.to_owned().get_item(name).ok().flatten()
}

/// Whether an instance has an attribute of its own with this name.
pub(crate) fn has_own(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> bool {
    attributes(object).is_some_and(|own| own.to_owned().contains(name).unwrap_or(false))
}

/// What Python marks this state of the object's class with; 0 for nothing yet.
#[inline]
fn mark(object: &Bound<'_, PyAny>) -> u32 {
    // SAFETY: a valid object has a valid class.
    unsafe { (*ffi::Py_TYPE(object.as_ptr())).tp_version_tag }
}

/// The instance's `__dict__`, if there is something in it.
#[inline]
fn attributes<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<Borrowed<'a, 'py, PyDict>> {
    // SAFETY: attached. The class says where the pointer is, which is null or a dict's; the object
    // keeps that for as long as nobody sets another one, and nothing here runs code that could.
    unsafe {
        let offset = (*ffi::Py_TYPE(object.as_ptr())).tp_dictoffset;
        if offset <= 0 {
            return None;
        }
        let dict = *object.as_ptr().byte_offset(offset).cast::<*mut ffi::PyObject>();
        (!dict.is_null() && (*dict.cast::<ffi::PyDictObject>()).ma_used > 0)
            .then(|| Borrowed::from_ptr(object.py(), dict).cast_unchecked())
    }
}
