//! `ThreadPoolExecutor._work_queue`: the jobs of a pool, and what its threads do all day.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ropewalk::exec::{Next, Seat, SubmitError, Submitted, WorkQueue};
use ropewalk::wait::Deadline;

use super::error::Error;
use super::future::{Outcome, PyFuture};
use super::host::{self, Made};
use super::name::Name;
use super::timeout::Given;

/// For how long who counts the threads waits for those that others start.
const PATIENCE: Duration = Duration::from_secs(1);

/// A call that is to be made, and the future that tells of it.
#[derive(Debug)]
pub(crate) struct Job {
    /// None for an object that a program has put into the queue itself, which is `function` then.
    future: Option<Py<PyFuture>>,
    function: Py<PyAny>,
    args: Py<PyTuple>,
    kwargs: Option<Py<PyDict>>,
}

impl Job {
    pub(crate) fn new(
        future: Py<PyFuture>,
        function: Py<PyAny>,
        args: Py<PyTuple>,
        kwargs: Option<Py<PyDict>>,
    ) -> Self {
        Self { future: Some(future), function, args, kwargs }
    }

    /// Makes the call and ends the future.
    fn run(self, py: Python<'_>, seat: &mut Seat<Self>) -> PyResult<()> {
        let function = self.function.into_bound(py);
        let args = self.args.into_bound(py);
        let kwargs = self.kwargs.map(|kwargs| kwargs.into_bound(py));
        let Some(future) = self.future else {
            let module = host::import(host::word!(py, "ropewalk.concurrent.futures.thread")?)?;
            return host::call_method(&module, host::word!(py, "_run_item")?, (function,))
                .map(host::discard);
        };
        let future = future.into_bound(py);
        let run = PyFuture::begin(&future);
        let result = match run {
            Ok(true) => Some(host::call_tuple(&function, &args, kwargs.as_ref())),
            _ => None,
        };
        // Before anybody can see the end: they are free then, as under CPython's pools, whose
        // threads keep the GIL until they have nothing to do.
        host::discard(function);
        host::discard(args.into_any());
        if let Some(kwargs) = kwargs {
            host::discard(kwargs.into_any());
        }
        let ended = match (run, result) {
            (Err(error), _) => Err(error),
            (Ok(_), None) => {
                seat.called_off();
                Ok(())
            }
            (Ok(_), Some(result)) => {
                let outcome = match result {
                    Ok(value) => Outcome::Value(value.unbind()),
                    Err(error) => Outcome::Error(error.into_value(py).into_any()),
                };
                // A task with a time limit may have been ended by that.
                let may_be_over = !future.is_exact_instance_of::<PyFuture>();
                if may_be_over && future.get().cell.is_done() {
                    host::discard(outcome.into_object(py));
                    seat.rest();
                    return Ok(());
                }
                PyFuture::end(&future, outcome, |calls_back| {
                    if !calls_back {
                        seat.rest();
                    }
                })
            }
        };
        host::discard(future.into_any());
        ended
    }

    /// As the object that CPython's queue would hold.
    fn into_item(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let function = self.function.into_bound(py);
        let Some(future) = self.future else { return Ok(function) };
        let kwargs = match self.kwargs {
            Some(kwargs) => kwargs.into_bound(py),
            None => host::dict(py)?,
        };
        let module = host::import(host::word!(py, "ropewalk.concurrent.futures.thread")?)?;
        host::call_method(
            &module,
            host::word!(py, "_make_item")?,
            (future, function, self.args, kwargs),
        )
    }
}

/// The jobs of a thread pool, with the methods of a `queue.SimpleQueue`.
#[pyclass(frozen, weakref, module = "ropewalk._ropewalk", name = "_WorkQueue")]
#[derive(Debug)]
pub(crate) struct PyWorkQueue {
    pub(crate) core: Arc<WorkQueue<Job>>,
    /// What its threads go on with, if the program has put another queue into its place.
    successor: OnceLock<Py<PyAny>>,
    /// How many threads have got a number.
    numbered: AtomicUsize,
}

impl PyWorkQueue {
    /// Takes no more jobs; when the threads have done those they go on with `successor`.
    pub(crate) fn be_replaced(&self, py: Python<'_>, successor: Py<PyAny>) -> PyResult<()> {
        let _ = self.successor.set(successor);
        Self::cancel(py, self.core.shut_down(false))
    }

    fn drop_jobs(&self) {
        let jobs = self.core.take_jobs();
        if !jobs.is_empty() {
            host::attached(|py| jobs.into_iter().for_each(|job| job.discard(py)));
        }
    }

