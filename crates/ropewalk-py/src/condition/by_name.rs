//! Conditions whose class, or who themselves, have another method in the place of one of ours.

use pyo3::prelude::*;
use pyo3::types::PyString;

use super::PyCondition;
use crate::error::Error;
use crate::host;
use crate::overrides::{Methods, has_own};
use crate::timeout::{Given, optional_timeout};

/// What `wait` and `notify` call, and what `notify_all` calls.
static PARTS: Methods = Methods::new(&["_is_owned", "_release_save", "_acquire_restore"]);
pub(super) static NOTIFY: Methods = Methods::new(&["notify"]);

/// Keeps our methods, to know those that replace them.
pub(crate) fn keep_methods(py: Python<'_>) -> PyResult<()> {
    PARTS.keep::<PyCondition>(py)?;
    NOTIFY.keep::<PyCondition>(py)
}

/// With what a program has put in the place of the methods that `wait` and `notify` call: then it is
/// in Python's hands what it means to hold the lock.
impl PyCondition {
    #[inline]
    pub(super) fn has_parts_of_its_own(&self, object: &Bound<'_, PyAny>) -> bool {
        PARTS.are_replaced(object, &self.seen_parts)
    }

    /// As in CPython, whose `__init__` gives an instance the lock's, where that has them.
    fn by_name<'py>(
        slf: &Bound<'py, Self>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !has_own(slf, name)
            && let Some(found) = host::attribute_opt(&slf.get().lock()?.object(slf.py()), name)?
        {
            return Ok(found);
        }
        host::attribute(slf, name)
    }

    pub(super) fn is_owned_by_name(slf: &Bound<'_, Self>) -> PyResult<bool> {
        host::is_true(&host::call0(&Self::by_name(slf, host::word!(slf.py(), "_is_owned")?)?)?)
    }

    pub(super) fn wait_by_name(slf: &Bound<'_, Self>, timeout: Given<'_, '_>) -> PyResult<bool> {
        let py = slf.py();
        if !Self::is_owned_by_name(slf)? {
            return Err(Error::NotHeld("cannot wait on un-acquired lock").into());
        }
        let deadline = optional_timeout(py, timeout)?;
        let names = (host::word!(py, "_release_save")?, host::word!(py, "_acquire_restore")?);
        let mut released = None;
        let result = slf.get().core.wait_foreign(deadline, || {
            let result = Self::by_name(slf, names.0).and_then(|release| host::call0(&release));
            let proceed = result.is_ok();
            released = Some(result);
            proceed
        });
        let result = result.map_err(|error| PyErr::from(Error::from(error)));
        if let Some(saved) = released {
            host::discard(host::call(&Self::by_name(slf, names.1)?, (saved?,), None)?);
        }
        Ok(result? == Some(true))
    }
}
