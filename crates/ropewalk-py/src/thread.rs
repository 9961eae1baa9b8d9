//! The lives of Python's threads, for `Thread.join` and the registry.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
#[expect(clippy::disallowed_types, reason = "held for one copy; nothing is waited for there")]
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use ropewalk::sync::ThreadLife;
use ropewalk::wait::ResourceKind;
use ropewalk::{wait, watch};

use super::error::Error;
use super::finalization;
use super::host::{self, Made};
use super::runtime::cannot_pickle;
use super::timeout::{Given, join_timeout, optional_timeout};

/// One thread as the runtime sees it. Made by `Thread`, told by the thread itself.
#[pyclass(frozen, weakref, module = "ropewalk._ropewalk", name = "ThreadHandle")]
#[derive(Debug, Default)]
pub(crate) struct ThreadHandle {
    life: Arc<ThreadLife>,
    ident: AtomicUsize,
    native_id: AtomicU64,
    #[expect(clippy::disallowed_types, reason = "as above")]
    name: Mutex<Option<Arc<str>>>,
    /// Whether `Thread.start` started it, so that it ends with its function. A thread of C's may
    /// come back to Python after Python has cleared its state.
    started_by_us: AtomicBool,
    /// Whether it was announced and has not begun.
    announced: AtomicBool,
    /// Whether there is a thread, which will begin if it has not yet.
    spawned: AtomicBool,
}

/// Ends the life when Python clears the thread's state: after the user's last code.
#[pyclass(frozen, module = "ropewalk._ropewalk", name = "_EndOfThread")]
#[derive(Debug)]
struct EndOfThread {
    life: Arc<ThreadLife>,
    thread: usize,
    for_good: bool,
    /// A thread's local data may ask who it is once its own object is gone, and so make a dummy,
    /// whose end must not come in the place of the thread's.
    _before: Option<Py<PyAny>>,
}

/// Ends the life when the thread itself ends, if Python has not cleared its state: CPython 3.14 may
/// put that off for ever where the stack is nearly used up, as in a thread of 64 KiB.
struct Unended(RefCell<Option<Arc<ThreadLife>>>);

impl Drop for Unended {
    fn drop(&mut self) {
        if let Some(life) = self.0.take() {
            life.end();
        }
    }
}

thread_local! {
    // Made after the registration of the thread in the core, so it goes before that.
    static UNENDED: Unended = const { Unended(RefCell::new(None)) };
}

impl Drop for EndOfThread {
    fn drop(&mut self) {
        let me = wait::current();
        // In the child of a fork Python clears the states of all other threads before any hook
        // could reset our locks: `mark_ended` tells of their end later.
        if me.word() == self.thread {
            if self.for_good {
                let _ = UNENDED.try_with(|unended| unended.0.take());
                wait::owing(|| self.life.end());
                watch::thread_is_leaving(&me);
            } else {
                self.life.end();
            }
        }
    }
}

impl ThreadHandle {
    /// The thread's ident, once it has begun.
    fn word(&self) -> Option<usize> {
        Some(self.ident.load(Ordering::Relaxed)).filter(|ident| *ident != 0)
    }

    fn kept_name(&self) -> Option<Arc<str>> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[pymethods]
impl ThreadHandle {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Called by whoever starts the thread, before it does: until it has begun it counts as one
    /// that runs.
    fn set_starting(&self) {
        self.started_by_us.store(true, Ordering::Relaxed);
        if !self.announced.swap(true, Ordering::Relaxed) {
            watch::thread_is_starting();
        }
    }

    /// Takes `set_starting` back: the thread has begun, or could not be started.
    fn set_not_started(&self) {
        if self.announced.swap(false, Ordering::Relaxed) {
            watch::thread_has_started();
        }
    }

    /// Return start(function, ()), which starts the thread.
    ///
    /// An exception of a signal handler may come as soon as this has returned, or later in Python's
    /// code, and whoever sees that must know whether the thread is there.
    fn spawn<'py>(
        &self,
        start: &Bound<'py, PyAny>,
        function: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let result = host::call(start, (function, PyTuple::empty(start.py())), None)?;
        self.spawned.store(true, Ordering::Relaxed);
        Ok(result)
    }

    /// Return whether there is a thread, though it may not have begun.
    fn is_spawned(&self) -> bool {
        self.spawned.load(Ordering::Relaxed) || self.life.has_begun()
    }

