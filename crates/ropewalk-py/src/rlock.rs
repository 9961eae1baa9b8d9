//! `threading.RLock`.

#![forbid(unsafe_code)]

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use ropewalk::sync::{Held, RLock, Saved};

use super::direct::{self, short_ways};
use super::error::Error;
use super::host::{self, Made};
use super::lock::{self, lock_short_ways};
use super::name::takes_name;
use super::order;
use super::origin::{self, Site};
use super::runtime::deprecated;
use super::timeout::Given;

/// A reentrant lock: its owner may acquire it again, and must release it as often.
///
/// A blocked acquire ends when a signal handler raises, and fails with DeadlockError if it could
/// never end.
#[pyclass(frozen, weakref, subclass, module = "_thread", name = "RLock")]
#[derive(Debug)]
pub(crate) struct PyRLock {
    pub(crate) core: RLock,
    _site: Site,
}

impl PyRLock {
    pub(crate) fn make(py: Python<'_>) -> Self {
        let site = origin::here(py);
        Self { core: RLock::with_origin(site.origin()), _site: site }
    }
}

impl Drop for PyRLock {
    fn drop(&mut self) {
        order::gone(self.held());
    }
}

/// How CPython 3.15 refuses arguments: in a function's words, a wrong keyword first.
fn no_arguments(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyErr {
    let keyword = kwargs.and_then(|it| it.keys().get_item(0).ok());
    host::error::<PyTypeError>(match (keyword, args.len()) {
        (Some(keyword), _) => format!("RLock() got an unexpected keyword argument '{keyword}'"),
        (None, 1) => "RLock() takes 0 positional arguments but 1 was given".to_owned(),
        (None, n) => format!("RLock() takes 0 positional arguments but {n} were given"),
    })
}

impl PyRLock {
    #[inline]
    fn held(&self) -> Held<'_> {
        Held::RLock(&self.core)
    }
}

#[pymethods]
impl PyRLock {
    // Arguments are for the constructor of a subclass. Given to RLock itself they mean nothing:
    // CPython says so from 3.13 on and takes none from 3.15 on, where `RLock` is a function.
    #[new]
    #[classmethod]
    #[pyo3(signature = (*args, **kwargs), text_signature = "(*, name=None)")]
    fn new(
        cls: &Bound<'_, PyType>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let py = cls.py();
        let given = !args.is_empty() || kwargs.is_some_and(|it| !it.is_empty());
        if given && cls.is(py.get_type::<Self>()) {
            match py.version_info() {
                version if version >= (3, 15) => return Err(no_arguments(args, kwargs)),
                version if version >= (3, 13) => deprecated(
                    py,
                    c"Passing arguments to RLock is deprecated and will be removed in 3.15",
                )?,
                _ => {}
            }
        }
        Ok(Self::make(py))
    }

    /// Lock the lock. `blocking` indicates whether we should wait for the lock to be available or
    /// not, `timeout` for how many seconds at most (-1: no limit). The method returns True if the
    /// lock is acquired. A thread that owns it already gets it at once.
    #[pyo3(
        signature = (blocking=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, blocking=True, timeout=-1)"
    )]
    fn acquire(
        &self,
        py: Python<'_>,
        blocking: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<bool> {
        lock::acquire(py, self.held(), blocking, timeout)
    }

    /// Release the lock, allowing another thread that is blocked waiting for it to acquire it. The
    /// lock must be owned by this thread.
    fn release(&self) -> Result<(), Error> {
        order::release(self.held())
    }

    /// Return whether the lock is held by any thread.
    fn locked(&self) -> bool {
        self.core.is_held()
    }

    fn __enter__(&self, py: Python<'_>) -> Result<bool, Error> {
        lock::enter(py, self.held())?;
        Ok(true)
    }

    // Also without arguments, as CPython's own.
    #[pyo3(signature = (_kind=None, _value=None, _traceback=None, /))]
    fn __exit__(
        &self,
        _kind: Option<&Bound<'_, PyAny>>,
        _value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> Result<(), Error> {
        self.release()
    }

    /// For internal use by `threading.Condition`.
    fn _is_owned(&self) -> bool {
        self.core.is_owned()
    }

    /// For internal use by reentrancy tests.
    fn _recursion_count<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.core.depth().made(py)
    }

    /// For internal use by `threading.Condition`: releases it however often it is held.
    fn _release_save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        // First of all, while the lock is held: there may be no memory for it.
        let saved = host::tuple(py, (self.core.depth(), self.core.owner().unwrap_or(0)))?;
        self.core.release_all().map_err(Error::from)?;
        Ok(saved)
    }

    /// For internal use by `threading.Condition`: acquires it as often as it was held.
    fn _acquire_restore(&self, state: (usize, usize)) -> Result<(), Error> {
        Ok(self.core.acquire_all(Saved(state.0))?)
    }

    /// What deadlock reports call this lock.
    #[getter]
    fn _ropewalk_resource(&self) -> usize {
        self.core.resource()
    }

    /// Makes the lock free, in the child of a fork.
    fn _at_fork_reinit(&self) {
        order::freed(self.held());
        self.core.reset_after_fork();
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let core = &slf.get().core;
        let state = if core.is_held() { "locked" } else { "unlocked" };
        let class = super::runtime::type_name(slf.as_any())?;
        let (owner, count) = (core.owner().unwrap_or(0), core.depth_hint());
        let at = slf.as_ptr();
        format!("<{state} {class} object owner={owner} count={count} at {at:p}>").made(slf.py())
    }
}

takes_name!(PyRLock, PyRLock::make);

lock_short_ways!(PyRLock);
