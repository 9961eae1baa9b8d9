//! `threading.Semaphore` and `threading.BoundedSemaphore`.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ropewalk::sync::Semaphore;

use super::direct::{self, short_ways};
use super::error::Error;
use super::host;
use super::making::short_making;
use super::name::Name;
use super::origin::{self, Site};
use super::runtime::{address, cannot_pickle, type_name};
use super::timeout::{Given, added_timeout, count, whole_number};

/// This class implements semaphore objects.
///
/// Semaphores manage a counter representing the number of release() calls minus the number of
/// acquire() calls, plus an initial value. The acquire() method blocks if necessary until it can
/// return without making the counter negative. If not given, value defaults to 1.
#[pyclass(frozen, weakref, dict, subclass, module = "threading", name = "Semaphore")]
#[derive(Debug)]
pub(crate) struct PySemaphore {
    pub(crate) core: Semaphore,
    bound: AtomicUsize,
    bounded: bool,
    initialized: AtomicBool,
    _site: Site,
}

impl PySemaphore {
    fn make(py: Python<'_>, bounded: bool) -> Self {
        let site = origin::here(py);
        Self {
            core: Semaphore::with_origin(1, site.origin()),
            bound: AtomicUsize::new(if bounded { 1 } else { Semaphore::MAX_PERMITS }),
            bounded,
            initialized: AtomicBool::new(false),
            _site: site,
        }
    }

    /// `__init__`: sets the count. A second call, which CPython allows, sets it anew.
    fn initialize(&self, value: Given<'_, '_>) -> PyResult<()> {
        let value = match value.get() {
            None => 1,
            Some(value) => {
                if host::compare(&value, CompareOp::Lt, 0)? {
                    return Err(PyValueError::new_err("semaphore initial value must be >= 0"));
                }
                let value = whole_number(&value).ok_or_else(|| {
                    PyValueError::new_err("semaphore initial value must be a whole number")
                })?;
                // So many are as good as the infinity that some programs give.
                value.min(Semaphore::MAX_PERMITS)
            }
        };
        self.core.reset(value);
        if self.bounded {
            self.bound.store(value, Ordering::Relaxed);
        }
        self.initialized.store(true, Ordering::Relaxed);
        Ok(())
    }

    #[inline]
    fn release_n(&self, count: usize) -> Result<(), Error> {
        let bound = self.bound.load(Ordering::Relaxed);
        let count = count.min(Semaphore::MAX_PERMITS / 2);
        match self.core.release_up_to(count, bound) {
            // Nobody waits then: there are more than half of all the permits that can be counted.
            Err(_) if bound == Semaphore::MAX_PERMITS => Ok(()),
            result => Ok(result?),
        }
    }
}

short_making!(PySemaphore, |py| {
    let made = Self::make(py, false);
    made.initialized.store(true, Ordering::Relaxed);
    Bound::new(py, made)
});

