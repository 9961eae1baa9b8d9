//! `threading.Lock`.

#![forbid(unsafe_code)]

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ropewalk::sync::{Held, Lock};
use ropewalk::wait::Deadline;

use super::direct::{self, short_ways};
use super::error::Error;
use super::host::{self, Made};
use super::name::takes_name;
use super::order;
use super::origin::{self, Site};
use super::timeout::{Given, Patience, lock_arguments};

/// A lock object is a synchronization primitive.  To create a lock, call threading.Lock().
///
/// A lock is in one of two states, locked or unlocked, and any thread may release it. A blocked
/// acquire ends when a signal handler raises, and fails with DeadlockError if it could never end.
#[pyclass(frozen, weakref, module = "_thread", name = "lock")]
#[derive(Debug)]
pub(crate) struct PyLock {
    pub(crate) core: Lock,
    _site: Site,
}

impl PyLock {
    pub(crate) fn make(py: Python<'_>) -> Self {
        Self::made_at(origin::here(py))
    }

    pub(crate) fn made_at(site: Site) -> Self {
        Self { core: Lock::with_origin(site.origin()), _site: site }
    }
}

impl Drop for PyLock {
    fn drop(&mut self) {
        order::gone(self.held());
    }
}

impl PyLock {
    #[inline]
    fn held(&self) -> Held<'_> {
        Held::Lock(&self.core)
    }
}

#[pymethods]
impl PyLock {
    #[new]
    #[pyo3(signature = (*args, **kwargs), text_signature = "(*, name=None)")]
    fn new(
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        if !args.is_empty() || kwargs.is_some() {
            // CPython's own takes none, and says so in the words of the running version.
            host::call_tuple(host::cpython_lock(py)?, args, kwargs)?;
        }
        Ok(Self::make(py))
    }

    /// Lock the lock. Without argument, this blocks if the lock is already locked (even by the
    /// same thread), waiting for another thread to release the lock, and returns True once the
    /// lock is acquired. With an argument, this will only block if the argument is true, at most
    /// timeout seconds, and the return value reflects whether the lock is acquired.
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
        acquire(py, self.held(), blocking, timeout)
    }

    /// Release the lock, allowing another thread that is blocked waiting for it to acquire it. The
    /// lock must be in the locked state, but needn't be locked by the same thread.
    fn release(&self) -> Result<(), Error> {
        order::release(self.held())
    }

    /// Return whether the lock is in the locked state.
    fn locked(&self) -> bool {
        self.core.is_held()
    }

    /// An obsolete synonym of acquire().
    #[pyo3(
        signature = (blocking=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, blocking=True, timeout=-1)"
    )]
    fn acquire_lock(
        &self,
        py: Python<'_>,
        blocking: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<bool> {
        self.acquire(py, blocking, timeout)
    }

    /// An obsolete synonym of release().
    fn release_lock(&self) -> Result<(), Error> {
        self.release()
    }

    /// An obsolete synonym of locked().
    fn locked_lock(&self) -> bool {
        self.locked()
    }

    fn __enter__(&self, py: Python<'_>) -> Result<bool, Error> {
        enter(py, self.held())?;
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
        let state = if slf.get().core.is_held() { "locked" } else { "unlocked" };
        format!("<{state} _thread.lock object at {:p}>", slf.as_ptr()).made(slf.py())
    }
}

takes_name!(PyLock, PyLock::make);

/// `acquire` with its arguments, of a lock of either class.
#[inline]
pub(crate) fn acquire(
    py: Python<'_>,
    lock: Held<'_>,
    blocking: Given<'_, '_>,
    timeout: Given<'_, '_>,
) -> PyResult<bool> {
    let patience = lock_arguments(py, blocking, timeout)?;
    let taken = match patience {
        Patience::Try => lock.try_acquire(),
        Patience::Until(deadline) => {
            order::acquire_until(py, lock, deadline).map_err(Error::from)?
        }
    };
    if taken {
        order::taken(py, lock, matches!(patience, Patience::Until(_)));
    }
    Ok(taken)
}

/// `with` takes a lock of either class.
#[inline]
pub(crate) fn enter(py: Python<'_>, lock: Held<'_>) -> Result<(), Error> {
    order::acquire_until(py, lock, Deadline::NEVER)?;
    order::taken(py, lock, true);
    Ok(())
}

/// The short way of a lock of either class where somebody wants to know of it.
#[cold]
pub(crate) fn traced_acquire<'py>(py: Python<'py>, lock: Held<'_>) -> Option<Bound<'py, PyAny>> {
    (order::is_short() && lock.try_acquire()).then(|| {
        order::taken(py, lock, true);
        direct::truth(py, true)
    })
}

/// See [`traced_acquire`].
#[cold]
pub(crate) fn traced_release<'py>(py: Python<'py>, lock: Held<'_>) -> Option<Bound<'py, PyAny>> {
    (order::is_short() && order::release(lock).is_ok()).then(|| direct::nothing(py))
}

/// The short ways of a class of locks, whose core is `core`.
macro_rules! lock_short_ways {
    ($class:ty) => {
        short_ways! {
            install_short_ways for $class {
                c"acquire"(0) => |lock, _| short_acquire(lock);
                c"release"(0) => |lock, _| short_release(lock);
                c"__enter__"(0) => |lock, _| short_acquire(lock);
                c"__exit__"(3) => |lock, _| short_release(lock);
            }
        }

        #[inline]
        fn short_acquire<'py>(lock: &Bound<'py, $class>) -> Option<Bound<'py, PyAny>> {
            if order::is_checked() {
                return super::lock::traced_acquire(lock.py(), lock.get().held());
            }
            lock.get().core.try_acquire().then(|| direct::truth(lock.py(), true))
        }

        #[inline]
        fn short_release<'py>(lock: &Bound<'py, $class>) -> Option<Bound<'py, PyAny>> {
            if order::is_checked() {
                return super::lock::traced_release(lock.py(), lock.get().held());
            }
            lock.get().core.release().is_ok().then(|| direct::nothing(lock.py()))
        }
    };
}
pub(crate) use lock_short_ways;

lock_short_ways!(PyLock);