    /// Tells of an exception that is not a task's.
    fn report(py: Python<'_>, error: PyErr) -> PyResult<()> {
        let module = host::import(host::word!(py, "ropewalk._futures_stock")?)?;
        let error = error.into_value(py);
        host::call_method(&module, host::word!(py, "worker_raised")?, (error,)).map(host::discard)
    }

    /// Starts a thread that is counted already, or takes that back.
    fn start_one(&self, start: &Bound<'_, PyAny>) -> PyResult<()> {
        let _launch = self.core.launch(true);
        host::call0(start).map(host::discard).inspect_err(|_| {
            self.core.start_failed();
        })
    }

    /// Attends to the threads while it does the work, whatever ends that.
    fn attend(
        &self,
        start: &Bound<'_, PyAny>,
        work: impl FnOnce() -> PyResult<()>,
    ) -> PyResult<()> {
        self.core.attend_to();
        let result = work();
        let left = if self.core.leave() { self.start_one(start) } else { Ok(()) };
        result.and(left)
    }

    /// Calls off what is in the queue.
    fn cancel(py: Python<'_>, jobs: Vec<Job>) -> PyResult<()> {
        let mut result = Ok(());
        for job in jobs {
            if let Some(future) = &job.future {
                result = result.and(PyFuture::cancel_and_tell(future.bind(py)));
            }
            job.discard(py);
        }
        result
    }
}

impl Job {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        visit.call(&self.function)?;
        visit.call(&self.args)?;
        visit.call(&self.kwargs)
    }

    pub(crate) fn discard(self, py: Python<'_>) {
        let objects = [
            self.future.map(Py::into_any),
            Some(self.function),
            Some(self.args.into_any()),
            self.kwargs.map(Py::into_any),
        ];
        objects.into_iter().flatten().for_each(|object| host::discard(object.into_bound(py)));
    }
}

#[pymethods]
impl PyWorkQueue {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 makes it for the call")]
    fn new(name: Name, threads: usize, max_pending: usize) -> Self {
        Self {
            core: Arc::new(WorkQueue::new(&name, threads, max_pending)),
            successor: OnceLock::new(),
            numbered: AtomicUsize::new(0),
        }
    }

    /// Does the jobs, as one of the pool's threads, until there will be no more; start() starts
    /// another thread. Returns what the thread is to go on with, if another queue has taken the
    /// place of this one.
    fn _work(&self, py: Python<'_>, start: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        let mut seat = self.core.enter();
        let mut may_start = true;
        loop {
            let result = match seat.next(may_start).map_err(Error::from)? {
                Next::Job(job) => {
                    may_start = true;
                    job.run(py, &mut seat)
                }
                Next::Spawn => self.start_one(start).or_else(|error| {
                    // Those that are there do the next job, and then it is tried again.
                    may_start = false;
                    // That there are no more threads to be had is no news for the program.
                    if error.get_type(py).is(py.get_type::<PyRuntimeError>()) {
                        host::discard(error.into_value(py).into_bound(py).into_any());
                        return Ok(());
                    }
                    Err(error)
                }),
                Next::End => return Ok(self.successor.get().map(|it| it.clone_ref(py))),
            };
            if let Err(error) = result.and_then(|()| host::breathe(py)) {
                Self::report(py, error)?;
            }
        }
    }

    /// Says whether threads are started only when those that are on their way to the queue are too
    /// few.
    fn _defer_threads(&self, defers: bool) {
        self.core.defer_threads(defers);
    }

    /// Has start() start one more thread if there are too few for the jobs: for a submit.
    fn _start_next(&self, start: &Bound<'_, PyAny>) -> PyResult<()> {
        if !self.core.claim_thread() {
            return Ok(());
        }
        let _launch = self.core.launch(false);
        host::call0(start).map(host::discard).inspect_err(|_| {
            self.core.start_failed();
        })
    }

    /// Whether there are too few threads for the jobs, and nobody is there, or on the way, who sees
    /// to that: then one more is to be started, and is counted already.
    fn _claim_if_unseen(&self) -> bool {
        self.core.claim_if_unseen()
    }

    /// Has start() start as many threads as there are jobs for, and waits for those that others
    /// start, but not for those that a submit does, which has not returned. Nothing is done in a
    /// thread that is about to start one: what is called on its way is the program's.
    fn _start_all(&self, start: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.core.is_launching() {
            return Ok(());
        }
        self.attend(start, || {
            while self.core.claim_thread() {
                self.start_one(start)?;
            }
            // Their start may need what the caller holds, if the program has a part in it.
            Ok(self.core.wait_launched(Deadline::after(PATIENCE)).map_err(Error::from)?)
        })
    }

