//! `threading.Event`.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ropewalk::sync::Event;

use super::condition::PyCondition;
use super::direct::{self, short_ways};
use super::error::Error;
use super::making::short_making;
use super::name::Name;
use super::origin::{self, Site};
use super::runtime::{address, cannot_pickle, deprecated, type_name};
use super::timeout::{Given, optional_timeout};

/// Class implementing event objects.
///
/// Events manage a flag that can be set to true with the set() method and reset to false with the
/// clear() method. The wait() method blocks until the flag is true. The flag is initially false.
#[pyclass(frozen, weakref, dict, subclass, module = "threading", name = "Event")]
#[derive(Debug)]
pub(crate) struct PyEvent {
    pub(crate) core: Event,
    _site: Site,
    /// For programs that look at CPython's private `_cond`; ours does not need it.
    cond: OnceLock<Py<PyCondition>>,
}

impl PyEvent {
    fn make(py: Python<'_>) -> Self {
        let site = origin::here(py);
        Self { core: Event::with_origin(site.origin()), _site: site, cond: OnceLock::new() }
    }
}

short_making!(PyEvent, |py| Bound::new(py, Self::make(py)));

#[pymethods]
impl PyEvent {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(*, name=None)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self::make(py)
    }

    /// Called again, as some programs do, it makes the event as new.
    #[pyo3(signature = (*, name=None))]
    fn __init__(&self, name: Option<Name>) {
        if self.core.is_set() {
            self.core.clear();
        }
        if let Some(name) = name {
            self.core.set_name(&name);
        }
    }

    /// Return true if and only if the internal flag is true.
    fn is_set(&self) -> bool {
        self.core.is_set()
    }

    /// Return true if and only if the internal flag is true (deprecated, use is_set()).
    #[pyo3(name = "isSet")]
    fn is_set_camel(&self, py: Python<'_>) -> PyResult<bool> {
        deprecated(py, c"isSet() is deprecated, use is_set() instead")?;
        Ok(self.core.is_set())
    }

    /// Set the internal flag to true. All threads waiting for it to become true are awakened.
    fn set(&self) {
        self.core.set();
    }

    /// Reset the internal flag to false.
    fn clear(&self) {
        self.core.clear();
    }

    /// Block until the internal flag is true, at most timeout seconds if it is not None. Return
    /// whether it was: False means that the time was up.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn wait(&self, py: Python<'_>, timeout: Given<'_, '_>) -> PyResult<bool> {
        if self.core.is_set() {
            return Ok(true);
        }
        let deadline = optional_timeout(py, timeout)?;
        Ok(self.core.wait_until(deadline).map_err(Error::from)?)
    }

    #[getter]
    fn _cond(&self, py: Python<'_>) -> PyResult<Py<PyCondition>> {
        if let Some(cond) = self.cond.get() {
            return Ok(cond.clone_ref(py));
        }
        let new = PyCondition::with_new_lock(py)?;
        // Of two threads that come at the same time, one is first.
        Ok(self.cond.get_or_init(|| new).clone_ref(py))
    }

    #[getter]
    fn _flag(&self) -> bool {
        self.core.is_set()
    }

    /// Forgets waiters of threads that do not exist in the child of a fork.
    fn _at_fork_reinit(&self, py: Python<'_>) -> PyResult<()> {
        match self.cond.get() {
            Some(cond) => cond.get().at_fork_reinit(py),
            None => Ok(()),
        }
    }

    #[expect(clippy::unused_self, reason = "a method of Python's")]
    fn __getstate__(&self) -> PyResult<()> {
        Err(cannot_pickle("_thread.lock"))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let status = if slf.get().core.is_set() { "set" } else { "unset" };
        Ok(format!("<{} at {}: {status}>", type_name(slf.as_any())?, address(slf.as_any())))
    }
}

short_ways! {
    install_short_ways for PyEvent {
        c"is_set"(0) => |event, _| {
            Some(direct::truth(event.py(), event.get().core.is_set()))
        };
        c"set"(0) => |event, _| {
            event.get().core.set();
            Some(direct::nothing(event.py()))
        };
        c"clear"(0) => |event, _| {
            event.get().core.clear();
            Some(direct::nothing(event.py()))
        };
        c"wait"(0) => |event, _| {
            event.get().core.is_set().then(|| direct::truth(event.py(), true))
        };
    }
}
