//! `threading.Condition`.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use ropewalk::sync::{Condition, Held};
use ropewalk::wait::Deadline;

use super::direct::{self, short_ways};
use super::error::Error;
use super::host::{self, Made};
use super::inflated;
use super::lock::{self, PyLock};
use super::name::Name;
use super::order;
use super::origin::{self, Site};
use super::overrides::Seen;
use super::rlock::PyRLock;
use super::runtime::deprecated;
use super::timeout::{End, Given, optional_timeout};

mod by_name;

use by_name::NOTIFY;
pub(crate) use by_name::keep_methods;

/// Class that implements a condition variable.
///
/// A condition variable allows one or more threads to wait until they are notified by another
/// thread. If the lock argument is given and not None, it must be a Lock or RLock object (or
/// anything with acquire and release), and it is used as the underlying lock. Otherwise, a new
/// RLock object is created and used as the underlying lock.
#[pyclass(frozen, weakref, dict, subclass, module = "threading", name = "Condition")]
#[derive(Debug)]
pub(crate) struct PyCondition {
    core: Condition,
    lock: OnceLock<AnyLock>,
    seen_parts: Seen,
    seen_notify: Seen,
    _site: Site,
}

/// The lock under a condition. Only our own classes themselves take the short way: a subclass may
/// do things differently.
#[derive(Debug)]
enum AnyLock {
    Lock(Py<PyLock>),
    RLock(Py<PyRLock>),
    Foreign(Foreign),
}

/// Somebody else's lock, which may be the condition itself. In a list, whose cycles Python's
/// collector can break: ours is there for good.
#[derive(Debug)]
struct Foreign(Py<PyList>);

impl Foreign {
    fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        // There is none any more only in a cycle that is about to end.
        self.0.bind(py).get_item(0).unwrap_or_else(|_| py.None().into_bound(py))
    }
}

impl AnyLock {
    fn new(lock: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(lock) = lock.cast_exact::<PyLock>() {
            return Ok(Self::Lock(lock.clone().unbind()));
        }
        if let Ok(lock) = lock.cast_exact::<PyRLock>() {
            return Ok(Self::RLock(lock.clone().unbind()));
        }
        let py = lock.py();
        host::attribute(lock, host::word!(py, "acquire")?)?;
        host::attribute(lock, host::word!(py, "release")?)?;
        Ok(Self::Foreign(Foreign(host::list(py, [lock])?.unbind())))
    }

    fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Self::Lock(lock) => lock.bind(py).as_any().clone(),
            Self::RLock(lock) => lock.bind(py).as_any().clone(),
            Self::Foreign(lock) => lock.bind(py),
        }
    }

    /// A lock of the core's, or somebody else's object.
    fn kind(&self) -> Result<Held<'_>, &Foreign> {
        match self {
            Self::Lock(lock) => Ok(Held::Lock(&lock.get().core)),
            Self::RLock(lock) => Ok(Held::RLock(&lock.get().core)),
            Self::Foreign(lock) => Err(lock),
        }
    }

    fn is_owned(&self, py: Python<'_>) -> PyResult<bool> {
        let lock = match self.kind() {
            Ok(lock) => return Ok(lock.is_owned()),
            Err(lock) => &lock.bind(py),
        };
        if let Some(method) = host::attribute_opt(lock, host::word!(py, "_is_owned")?)? {
            return host::is_true(&host::call0(&method)?);
        }
        if host::is_true(&host::call_method(lock, host::word!(py, "acquire")?, (false,))?)? {
            host::call_method(lock, host::word!(py, "release")?, ())?;
            return Ok(false);
        }
        Ok(true)
    }
}

/// Releases somebody else's lock, however often it is held; returns what takes it again.
fn release_save<'py>(lock: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = lock.py();
    match host::attribute_opt(lock, host::word!(py, "_release_save")?)? {
        Some(method) => host::call0(&method).map(Some),
        None => host::call_method(lock, host::word!(py, "release")?, ()).map(|_| None),
    }
}

fn acquire_restore(lock: &Bound<'_, PyAny>, saved: Option<Bound<'_, PyAny>>) -> PyResult<()> {
    let py = lock.py();
    match host::attribute_opt(lock, host::word!(py, "_acquire_restore")?)? {
        Some(method) => host::call(&method, (saved,), None)?,
        None => host::call_method(lock, host::word!(py, "acquire")?, ())?,
    };
    Ok(())
}