#[pymethods]
impl PySemaphore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1, *, name=None)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self::make(py, false)
    }

    #[pyo3(signature = (value=Given::NOT, *, name=None))]
    fn __init__(&self, value: Given<'_, '_>, name: Option<Name>) -> PyResult<()> {
        self.initialize(value)?;
        if let Some(name) = name {
            self.core.set_name(&name);
        }
        Ok(())
    }

    /// Acquire a semaphore, decrementing the internal counter by one. If it is zero, block until
    /// another thread releases it, at most timeout seconds if that is not None; with blocking
    /// false do not block. Return whether it was acquired.
    #[pyo3(
        signature = (blocking=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, blocking=True, timeout=None)"
    )]
    fn acquire(
        &self,
        py: Python<'_>,
        blocking: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<bool> {
        let blocks = match blocking.get() {
            None => true,
            Some(value) => host::is_true(&value)?,
        };
        if !blocks {
            if timeout.not_none().is_some() {
                return Err(PyValueError::new_err(
                    "can't specify timeout for non-blocking acquire",
                ));
            }
            return Ok(self.core.try_acquire());
        }
        if self.core.try_acquire() {
            return Ok(true);
        }
        let deadline = added_timeout(py, timeout)?;
        Ok(self.core.acquire_until(deadline).map_err(Error::from)?)
    }

    /// Release a semaphore, incrementing the internal counter by one or more, and wake up as many
    /// waiting threads. A BoundedSemaphore that is released too often raises ValueError.
    #[pyo3(signature = (n=Given::NOT), text_signature = "($self, n=1)")]
    fn release(&self, n: Given<'_, '_>) -> PyResult<()> {
        let count = match n.get() {
            None => 1,
            Some(n) => {
                if host::compare(&n, CompareOp::Lt, 1)? {
                    return Err(PyValueError::new_err("n must be one or more"));
                }
                count(&n)?
            }
        };
        Ok(self.release_n(count)?)
    }

    fn __enter__(&self) -> Result<bool, Error> {
        self.core.acquire()?;
        Ok(true)
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Result<(), Error> {
        self.release_n(1)
    }

    #[getter]
    fn _value(&self) -> usize {
        self.core.permits()
    }

    #[expect(clippy::unused_self, reason = "a method of Python's")]
    fn __getstate__(&self) -> PyResult<()> {
        Err(cannot_pickle("_thread.lock"))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let this = slf.get();
        let (class, at) = (type_name(slf.as_any())?, address(slf.as_any()));
        let value = this.core.permits();
        Ok(if this.bounded {
            let bound = this.bound.load(Ordering::Relaxed);
            format!("<{class} at {at}: value={value}/{bound}>")
        } else {
            format!("<{class} at {at}: value={value}>")
        })
    }
}

/// Implements a bounded semaphore.
///
/// A bounded semaphore checks to make sure its current value doesn't exceed its initial value. If
/// it does, ValueError is raised.
#[pyclass(frozen, extends = PySemaphore, subclass, module = "threading", name = "BoundedSemaphore")]
#[derive(Debug)]
pub(crate) struct PyBoundedSemaphore;

#[pymethods]
impl PyBoundedSemaphore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1, *, name=None)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(PySemaphore::make(py, true)).add_subclass(Self)
    }

    #[getter]
    fn _initial_value(slf: &Bound<'_, Self>) -> usize {
        slf.as_super().get().bound.load(Ordering::Relaxed)
    }

    // The next four are as `Semaphore`'s. They are here because Python's interpreter has a short way
    // to a method only where the object's class is the very one that the method belongs to.

    /// Acquire a semaphore, decrementing the internal counter by one. If it is zero, block until
    /// another thread releases it, at most timeout seconds if that is not None; with blocking
    /// false do not block. Return whether it was acquired.
    #[pyo3(
        signature = (blocking=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, blocking=True, timeout=None)"
    )]
    fn acquire(
        slf: &Bound<'_, Self>,
        blocking: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<bool> {
        slf.as_super().get().acquire(slf.py(), blocking, timeout)
    }

    /// Release a semaphore, incrementing the internal counter by one or more, and wake up as many
    /// waiting threads. If it is released too often, raise a ValueError.
    #[pyo3(signature = (n=Given::NOT), text_signature = "($self, n=1)")]
    fn release(slf: &Bound<'_, Self>, n: Given<'_, '_>) -> PyResult<()> {
        slf.as_super().get().release(n)
    }

    fn __enter__(slf: &Bound<'_, Self>) -> Result<bool, Error> {
        slf.as_super().get().__enter__()
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> Result<(), Error> {
        slf.as_super().get().__exit__(kind, value, traceback)
    }
}

macro_rules! semaphore_short_ways {
    ($install:ident for $class:ty, $semaphore:ident => $core:expr) => {
        short_ways! {
            $install for $class {
                c"acquire"(0) => |$semaphore, _| $core.short_acquire($semaphore.py());
                c"release"(0) => |$semaphore, _| $core.short_release($semaphore.py());
                c"__enter__"(0) => |$semaphore, _| $core.short_acquire($semaphore.py());
                c"__exit__"(3) => |$semaphore, _| $core.short_release($semaphore.py());
            }
        }
    };
}

semaphore_short_ways!(install_short_ways for PySemaphore, semaphore => semaphore.get());
semaphore_short_ways! {
    install_bounded_short_ways for PyBoundedSemaphore, semaphore => semaphore.as_super().get()
}

impl PySemaphore {
    #[inline]
    fn short_acquire<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.core.try_acquire().then(|| direct::truth(py, true))
    }

    #[inline]
    fn short_release<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.release_n(1).is_ok().then(|| direct::nothing(py))
    }
}
