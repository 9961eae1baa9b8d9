//! `threading.Semaphore` and `threading.BoundedSemaphore`.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::Borrowed;
use pyo3::basic::CompareOp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ropewalk::sync::Semaphore;

use super::direct::{self, short_ways};
use super::error::Error;
use super::host::{self, Made};
use super::inflated::{Inflated, delete_part, own_state, part, slow};
use super::making::short_making;
use super::name::Name;
use super::origin::{self, Site};
use super::overrides::{Methods, Seen};
use super::runtime::{address, type_name};
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
    seen: Seen,
    inflated: Inflated,
    _site: Site,
}

impl PySemaphore {
    fn make(py: Python<'_>, bounded: bool) -> Self {
        let site = origin::here(py);
        let core = if bounded {
            Semaphore::to_be_bounded(1, site.origin())
        } else {
            Semaphore::with_origin(1, site.origin())
        };
        Self {
            core,
            bound: AtomicUsize::new(if bounded { 1 } else { Semaphore::MAX_PERMITS }),
            seen: Seen::default(),
            inflated: Inflated::default(),
            _site: site,
        }
    }

    /// `__init__`: sets the count. A second call, which CPython allows, sets it anew.
    fn initialize(slf: &Bound<'_, Self>, value: Given<'_, '_>) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let value = match value.get() {
            None => 1,
            Some(value) => {
                if host::compare(&value, CompareOp::Lt, 0)? {
                    return Err(host::error::<PyValueError>(
                        "semaphore initial value must be >= 0",
                    ));
                }
                let value = whole_number(&value).ok_or_else(|| {
                    host::error::<PyValueError>("semaphore initial value must be a whole number")
                })?;
                // So many are as good as the infinity that some programs give.
                value.min(Semaphore::MAX_PERMITS)
            }
        };
        if this.inflated.is_so() {
            return slow(py, host::word!(py, "set_up_semaphore")?, (slf, value)).map(host::discard);
        }
        this.core.reset(value);
        if this.core.is_to_be_bounded() {
            this.bound.store(value, Ordering::Relaxed);
        }
        Ok(())
    }

    #[inline]
    fn release_is_replaced(&self, object: &Bound<'_, PyAny>) -> bool {
        let methods = if self.core.is_to_be_bounded() { &BOUNDED_RELEASE } else { &RELEASE };
        methods.are_replaced(object, &self.seen)
    }

    /// Takes a permit if there is one; `None` if the core does not have them.
    #[inline]
    fn try_acquire(&self) -> Option<bool> {
        if self.core.try_acquire() {
            return Some(true);
        }
        (!self.inflated.is_so()).then_some(false)
    }

    #[cold]
    fn acquire_slow<'py>(
        slf: &Bound<'py, Self>,
        blocking: bool,
        timeout: Option<Bound<'py, PyAny>>,
    ) -> PyResult<bool> {
        let py = slf.py();
        host::is_true(&slow(py, host::word!(py, "acquire")?, (slf, blocking, timeout))?)
    }

    fn release_any(slf: &Bound<'_, Self>, count: usize) -> PyResult<()> {
        let py = slf.py();
        if slf.get().inflated.is_so() {
            return slow(py, host::word!(py, "release")?, (slf, count)).map(host::discard);
        }
        Ok(slf.get().release_n(count)?)
    }

    /// `_initial_value`.
    fn bound<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if slf.get().inflated.is_so() {
            return part(slf, &Self::inflate(slf)?, host::word!(py, "_initial_value")?);
        }
        slf.get().bound.load(Ordering::Relaxed).made(py)
    }

    /// Moves the state into attributes.
    fn inflate<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let (py, this) = (slf.py(), slf.get());
        this.inflated.inflate(slf, |attributes| {
            if this.core.is_to_be_bounded() {
                let bound = this.bound.load(Ordering::Relaxed).made(py)?;
                attributes.set_item(host::word!(py, "_initial_value")?, bound)?;
            }
            let before = this.core.permits();
            attributes.set_item(host::word!(py, "_value")?, before.made(py)?)?;
            let permits = this.core.retire();
            if permits != before {
                attributes.set_item(host::word!(py, "_value")?, permits.made(py)?)?;
            }
            Ok(())
        })
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

/// What `__exit__` calls.
static RELEASE: Methods = Methods::new(&["release"]);
static BOUNDED_RELEASE: Methods = Methods::new(&["release"]);

/// Keeps our methods, to know those that replace them.
pub(crate) fn keep_methods(py: Python<'_>) -> PyResult<()> {
    RELEASE.keep::<PySemaphore>(py)?;
    BOUNDED_RELEASE.keep::<PyBoundedSemaphore>(py)
}