    /// Has start() start threads while there are too few for the jobs, once those on their way have
    /// looked.
    fn _see_to_threads(&self, py: Python<'_>, start: &Bound<'_, PyAny>) -> PyResult<()> {
        self.attend(start, || {
            loop {
                // They look, and do the jobs if these are short, while nobody falls asleep.
                host::after_you(py);
                if !self.core.attend().map_err(Error::from)? {
                    return Ok(());
                }
                self.start_one(start)?;
            }
        })
    }

    /// The number of the next thread, for its name.
    fn _number(&self) -> usize {
        // Relaxed: each number is given once, and that is all.
        self.numbered.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes no more jobs; those that wait are done, or called off if cancel is true.
    fn _close(&self, py: Python<'_>, cancel: bool) -> PyResult<()> {
        Self::cancel(py, self.core.shut_down(cancel))
    }

    /// Takes no more jobs, and gives error to all that wait.
    fn _break(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut result = Ok(());
        let mut called_off = 0;
        for job in self.core.break_down() {
            if let Some(future) = &job.future {
                let outcome = Outcome::Error(error.clone().unbind());
                let ended = PyFuture::end(future.bind(py), outcome, |_| {});
                if ended.is_err() && PyFuture::cancelled(future.bind(py)).unwrap_or(false) {
                    called_off += 1;
                }
                result = result.and(ended);
            }
            job.discard(py);
        }
        self.core.called_off(called_off);
        result
    }

    /// Says how many threads there may be.
    fn _set_threads(&self, threads: usize) {
        self.core.set_threads(threads);
    }

    /// Says that the thread that a submit asked for is not started.
    fn _start_none(&self) {
        self.core.start_failed();
    }

    /// How many threads have no job.
    fn _idle(&self) -> usize {
        self.core.idle()
    }

    /// In the child of a fork: forgets the threads, which are not there, and what they were to do,
    /// which the parent's do.
    fn _after_fork(&self, py: Python<'_>) {
        self.core.after_fork_in_child();
        self.core.take_jobs().into_iter().for_each(|job| job.discard(py));
    }

    /// Put an object into the queue, on which a thread of the pool then calls run(). None, which
    /// CPython's pools have for their threads to look whether they are to leave, is needed at the
    /// interpreter's exit only.
    #[pyo3(
        signature = (item, block=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, item, block=True, timeout=None)"
    )]
    fn put(
        &self,
        py: Python<'_>,
        item: Py<PyAny>,
        block: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<()> {
        let _ = (block, timeout);
        if item.is_none(py) {
            if super::pool::is_exiting() {
                drop(self.core.shut_down(false));
            }
            return Ok(());
        }
        let job =
            Job { future: None, function: item, args: PyTuple::empty(py).unbind(), kwargs: None };
        match self.core.try_submit(job, 0) {
            Ok(Submitted::Queued) => {}
            // As in CPython, the queue alone starts no thread.
            Ok(Submitted::Spawn) => drop(self.core.start_failed()),
            Err(error) => {
                let is_lost = matches!(error, SubmitError::NoMemory(_));
                error.into_job().discard(py);
                if is_lost {
                    return Err(Error::NoMemory.into());
                }
            }
        }
        Ok(())
    }

    /// As put(item).
    fn put_nowait(&self, py: Python<'_>, item: Py<PyAny>) -> PyResult<()> {
        self.put(py, item, Given::NOT, Given::NOT)
    }

    /// Remove and return an item from the queue. Never waits for one: that is what the pool's
    /// threads do.
    #[pyo3(
        signature = (block=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, block=True, timeout=None)"
    )]
    fn get<'py>(
        &self,
        py: Python<'py>,
        block: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = (block, timeout);
        match self.core.take_job() {
            Some(job) => job.into_item(py),
            None => Err(Error::Empty.into()),
        }
    }

    /// As get(block=False).
    fn get_nowait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.get(py, Given::NOT, Given::NOT)
    }

    /// Return the approximate size of the queue (not reliable!).
    fn qsize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.core.pending().made(py)
    }

    /// Return True if the queue is empty, False otherwise (not reliable!).
    fn empty(&self) -> bool {
        self.core.pending() == 0
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut result = self.successor.get().map_or(Ok(()), |it| visit.call(it));
        self.core.try_visit(|job| {
            if result.is_ok() {
                result = job.traverse(&visit);
            }
        });
        result
    }

    fn __clear__(&self) {
        self.drop_jobs();
    }
}

impl Drop for PyWorkQueue {
    fn drop(&mut self) {
        self.drop_jobs();
    }
}
