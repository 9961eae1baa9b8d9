//! `threading.Barrier`.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit, intern};
use ropewalk::sync::Barrier;

use super::direct::short_ways;
use super::error::Error;
use super::host;
use super::name::Name;
use super::origin::{self, Site};
use super::runtime::{address, cannot_pickle, type_name};
use super::timeout::{Given, added_timeout, count};

/// Implements a Barrier.
///
/// Useful for synchronizing a fixed number of threads at known synchronization points. Threads
/// block on 'wait()' and are simultaneously awoken once they have all made that call.
#[pyclass(frozen, weakref, dict, subclass, module = "threading", name = "Barrier")]
#[derive(Debug)]
pub(crate) struct PyBarrier {
    inner: OnceLock<Inner>,
    site: Site,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) core: Barrier,
    action: Option<Py<PyAny>>,
    timeout: Option<Py<PyAny>>,
}

impl PyBarrier {
    /// A barrier whose `__init__` has not run may have its parts in attributes.
    fn slow<'py>(
        slf: &Bound<'py, Self>,
        what: &str,
        arguments: impl IntoPyObject<
            'py,
            Target = PyTuple,
            Output = Bound<'py, PyTuple>,
            Error: Into<PyErr>,
        >,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let module = host::import(intern!(py, "ropewalk._barrier_slow"))?;
        host::call_method(&module, &PyString::new(py, what), arguments)
    }

    #[inline]
    pub(crate) fn inner(&self) -> PyResult<&Inner> {
        self.inner.get().ok_or_else(|| {
            PyAttributeError::new_err("'Barrier' object has no attribute '_parties'")
        })
    }
}

impl Drop for PyBarrier {
    fn drop(&mut self) {
        // Both may have destructors.
        let Some(Inner { action, timeout, .. }) = self.inner.take() else { return };
        host::attached(|py| {
            for object in [action, timeout].into_iter().flatten() {
                host::discard(object.into_bound(py));
            }
        });
    }
}

#[pymethods]
impl PyBarrier {
    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(parties, action=None, timeout=None, *, name=None)"
    )]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self { inner: OnceLock::new(), site: origin::here(py) }
    }

    #[pyo3(signature = (parties, action=None, timeout=None, *, name=None))]
    fn __init__(
        &self,
        parties: &Bound<'_, PyAny>,
        action: Option<Py<PyAny>>,
        timeout: Option<Py<PyAny>>,
        name: Option<Name>,
    ) -> PyResult<()> {
        if host::compare(parties, CompareOp::Lt, 1)? {
            let newer = parties.py().version_info() >= (3, 14);
            return Err(PyValueError::new_err(if newer {
                "parties must be >= 1"
            } else {
                "parties must be > 0"
            }));
        }
        let core = Barrier::with_origin(count(parties)?, self.site.origin());
        self.inner
            .set(Inner { core, action, timeout })
            .map_err(|_| PyRuntimeError::new_err("Barrier.__init__() was called twice"))?;
        if let Some(name) = name {
            self.inner()?.core.set_name(&name);
        }
        Ok(())
    }

    /// Wait for the barrier.
    ///
    /// When the specified number of threads have started waiting, they are all simultaneously
    /// awoken. If an 'action' was provided for the barrier, one of the threads will have executed
    /// that callback prior to returning. Returns an individual index number from 0 to 'parties-1'.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn wait<'py>(slf: &Bound<'py, Self>, timeout: Given<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let Some(inner) = slf.get().inner.get() else {
            return Self::slow(slf, "wait", (slf, timeout.get()));
        };
        let own = inner.timeout.as_ref().map(|timeout| timeout.bind_borrowed(py));
        let timeout = timeout.not_none().or(own);
        let deadline = added_timeout(py, timeout.map_or(Given::NOT, Given::from))?;
        let action = inner.action.as_ref().map(|action| {
            || match host::call0(action.bind(py)) {
                Ok(_) => Ok(()),
                Err(error) => Err(Error::Python(error)),
            }
        });
        let place = inner.core.wait_until(deadline, action)?;
        Ok(place.into_pyobject(py)?.into_any())
    }

    /// Reset the barrier to the initial state.
    ///
    /// Any threads currently waiting will get the BrokenBarrierError exception raised.
    fn reset(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().inner.get() {
            Some(inner) => inner.core.reset(),
            None => host::discard(Self::slow(slf, "reset", (slf,))?),
        }
        Ok(())
    }

    /// Place the barrier into a 'broken' state.
    ///
    /// Useful in case of error. Any currently waiting threads and threads attempting to 'wait()'
    /// will have BrokenBarrierError raised.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().inner.get() {
            Some(inner) => inner.core.abort(),
            None => host::discard(Self::slow(slf, "abort", (slf,))?),
        }
        Ok(())
    }

    /// Return the number of threads required to trip the barrier.
    #[getter]
    fn parties<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().inner.get() {
            Some(inner) => Ok(inner.core.parties().into_pyobject(slf.py())?.into_any()),
            None => Self::slow(slf, "parties", (slf,)),
        }
    }

    /// Return the number of threads currently waiting at the barrier.
    #[getter]
    fn n_waiting<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().inner.get() {
            Some(inner) => Ok(inner.core.waiting().into_pyobject(slf.py())?.into_any()),
            None => Self::slow(slf, "n_waiting", (slf,)),
        }
    }

    /// Return True if the barrier is in a broken state.
    #[getter]
    fn broken<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().inner.get() {
            Some(inner) => {
                Ok(inner.core.is_broken().into_pyobject(slf.py())?.to_owned().into_any())
            }
            None => Self::slow(slf, "broken", (slf,)),
        }
    }

    #[expect(clippy::unused_self, reason = "a method of Python's")]
    fn __getstate__(&self) -> PyResult<()> {
        Err(cannot_pickle("_thread.lock"))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (class, at) = (type_name(slf.as_any())?, address(slf.as_any()));
        Ok(if host::is_true(&Self::broken(slf)?)? {
            format!("<{class} at {at}: broken>")
        } else {
            let (waiters, parties) = (Self::n_waiting(slf)?, Self::parties(slf)?);
            format!("<{class} at {at}: waiters={waiters}/{parties}>")
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(inner) = self.inner.get() {
            visit.call(&inner.action)?;
            visit.call(&inner.timeout)?;
        }
        Ok(())
    }
}

short_ways! {
    install_short_ways for PyBarrier {
        c"wait"(0) => |barrier, _| {
            let inner = barrier.get().inner.get().filter(|inner| inner.action.is_none())?;
            let place = inner.core.try_wait()?;
            place.into_pyobject(barrier.py()).ok().map(Bound::into_any)
        };
    }
}