short_making!(PySemaphore, |py| Bound::new(py, Self::make(py, false)));

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
    fn __init__(slf: &Bound<'_, Self>, value: Given<'_, '_>, name: Option<Name>) -> PyResult<()> {
        Self::initialize(slf, value)?;
        if let Some(name) = name {
            slf.get().core.set_name(&name);
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
        slf: &Bound<'_, Self>,
        blocking: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        let blocks = match blocking.get() {
            None => true,
            Some(value) => host::is_true(&value)?,
        };
        if !blocks {
            if timeout.not_none().is_some() {
                return Err(host::error::<PyValueError>(
                    "can't specify timeout for non-blocking acquire",
                ));
            }
            return match this.try_acquire() {
                Some(acquired) => Ok(acquired),
                None => Self::acquire_slow(slf, false, None),
            };
        }
        match this.try_acquire() {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => {
                let timeout = timeout.get().map(Borrowed::to_owned);
                return Self::acquire_slow(slf, true, timeout);
            }
        }
        let deadline = added_timeout(py, timeout)?;
        let waiting = this.inflated.waiting();
        let acquired = match this.core.acquire_until(deadline) {
            Ok(acquired) => acquired,
            Err(error) => {
                let error = PyErr::from(Error::from(error));
                // A permit that it was given before the move, and has handed back.
                let late = if this.inflated.is_so() { this.core.retire() } else { 0 };
                if late > 0 {
                    Self::release_any(slf, late)?;
                }
                return Err(error);
            }
        };
        if acquired || !this.inflated.is_so() {
            return Ok(acquired);
        }
        let condition = Self::_cond(slf)?;
        let left = deadline.left().map(|left| left.as_secs_f64());
        host::is_true(&waiting.go_on(
            &condition,
            host::word!(py, "acquire_held")?,
            (slf, true, left),
        )?)
    }

    /// Release a semaphore, incrementing the internal counter by one or more, and wake up as many
    /// waiting threads. A BoundedSemaphore that is released too often raises ValueError.
    #[pyo3(signature = (n=Given::NOT), text_signature = "($self, n=1)")]
    fn release(slf: &Bound<'_, Self>, n: Given<'_, '_>) -> PyResult<()> {
        let py = slf.py();
        let count = match n.get() {
            None => 1,
            Some(n) => {
                if host::compare(&n, CompareOp::Lt, 1)? {
                    return Err(host::error::<PyValueError>("n must be one or more"));
                }
                let Ok(n) = host::index(&n) else {
                    // CPython adds any number to its count.
                    Self::inflate(slf)?;
                    return slow(py, host::word!(py, "release")?, (slf, n)).map(host::discard);
                };
                count(&n)?
            }
        };
        Self::release_any(slf, count)
    }

    fn __enter__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::acquire(slf, Given::NOT, Given::NOT)
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        _kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if slf.get().release_is_replaced(slf) {
            return host::call_method(slf, host::word!(slf.py(), "release")?, ())
                .map(host::discard);
        }
        Self::release_any(slf, 1)
    }

    #[getter]
    fn _value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if slf.get().inflated.is_so() {
            return part(slf, &Self::inflate(slf)?, host::word!(py, "_value")?);
        }
        slf.get().core.permits().made(py)
    }

    #[setter(_value)]
    fn set_value(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        host::set_item(&Self::inflate(slf)?, host::word!(slf.py(), "_value")?, value)
    }

    #[deleter(_value)]
    fn delete_value(slf: &Bound<'_, Self>) -> PyResult<()> {
        delete_part(slf, &Self::inflate(slf)?, host::word!(slf.py(), "_value")?)
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

    /// As CPython's: it is up to whoever pickles whether it can do that with the lock inside.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::inflate(slf)?;
        own_state(slf)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        slow(slf.py(), host::word!(slf.py(), "restore")?, (slf, state)).map(host::discard)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let (class, at) = (type_name(slf.as_any())?, address(slf.as_any()));
        let value = host::shown(&Self::_value(slf)?)?;
        let bound = if this.core.is_to_be_bounded() {
            format!("/{}", host::shown(&Self::bound(slf)?)?)
        } else {
            String::new()
        };
        format!("<{class} at {at}: value={value}{bound}>").made(slf.py())
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
    fn _initial_value<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        PySemaphore::bound(slf.as_super())
    }

    #[setter(_initial_value)]
    fn set_initial_value(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let attributes = PySemaphore::inflate(slf.as_super())?;
        attributes.set_item(host::word!(slf.py(), "_initial_value")?, value)
    }

    #[deleter(_initial_value)]
    fn delete_initial_value(slf: &Bound<'_, Self>) -> PyResult<()> {
        delete_part(
            slf,
            &PySemaphore::inflate(slf.as_super())?,
            host::word!(slf.py(), "_initial_value")?,
        )
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
        PySemaphore::acquire(slf.as_super(), blocking, timeout)
    }

    /// Release a semaphore, incrementing the internal counter by one or more, and wake up as many
    /// waiting threads. If it is released too often, raise a ValueError.
    #[pyo3(signature = (n=Given::NOT), text_signature = "($self, n=1)")]
    fn release(slf: &Bound<'_, Self>, n: Given<'_, '_>) -> PyResult<()> {
        PySemaphore::release(slf.as_super(), n)
    }

    fn __enter__(slf: &Bound<'_, Self>) -> PyResult<bool> {
        PySemaphore::__enter__(slf.as_super())
    }

    fn __exit__(
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        PySemaphore::__exit__(slf.as_super(), kind, value, traceback)
    }
}

macro_rules! semaphore_short_ways {
    ($install:ident for $class:ty, $semaphore:ident => $core:expr) => {
        short_ways! {
            $install for $class {
                c"acquire"(0) => |$semaphore, _| $core.short_acquire($semaphore.py());
                c"release"(0) => |$semaphore, _| $core.short_release($semaphore.py());
                c"__enter__"(0) => |$semaphore, _| $core.short_acquire($semaphore.py());
                c"__exit__"(3) => |$semaphore, _| {
                    let short = !$core.release_is_replaced($semaphore);
                    short.then(|| $core.short_release($semaphore.py())).flatten()
                };
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
        self.try_acquire()?.then(|| direct::truth(py, true))
    }

    #[inline]
    fn short_release<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let released = !self.inflated.is_so() && self.release_n(1).is_ok();
        released.then(|| direct::nothing(py))
    }
}