impl PyCondition {
    /// Names the condition, and the lock under it if that is ours.
    pub(crate) fn set_name(&self, name: &str) {
        self.core.set_name(name);
        if let Some(Ok(lock)) = self.lock.get().map(AnyLock::kind) {
            lock.set_name(name);
        }
    }

    fn make(py: Python<'_>) -> Self {
        Self::made_at(origin::here(py))
    }

    fn made_at(site: Site) -> Self {
        Self {
            core: Condition::with_origin(site.origin()),
            lock: OnceLock::new(),
            seen_parts: Seen::default(),
            seen_notify: Seen::default(),
            _site: site,
        }
    }

    /// A condition over a lock, as a part of what was made at a site.
    pub(crate) fn part<'py>(lock: &Bound<'py, PyLock>, site: Site) -> PyResult<Bound<'py, Self>> {
        let this = Self::made_at(site);
        let _ = this.lock.set(AnyLock::Lock(lock.clone().unbind()));
        Bound::new(lock.py(), this)
    }

    #[inline]
    fn lock(&self) -> PyResult<&AnyLock> {
        self.lock.get().ok_or_else(|| {
            host::error::<PyAttributeError>("'Condition' object has no attribute '_lock'")
        })
    }

    /// The lock, if it is one of the core's and nobody else wants to know of it.
    #[inline]
    fn short_lock(&self) -> Option<Held<'_>> {
        self.lock.get().filter(|_| !order::is_checked())?.kind().ok()
    }

    /// Waits, the calling thread owning the lock, which is `any`.
    fn wait_until(&self, py: Python<'_>, any: &AnyLock, deadline: Deadline) -> PyResult<bool> {
        let lock = match any.kind() {
            Ok(lock) if order::is_checked() => {
                return order::giving_up(py, lock, |released| {
                    let result = self.core.wait_until_telling(lock, deadline, released);
                    Ok(result.map_err(Error::from)?)
                });
            }
            Ok(lock) => return Ok(self.core.wait_until(lock, deadline).map_err(Error::from)?),
            Err(lock) => &lock.bind(py),
        };
        let mut released = None;
        let result = self.core.wait_foreign(deadline, || {
            let result = release_save(lock);
            let proceed = result.is_ok();
            released = Some(result);
            proceed
        });
        let result = result.map_err(|error| PyErr::from(Error::from(error)));
        if let Some(saved) = released {
            acquire_restore(lock, saved?)?;
        }
        Ok(result? == Some(true))
    }

    fn notify_up_to(
        slf: &Bound<'_, Self>,
        count: impl FnOnce() -> PyResult<usize>,
    ) -> PyResult<()> {
        let this = slf.get();
        let any = this.lock()?;
        let by_name = this.has_parts_of_its_own(slf);
        let is_owned = if by_name { Self::is_owned_by_name(slf)? } else { any.is_owned(slf.py())? };
        if !is_owned {
            return Err(Error::NotHeld("cannot notify on un-acquired lock").into());
        }
        let count = count()?;
        match any.kind() {
            Ok(lock) if !by_name => this.core.notify(count, lock),
            _ => this.core.notify_foreign(count),
        };
        Ok(())
    }

    /// How many to notify for a number as programs give it. As in CPython it is looked at only if
    /// somebody waits, and counted down while it is more than 0: it may be any number.
    fn how_many(&self, n: &Bound<'_, PyAny>) -> PyResult<usize> {
        if let Ok(n) = host::index(n).and_then(|n| n.extract::<isize>()) {
            return Ok(usize::try_from(n).unwrap_or(0));
        }
        if self.core.waiters() == 0 || !host::compare(n, CompareOp::Gt, 0)? {
            return Ok(0);
        }
        let up = host::as_float(n).map_or(f64::INFINITY, f64::ceil);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast that saturates is what is meant"
        )]
        Ok(up as usize)
    }

    /// For the child of a fork: makes the lock free. The dead waiters are gone already.
    pub(crate) fn at_fork_reinit(&self, py: Python<'_>) -> PyResult<()> {
        match self.lock()?.kind() {
            Ok(held) => {
                order::freed(held);
                held.reset_after_fork();
            }
            Err(lock) => {
                host::call_method(&lock.bind(py), host::word!(py, "_at_fork_reinit")?, ())?;
            }
        }
        Ok(())
    }
}

