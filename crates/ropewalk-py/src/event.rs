//! `threading.Event`.

#![forbid(unsafe_code)]

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ropewalk::sync::Event;

use super::direct::{self, short_ways};
use super::error::Error;
use super::host::{self, Made};
use super::inflated::{Inflated, delete_part, own_state, part, slow};
use super::making::short_making;
use super::name::Name;
use super::origin::{self, Site};
use super::runtime::{address, deprecated, type_name};
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
    inflated: Inflated,
}

impl PyEvent {
    fn make(py: Python<'_>) -> Self {
        let site = origin::here(py);
        Self { core: Event::with_origin(site.origin()), _site: site, inflated: Inflated::default() }
    }

    /// For the short ways: `None` if it is not.
    #[inline]
    fn is_fast(&self) -> Option<()> {
        (!self.inflated.is_so()).then_some(())
    }

    /// Moves the state into attributes.
    fn inflate<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let core = &slf.get().core;
        slf.get().inflated.inflate(slf, |attributes| {
            attributes.set_item(
                host::word!(slf.py(), "_flag")?,
                direct::truth(slf.py(), core.is_set()),
            )?;
            // Nobody waits in the core any more.
            core.set();
            Ok(())
        })
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
    fn __init__(slf: &Bound<'_, Self>, name: Option<Name>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if this.inflated.is_so() {
            host::discard(slow(py, host::word!(py, "set_up_event")?, (slf,))?);
        } else if this.core.is_set() {
            this.core.clear();
        }
        if let Some(name) = name {
            this.core.set_name(&name);
        }
        Ok(())
    }

    /// Return true if and only if the internal flag is true.
    fn is_set<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::_flag(slf)
    }

    /// Return true if and only if the internal flag is true (deprecated, use is_set()).
    #[pyo3(name = "isSet")]
    fn is_set_camel<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        deprecated(py, c"isSet() is deprecated, use is_set() instead")?;
        host::call_method(slf, host::word!(py, "is_set")?, ())
    }

    /// Set the internal flag to true. All threads waiting for it to become true are awakened.
    fn set(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        this.core.set();
        if this.inflated.is_so() {
            host::discard(slow(py, host::word!(py, "set_flag")?, (slf,))?);
        }
        Ok(())
    }

    /// Reset the internal flag to false.
    fn clear(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        if !this.inflated.is_so() {
            this.core.clear();
            if !this.inflated.is_so() {
                return Ok(());
            }
            // For those who came to wait in the core meanwhile.
            this.core.set();
        }
        slow(py, host::word!(py, "clear_flag")?, (slf,)).map(host::discard)
    }

    /// Block until the internal flag is true, at most timeout seconds if it is not None. Return
    /// whether it was: False means that the time was up.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn wait<'py>(slf: &Bound<'py, Self>, timeout: Given<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        if this.inflated.is_so() {
            return slow(py, host::word!(py, "wait")?, (slf, timeout.get()));
        }
        if this.core.is_set() && !this.inflated.is_so() {
            return Ok(direct::truth(py, true));
        }
        let deadline = optional_timeout(py, timeout)?;
        let waiting = this.inflated.waiting();
        let is_set = this.core.wait_until(deadline).map_err(Error::from)?;
        if !this.inflated.is_so() {
            return Ok(direct::truth(py, is_set));
        }
        let condition = Self::_cond(slf)?;
        let left = deadline.left().map(|left| left.as_secs_f64());
        waiting.go_on(&condition, host::word!(py, "wait_held")?, (slf, left))
    }

    #[getter]
    fn _cond<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        part(slf, &Self::inflate(slf)?, host::word!(slf.py(), "_cond")?)
    }

    #[setter(_cond)]
    fn set_cond(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        host::set_item(&Self::inflate(slf)?, host::word!(slf.py(), "_cond")?, value)
    }

    #[deleter(_cond)]
    fn delete_cond(slf: &Bound<'_, Self>) -> PyResult<()> {
        delete_part(slf, &Self::inflate(slf)?, host::word!(slf.py(), "_cond")?)
    }

    #[getter]
    fn _flag<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let is_set = this.core.is_set();
        if this.inflated.is_so() {
            return part(slf, &Self::inflate(slf)?, host::word!(py, "_flag")?);
        }
        Ok(direct::truth(py, is_set))
    }

    #[setter(_flag)]
    fn set_flag(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        host::set_item(&Self::inflate(slf)?, host::word!(slf.py(), "_flag")?, value)
    }

    #[deleter(_flag)]
    fn delete_flag(slf: &Bound<'_, Self>) -> PyResult<()> {
        delete_part(slf, &Self::inflate(slf)?, host::word!(slf.py(), "_flag")?)
    }

    /// Forgets waiters of threads that do not exist in the child of a fork.
    fn _at_fork_reinit(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().inflated.is_so() {
            let condition = Self::_cond(slf)?;
            let name = host::word!(slf.py(), "_at_fork_reinit")?;
            host::discard(host::call_method(&condition, name, ())?);
        }
        Ok(())
    }

    /// As CPython's: it is up to whoever pickles whether it can do that with the lock inside.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::inflate(slf)?;
        own_state(slf)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        slow(slf.py(), host::word!(slf.py(), "restore")?, (slf, state)).map(host::discard)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let status = if host::is_true(&Self::_flag(slf)?)? { "set" } else { "unset" };
        let (class, at) = (type_name(slf.as_any())?, address(slf.as_any()));
        format!("<{class} at {at}: {status}>").made(slf.py())
    }
}

short_ways! {
    install_short_ways for PyEvent {
        c"is_set"(0) => |event, _| {
            let is_set = event.get().core.is_set();
            event.get().is_fast()?;
            Some(direct::truth(event.py(), is_set))
        };
        c"set"(0) => |event, _| {
            event.get().core.set();
            event.get().is_fast()?;
            Some(direct::nothing(event.py()))
        };
        c"clear"(0) => |event, _| {
            event.get().is_fast()?;
            event.get().core.clear();
            event.get().is_fast()?;
            Some(direct::nothing(event.py()))
        };
        c"wait"(0) => |event, _| {
            let is_set = event.get().core.is_set();
            event.get().is_fast()?;
            is_set.then(|| direct::truth(event.py(), true))
        };
    }
}
