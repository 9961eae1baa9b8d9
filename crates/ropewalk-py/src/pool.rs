//! What `concurrent.futures.ThreadPoolExecutor` stands on.
//!
//! `ropewalk/concurrent/futures/thread.py` derives the class from this one. A pool whose class
//! overrides what CPython's own methods call has no queue here, and CPython's own code runs it.

#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ropewalk::exec::{SubmitError, Submitted};
use ropewalk::wait::Deadline;

use super::error::Error;
use super::future::PyFuture;
use super::host;
use super::making::bare;
use super::pool_queue::{Job, PyWorkQueue};

/// Whether the interpreter exits, so that no pool takes jobs.
static EXITING: AtomicBool = AtomicBool::new(false);

/// Says that the interpreter exits: no pool takes jobs any more.
#[pyfunction]
#[pyo3(name = "_refuse_submits")]
pub(crate) fn refuse_submits() {
    EXITING.store(true, Ordering::Relaxed);
}

pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::Relaxed)
}

/// The fast part of a thread pool.
#[pyclass(frozen, subclass, weakref, dict, module = "ropewalk._ropewalk", name = "_ThreadPool")]
#[derive(Debug)]
pub(crate) struct PyPool {
    queue: OnceLock<Py<PyWorkQueue>>,
    /// Whether submit has to ask Python whether it may.
    refuses: AtomicBool,
    /// Whether the program has given it another queue: CPython's own code runs it from then on.
    replaced: AtomicBool,
}

impl PyPool {
    /// Its queue, unless CPython's own code runs it.
    fn queue(&self) -> Option<&Py<PyWorkQueue>> {
        self.queue.get().filter(|_| !self.replaced.load(Ordering::Relaxed))
    }

    /// Submits as CPython's own code does.
    #[cold]
    fn slow_submit<'py>(
        slf: &Bound<'py, Self>,
        r#fn: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let slow = host::attribute(slf, host::word!(py, "_ropewalk_slow_submit")?)?;
        let mut all = vec![r#fn];
        all.extend(args);
        let all = host::call(&py.get_type::<PyTuple>(), (all,), None)?.cast_into()?;
        host::call_tuple(&slow, &all, kwargs)
    }

    /// Starts one more thread if that is what came of it.
    fn submitted(
        slf: &Bound<'_, Self>,
        result: Result<Submitted, SubmitError<Job>>,
    ) -> PyResult<()> {
        let py = slf.py();
        match result {
            Ok(Submitted::Queued) => Ok(()),
            Ok(Submitted::Spawn) => {
                let Some(queue) = slf.get().queue.get() else { return Ok(()) };
                let queue = &queue.get().core;
                let _launch = queue.launch(false);
                let started = host::call_method(slf, host::word!(py, "_ropewalk_start_asked")?, ());
                if started.is_err() {
                    queue.start_failed();
                }
                started.map(host::discard)
            }
            Err(error) => {
                let reason = match error {
                    SubmitError::Wait(job, error) => {
                        job.discard(py);
                        return Err(Error::from(error).into());
                    }
                    SubmitError::Full(job) => {
                        job.discard(py);
                        return Err(Error::Full.into());
                    }
                    SubmitError::NoMemory(job) => {
                        job.discard(py);
                        return Err(Error::NoMemory.into());
                    }
                    other => other.into_job(),
                };
                reason.discard(py);
                host::call_method(slf, host::word!(py, "_ropewalk_refuse")?, ())?;
                // Its `_shutdown` or `_broken` was set back, which the core does not follow.
                Err(host::error::<PyRuntimeError>("cannot schedule new futures after shutdown"))
            }
        }
    }
}

#[pymethods]
impl PyPool {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            queue: OnceLock::new(),
            refuses: AtomicBool::new(false),
            replaced: AtomicBool::new(false),
        }
    }

    /// Submits a callable to be executed with the given arguments.
    ///
    /// Schedules the callable to be executed as fn(*args, **kwargs) and returns a Future instance
    /// representing the execution of the callable.
    ///
    /// Returns:
    ///     A Future representing the given call.
    #[pyo3(signature = (r#fn, /, *args, **kwargs))]
    fn submit<'py>(
        slf: &Bound<'py, Self>,
        r#fn: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        let Some(queue) = this.queue.get() else {
            return Self::slow_submit(slf, r#fn, args, kwargs.as_ref());
        };
        if this.refuses.load(Ordering::Relaxed) || is_exiting() {
            if this.queue().is_none() {
                return Self::slow_submit(slf, r#fn, args, kwargs.as_ref());
            }
            host::call_method(slf, host::word!(py, "_ropewalk_refuse")?, ())?;
        }
        let queue = &queue.get().core;
        let future = bare(py, PyFuture::in_pool(queue.crew().clone()))?;
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty()).map(Bound::unbind);
        let job = Job::new(future.clone().unbind(), r#fn.unbind(), args.unbind(), kwargs);
        Self::submitted(slf, queue.try_submit(job, 0))?;
        Ok(future.into_any())
    }

    /// As submit, with a future that was made before, in the order of priorities, and waiting for a
    /// free place in the queue if wait is true; if it is not and there is none, queue.Full is
    /// raised.
    fn _ropewalk_submit_as<'py>(
        slf: &Bound<'py, Self>,
        future: Bound<'py, PyFuture>,
        priority: i64,
        wait: bool,
        call: (Py<PyAny>, Py<PyTuple>),
    ) -> PyResult<()> {
        let Some(queue) = slf.get().queue() else {
            return Err(host::error::<PyRuntimeError>("this pool is not a fast one"));
        };
        host::call_method(slf, host::word!(slf.py(), "_ropewalk_refuse")?, ())?;
        let job = Job::new(future.unbind(), call.0, call.1, None);
        let deadline = if wait { Deadline::NEVER } else { Deadline::PAST };
        Self::submitted(slf, queue.get().core.submit_until(job, priority, deadline))
    }

    /// Becomes fast: for `__init__`.
    fn _ropewalk_start(&self, queue: Py<PyWorkQueue>) {
        let _ = self.queue.set(queue);
    }

    /// Whether it is.
    fn _ropewalk_is_fast(&self) -> bool {
        self.queue().is_some()
    }

    /// Says that another queue takes the place of its own: it is not fast any more. Its threads do
    /// the jobs that there are, and then go on with successor.
    fn _ropewalk_replace_queue(&self, py: Python<'_>, successor: Py<PyAny>) -> PyResult<()> {
        // In this order: submit asks for the one only if the other says so.
        self.replaced.store(true, Ordering::Relaxed);
        self.refuses.store(true, Ordering::Relaxed);
        self.queue.get().map_or(Ok(()), |queue| queue.get().be_replaced(py, successor))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.queue.get().map_or(Ok(()), |queue| visit.call(queue))
    }

    /// Sets whether submit has to call `_ropewalk_refuse` first, which may raise.
    fn _ropewalk_set_refuses(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }
}

impl Drop for PyPool {
    fn drop(&mut self) {
        // Nobody can submit any more: the threads do what there is and leave.
        if let Some(queue) = self.queue.get() {
            let jobs = queue.get().core.shut_down(false);
            debug_assert!(jobs.is_empty());
        }
    }
}