    /// Called by the thread first of all: registers it.
    fn set_started(&self) {
        let me = wait::current();
        if let Some(name) = self.kept_name() {
            me.set_name(name);
        }
        self.ident.store(me.word(), Ordering::Relaxed);
        self.native_id.store(me.native_id(), Ordering::Relaxed);
        self.life.begin();
        self.set_not_started();
    }

    /// Wait until the thread runs, at most timeout seconds if that is not None.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn wait_started(&self, py: Python<'_>, timeout: Given<'_, '_>) -> PyResult<bool> {
        if !self.life.has_begun() {
            // A new thread on the same processor begins, and a short one ends, meanwhile: nobody
            // falls asleep and needs to be woken.
            host::after_you(py);
        }
        let deadline = optional_timeout(py, timeout)?;
        Ok(self.life.wait_begun(deadline).map_err(Error::from)?)
    }

    #[expect(clippy::unused_self, reason = "a method of Python's")]
    fn __getstate__(&self, py: Python<'_>) -> PyResult<()> {
        // What a `Thread` has inside.
        let modern = py.version_info() >= (3, 13);
        Err(cannot_pickle(if modern { "_thread._ThreadHandle" } else { "_thread.lock" }))
    }

    /// Called by the thread last of all: it has ended once Python has cleared its state, with its
    /// thread-local data.
    fn mark_ended_at_exit(&self, py: Python<'_>) -> PyResult<()> {
        // SAFETY: attached; the result is borrowed from the thread state, or null.
        let dict = unsafe {
            let dict = ffi::PyThreadState_GetDict();
            if dict.is_null() {
                return Err(host::error::<PyRuntimeError>("this thread has no state"));
            }
            Bound::from_borrowed_ptr(py, dict)
        };
        let for_good = self.started_by_us.load(Ordering::Relaxed);
        if for_good {
            let _ = UNENDED.try_with(|unended| unended.0.replace(Some(self.life.clone())));
        }
        let (dict, key) = (dict.cast::<PyDict>()?, host::word!(py, "ropewalk.end")?);
        let end = EndOfThread {
            life: self.life.clone(),
            thread: wait::current().word(),
            for_good,
            _before: dict.get_item(key)?.map(Bound::unbind),
        };
        // The dict is cleared in the order of insertion: ours comes last.
        dict.set_item(key, end.into_pyobject(py)?)
    }

    /// Says that the thread has ended: for threads that do not exist in the child of a fork.
    fn mark_ended(&self) {
        self.life.end();
    }

    /// Return whether the thread has ended.
    fn is_ended(&self) -> bool {
        self.life.has_ended()
    }

    /// CPython's name for `is_ended`, which debuggers ask for.
    fn is_done(&self) -> bool {
        self.is_ended()
    }

    /// Wait until the thread has ended, at most timeout seconds if that is not None. Return
    /// whether it has.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn join(&self, py: Python<'_>, timeout: Given<'_, '_>) -> PyResult<bool> {
        let deadline = match join_timeout(py, timeout) {
            // Before CPython 3.13 nobody looks at the timeout if the thread has ended.
            Err(_) if self.life.has_ended() && py.version_info() < (3, 13) => return Ok(true),
            deadline => deadline?,
        };
        // Here and not in the wait: also for a timeout of 0, which does not wait.
        match finalization::refusal(py, ResourceKind::Thread, deadline) {
            Some(refusal) if !self.life.has_ended() => Err(refusal),
            _ => Ok(self.life.join_until(deadline).map_err(Error::from)?),
        }
    }

    #[getter]
    fn ident<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.word().made(py)
    }

    #[getter]
    fn native_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Some(self.native_id.load(Ordering::Relaxed)).filter(|id| *id != 0).made(py)
    }

    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.kept_name().as_deref().unwrap_or_default().made(py)
    }

    #[setter]
    fn set_name(&self, name: &Bound<'_, PyString>) {
        // A name may have characters that UTF-8 does not have. Ours is for reports.
        let name: Arc<str> = Arc::from(name.to_string_lossy());
        if let Some(thread) = self.word().filter(|_| !self.is_ended()).and_then(wait::find) {
            thread.set_name(name.clone());
        }
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
    }
}