impl Drop for PyCondition {
    fn drop(&mut self) {
        // Somebody else's lock may have a destructor.
        if let Some(AnyLock::Foreign(lock)) = self.lock.take() {
            host::attached(|py| host::discard(lock.0.into_bound(py).into_any()));
        }
    }
}

#[pymethods]
impl PyCondition {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(lock=None, *, name=None)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self::make(py)
    }

    #[pyo3(signature = (lock=None, *, name=None))]
    fn __init__(
        &self,
        py: Python<'_>,
        lock: Option<&Bound<'_, PyAny>>,
        name: Option<Name>,
    ) -> PyResult<()> {
        let own = lock.is_none();
        let lock = match lock {
            Some(lock) => AnyLock::new(lock)?,
            None => AnyLock::RLock(Py::new(py, PyRLock::make(py))?),
        };
        self.lock
            .set(lock)
            .map_err(|_| host::error::<PyRuntimeError>("Condition.__init__() was called twice"))?;
        match name {
            Some(name) if own => self.set_name(&name),
            // A lock that was given may have a name of its own.
            Some(name) => self.core.set_name(&name),
            None => {}
        }
        Ok(())
    }

    /// Acquire the underlying lock: its acquire().
    #[pyo3(signature = (*args, **kwargs))]
    fn acquire<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let acquire = host::attribute(&self.lock()?.object(py), host::word!(py, "acquire")?)?;
        host::call_tuple(&acquire, args, kwargs)
    }

    /// Release the underlying lock: its release().
    fn release<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        host::call_method(&self.lock()?.object(py), host::word!(py, "release")?, ())
    }

    /// Return whether the underlying lock is held by any thread.
    fn locked(&self, py: Python<'_>) -> PyResult<bool> {
        let lock = self.lock()?.object(py);
        host::is_true(&host::call_method(&lock, host::word!(py, "locked")?, ())?)
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.lock()?.kind() {
            Ok(lock) => lock::enter(py, lock)?,
            Err(lock) => {
                return host::call_method(&lock.bind(py), host::word!(py, "__enter__")?, ())
                    .map(Bound::unbind);
            }
        }
        Ok(direct::truth(py, true).unbind())
    }

    // Also without arguments, as CPython's own.
    #[pyo3(signature = (kind=None, value=None, traceback=None, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        match self.lock()?.kind() {
            Ok(lock) => order::release(lock)?,
            Err(lock) => {
                let error = (kind, value, traceback);
                return host::call_method(&lock.bind(py), host::word!(py, "__exit__")?, error)
                    .map(Bound::unbind);
            }
        }
        Ok(py.None())
    }

    /// Wait until notified or until a timeout occurs.
    ///
    /// If the calling thread has not acquired the lock when this method is called, a RuntimeError
    /// is raised. This method releases the underlying lock, and then blocks until it is awakened
    /// by a notify() or notify_all() call for the same condition variable in another thread, or
    /// until the optional timeout in seconds occurs. Once awakened or timed out, it re-acquires the
    /// lock and returns: False if the time was up.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn wait(slf: &Bound<'_, Self>, timeout: Given<'_, '_>) -> PyResult<bool> {
        let (py, this) = (slf.py(), slf.get());
        if this.has_parts_of_its_own(slf) {
            return Self::wait_by_name(slf, timeout);
        }
        let any = this.lock()?;
        // Before a look at the timeout, as in CPython.
        if !any.is_owned(py)? {
            return Err(Error::NotHeld("cannot wait on un-acquired lock").into());
        }
        this.wait_until(py, any, optional_timeout(py, timeout)?)
    }

    /// Wait until a condition evaluates to True.
    ///
    /// predicate should be a callable whose result will be interpreted as a boolean value. A
    /// timeout, in seconds, may be provided giving the maximum time to wait. Returns the last value
    /// of the predicate.
    #[pyo3(signature = (predicate, timeout=Given::NOT), text_signature = "($self, predicate, timeout=None)")]
    fn wait_for<'py>(
        slf: &Bound<'py, Self>,
        predicate: &Bound<'py, PyAny>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let mut end = None;
        loop {
            let result = host::call0(predicate)?;
            if host::is_true(&result)? {
                return Ok(result);
            }
            let left = match (timeout.not_none(), &end) {
                (None, _) => None,
                // The first wait gets the timeout itself.
                (Some(value), None) => {
                    end = Some(End::of(&value)?);
                    Some(value.to_owned())
                }
                (Some(_), Some(end)) => match end.left(py)? {
                    None => return Ok(result),
                    left => left,
                },
            };
            // By name: a subclass may have its own wait().
            host::call_method(slf.as_any(), host::word!(py, "wait")?, (left,))?;
        }
    }

    /// Wake up one or more threads waiting on this condition, if any.
    ///
    /// If the calling thread has not acquired the lock when this method is called, a RuntimeError
    /// is raised.
    #[pyo3(signature = (n=Given::NOT), text_signature = "($self, n=1)")]
    fn notify(slf: &Bound<'_, Self>, n: Given<'_, '_>) -> PyResult<()> {
        Self::notify_up_to(slf, || match n.get() {
            None => Ok(1),
            Some(n) => slf.get().how_many(&n),
        })
    }

    /// Wake up all threads waiting on this condition.
    fn notify_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        if NOTIFY.are_replaced(slf, &this.seen_notify) {
            let waiters = (this.core.waiters(),);
            return host::call_method(slf, host::word!(slf.py(), "notify")?, waiters)
                .map(host::discard);
        }
        Self::notify_up_to(slf, || Ok(usize::MAX))
    }

    /// Wake up all threads waiting on this condition (deprecated, use notify_all()).
    #[pyo3(name = "notifyAll")]
    fn notify_all_camel(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        deprecated(py, c"notifyAll() is deprecated, use notify_all() instead")?;
        host::call_method(slf, host::word!(py, "notify_all")?, ()).map(host::discard)
    }

    #[getter]
    fn _lock<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.lock()?.object(py))
    }

    /// One entry for each thread that waits.
    #[getter]
    fn _waiters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let waiters = host::list(py, std::iter::repeat_n(None::<bool>, self.core.waiters()))?;
        let collections = host::import(host::word!(py, "collections")?)?;
        host::call_method(&collections, host::word!(py, "deque")?, (waiters,))
    }

    fn _is_owned(&self, py: Python<'_>) -> PyResult<bool> {
        self.lock()?.is_owned(py)
    }

    fn _release_save<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        release_save(&self.lock()?.object(py))
    }

    fn _acquire_restore<'py>(&self, py: Python<'py>, saved: Bound<'py, PyAny>) -> PyResult<()> {
        acquire_restore(&self.lock()?.object(py), Some(saved))
    }

    /// Makes the lock free, in the child of a fork.
    fn _at_fork_reinit(&self, py: Python<'_>) -> PyResult<()> {
        self.at_fork_reinit(py)
    }

    /// As CPython's: it is up to whoever pickles whether it can do that with the lock inside.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        inflated::slow(slf.py(), host::word!(slf.py(), "state_of_condition")?, (slf,))
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let restored = inflated::slow(slf.py(), host::word!(slf.py(), "restore")?, (slf, state));
        restored.map(host::discard)
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let lock = host::repr(&self.lock()?.object(py))?;
        format!("<Condition({lock}, {})>", self.core.waiters()).made(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Our own locks refer to nothing. A cycle through a foreign one is broken at its end.
        if let Some(AnyLock::Foreign(lock)) = self.lock.get() {
            visit.call(&lock.0)?;
        }
        Ok(())
    }
}

short_ways! {
    install_short_ways for PyCondition {
        c"__enter__"(0) => |condition, _| {
            condition.get().short_lock()?.try_acquire().then(|| direct::truth(condition.py(), true))
        };
        c"__exit__"(3) => |condition, _| {
            condition.get().short_lock()?.release().then(|| direct::nothing(condition.py()))
        };
        c"notify"(0) => |condition, _| {
            let lock = condition.get().short_lock()?;
            if condition.get().has_parts_of_its_own(condition) {
                return None;
            }
            lock.is_owned().then(|| {
                condition.get().core.notify(1, lock);
                direct::nothing(condition.py())
            })
        };
    }
}
