//! `concurrent.futures.wait`, and what `as_completed` and `Executor.map` iterate over.
//!
//! All of them know futures whose state is in the core. Where another kind of future takes part, or
//! one that has moved (`future.rs`), CPython's own functions do the work.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use pyo3::Borrowed;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PySet, PyString, PyTuple};
use ropewalk::exec::{Collector, Futures, Goal, Helper, Watch};
use ropewalk::wait::Deadline;

use super::error::{Error, future_error};
use super::future::PyFuture;
use super::host::{self, Kept, Made};
use super::timeout::{Given, optional_timeout, unjudged_timeout};

/// Something of `ropewalk._futures_stock`, looked up once.
macro_rules! stock {
    ($py:expr, $name:literal) => {{
        static STOCK: Kept = Kept::new();
        STOCK.get_or_make($py, || {
            let module = host::import(host::word!($py, "ropewalk._futures_stock")?)?;
            host::attribute(&module, host::word!($py, $name)?)
        })
    }};
}

/// Futures that somebody waits for, by number.
struct Awaited<'a>(&'a [Py<PyFuture>]);

impl Futures for Awaited<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn helper(&self, index: usize) -> Helper<'_> {
        self.0.get(index).map_or(Helper::Over, |future| future.get().cell.helper())
    }
}

/// Closes the collector at the end, also of a wait that failed.
#[derive(Debug)]
struct Closing(Arc<Collector>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    First,
    Failure,
    All,
}

impl When {
    fn of(given: Option<&Bound<'_, PyAny>>) -> Option<Self> {
        let Some(given) = given else { return Some(Self::All) };
        match given.cast::<PyString>().ok()?.to_str().ok()? {
            "FIRST_COMPLETED" => Some(Self::First),
            "FIRST_EXCEPTION" => Some(Self::Failure),
            "ALL_COMPLETED" => Some(Self::All),
            _ => None,
        }
    }

    fn goal(self, left: usize) -> Goal {
        match self {
            Self::First => Goal::ANY,
            Self::Failure => Goal::first_failure_of(left),
            Self::All => Goal::all_of(left),
        }
    }
}

/// Futures, sorted.
struct Sorted {
    done: Vec<Py<PyFuture>>,
    others: Vec<Py<PyFuture>>,
    /// Whether one that is done has failed.
    failed: bool,
}

/// Sorts futures into those that are done and the others. `None` if CPython is to do it.
fn sort(set: &Bound<'_, PySet>) -> PyResult<Option<Sorted>> {
    let mut sorted = Sorted { done: Vec::new(), others: Vec::new(), failed: false };
    let futures = host::iterator(set)?;
    while let Some(future) = host::next(&futures)? {
        let Ok(future) = future.cast_into::<PyFuture>() else { return Ok(None) };
        let this = future.get();
        if !this.is_fast() {
            return Ok(None);
        }
        let told = this.cell.state().is_told();
        sorted.failed |= told && this.failed();
        let those = if told { &mut sorted.done } else { &mut sorted.others };
        those.try_reserve(1).map_err(|_| Error::NoMemory)?;
        those.push(future.unbind());
    }
    Ok(Some(sorted))
}

/// `DoneAndNotDoneFutures(done, not_done)`, the latter being what is left of `all`.
fn pair<'py>(
    all: &Bound<'py, PySet>,
    done: Vec<Py<PyFuture>>,
    others: Vec<Py<PyFuture>>,
) -> PyResult<Bound<'py, PyAny>> {
    static NEW: Kept = Kept::new();
    let py = all.py();
    let new = PySet::empty(py)?;
    // Whichever are fewer change from one set into the other.
    let few = done.len() <= others.len();
    for future in if few { done } else { others } {
        let future = future.into_bound(py).into_any();
        host::move_between_sets(&future, all, &new)?;
        host::discard(future);
    }
    let pair = if few { (&new, all) } else { (all, &new) };
    let make = NEW.get_or_make(py, || {
        host::attribute(&py.get_type::<PyTuple>(), host::word!(py, "__new__")?)
    })?;
    host::call(make, (stock!(py, "DoneAndNotDoneFutures")?, host::tuple(py, pair)?), None)
}

/// Wait for the futures in the given sequence to complete.
///
/// Args:
///     fs: The sequence of Futures (possibly created by different Executors) to wait upon.
///     timeout: The maximum number of seconds to wait. If None, then there is no limit on the wait
///         time.
///     return_when: Indicates when this function should return. The options are:
///
///         FIRST_COMPLETED - Return when any future finishes or is cancelled.
///         FIRST_EXCEPTION - Return when any future finishes by raising an exception. If no future
///                           raises an exception then it is equivalent to ALL_COMPLETED.
///         ALL_COMPLETED -   Return when all futures finish or are cancelled.
///
/// Returns:
///     A named 2-tuple of sets. The first set, named 'done', contains the futures that completed
///     (is finished or cancelled) before the wait completed. The second set, named 'not_done',
///     contains uncompleted futures. Duplicate futures given to *fs* are removed and will be
///     returned only once.
#[pyfunction]
#[pyo3(
    signature = (fs, timeout=Given::NOT, return_when=Given::NOT),
    text_signature = "(fs, timeout=None, return_when='ALL_COMPLETED')"
)]
pub(crate) fn wait<'py>(
    fs: &Bound<'py, PyAny>,
    timeout: Given<'_, 'py>,
    return_when: Given<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = fs.py();
    let set = host::call(py.get_type::<PySet>().as_any(), (fs,), None)?.cast_into::<PySet>()?;
    let given = return_when.get().map(Borrowed::to_owned);
    let deadline = match (When::of(given.as_ref()), sort(&set)?) {
        (Some(when), Some(Sorted { mut done, mut others, failed })) => {
            let enough = match when {
                When::First => !done.is_empty(),
                When::Failure => failed,
                When::All => false,
            };
            if enough || others.is_empty() {
                return pair(&set, done, others);
            }
            let deadline = optional_timeout(py, timeout)?;
            if collect(&mut others, &mut done, when, deadline)? {
                return pair(&set, done, others);
            }
            Some(deadline)
        }
        _ => None,
    };
    let stock = stock!(py, "wait")?;
    let timeout = match deadline {
        Some(deadline) => deadline.left().map(|left| left.as_secs_f64()).made(py)?,
        None => timeout.get().made(py)?,
    };
    match given {
        Some(return_when) => host::call(stock, (set, timeout, return_when), None),
        None => host::call(stock, (set, timeout), None),
    }
}

/// Waits for `others`, and moves those that are done to `done`. `false` if CPython is to go on,
/// because one of them has moved.
fn collect(
    others: &mut Vec<Py<PyFuture>>,
    done: &mut Vec<Py<PyFuture>>,
    when: When,
    deadline: Deadline,
) -> PyResult<bool> {
    let collector = Closing(Arc::new(Collector::new()));
    for (index, future) in others.iter().enumerate() {
        if let Watch::Done { failed } = future.get().cell.watch(&collector.0, index) {
            collector.0.add(index, failed);
        }
    }
    let goal = when.goal(others.len());
    collector.0.wait_until(goal, deadline, &Awaited(others)).map_err(Error::from)?;
    let mut ready: Vec<_> = collector.0.take_ready().into();
    // From the back, so that the numbers of the others stay.
    ready.sort_unstable_by(|a, b| b.cmp(a));
    for index in ready {
        if !others[index].get().is_fast() {
            return Ok(false);
        }
        done.push(others.swap_remove(index));
    }
    Ok(true)
}

/// The futures of a set as they complete.
#[pyclass(module = "ropewalk._ropewalk", name = "_AsCompleted")]
#[derive(Debug)]
pub(crate) struct AsCompleted {
    /// By number; those that were given out are not there any more.
    futures: Vec<Option<Py<PyFuture>>>,
    /// The numbers of those that are known to be done.
    ready: VecDeque<usize>,
    /// How many there are besides.
    pending: usize,
    collector: Option<Closing>,
    deadline: Deadline,
    /// CPython's own iterator over the rest, once it is to do the work.
    stock: Option<Py<PyAny>>,
}

impl Futures for AsCompleted {
    fn count(&self) -> usize {
        self.futures.len()
    }
    fn helper(&self, index: usize) -> Helper<'_> {
        match self.futures.get(index) {
            Some(Some(future)) => future.get().cell.helper(),
            _ => Helper::Over,
        }
    }
}

impl AsCompleted {
    fn watch(&mut self) -> Arc<Collector> {
        if let Some(collector) = &self.collector {
            return collector.0.clone();
        }
        let collector = Arc::new(Collector::new());
        for (index, future) in self.futures.iter().enumerate() {
            if let Some(future) = future
                && let Watch::Done { failed } = future.get().cell.watch(&collector, index)
            {
                collector.add(index, failed);
            }
        }
        self.collector = Some(Closing(collector.clone()));
        collector
    }

    fn give_to_stock(&mut self, py: Python<'_>) -> PyResult<()> {
        let rest: Vec<_> = self.futures.drain(..).flatten().collect();
        let left = self.deadline.left().map(|left| left.as_secs_f64());
        let futures = host::call(stock!(py, "as_completed")?, (rest, left), None)?;
        self.stock = Some(host::iterator(&futures)?.unbind());
        Ok(())
    }
}

#[pymethods]
impl AsCompleted {
    #[new]
    #[pyo3(
        signature = (futures, timeout=Given::NOT),
        text_signature = "(futures, timeout=None)"
    )]
    fn new<'py>(
        py: Python<'py>,
        futures: &Bound<'py, PySet>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<Self> {
        let mut this = Self {
            futures: Vec::new(),
            ready: VecDeque::new(),
            pending: 0,
            collector: None,
            deadline: Deadline::NEVER,
            stock: None,
        };
        this.futures.try_reserve_exact(futures.len()).map_err(|_| Error::NoMemory)?;
        this.ready.try_reserve_exact(futures.len()).map_err(|_| Error::NoMemory)?;
        let each = host::iterator(futures)?;
        while let Some(future) = host::next(&each)? {
            let future = match future.cast_into::<PyFuture>() {
                Ok(future) if future.get().is_fast() => future,
                _ => {
                    let futures =
                        host::call(stock!(py, "as_completed")?, (futures, timeout.get()), None)?;
                    let taken = std::mem::take(&mut this.futures).into_iter().flatten();
                    host::discard_all(py, taken.map(Py::into_any).collect());
                    this.stock = Some(host::iterator(&futures)?.unbind());
                    return Ok(this);
                }
            };
            if future.get().cell.state().is_told() {
                this.ready.push_back(this.futures.len());
            } else {
                this.pending += 1;
            }
            this.futures.push(Some(future.unbind()));
        }
        if this.pending > 0 {
            this.deadline = optional_timeout(py, timeout)?;
        }
        Ok(this)
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            if let Some(stock) = &self.stock {
                return Ok(host::next(stock.bind(py))?.map(Bound::unbind));
            }
            if let Some(index) = self.ready.pop_front() {
                match self.futures[index].take() {
                    Some(future) if future.get().is_fast() => {
                        return Ok(Some(future.into_any()));
                    }
                    None => continue,
                    moved => {
                        self.futures[index] = moved;
                        self.give_to_stock(py)?;
                        continue;
                    }
                }
            }
            if self.pending == 0 {
                return Ok(None);
            }
            if self.deadline.has_passed() {
                let total = self.futures.len();
                let text = format!("{} (of {total}) futures unfinished", self.pending);
                return Err(future_error("TimeoutError", (text,)));
            }
            let collector = self.watch();
            collector.wait_until(Goal::ANY, self.deadline, &*self).map_err(Error::from)?;
            self.ready = collector.take_ready();
            self.pending -= self.ready.len();
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.futures.iter().flatten().try_for_each(|future| visit.call(future))?;
        self.stock.iter().try_for_each(|stock| visit.call(stock))
    }

    fn __clear__(&mut self) {
        self.drop_contents();
    }
}

impl AsCompleted {
    /// Drops what it refers to, guarded: what it does not, PyO3 would.
    fn drop_contents(&mut self) {
        self.ready.clear();
        self.pending = 0;
        let futures = std::mem::take(&mut self.futures).into_iter().flatten().map(Py::into_any);
        let objects: Vec<_> = futures.chain(self.stock.take()).collect();
        if !objects.is_empty() {
            host::attached(|py| host::discard_all(py, objects));
        }
    }
}

impl Drop for AsCompleted {
    fn drop(&mut self) {
        self.drop_contents();
    }
}

/// The results of futures, in their order. One whose result is not to be had is cancelled.
#[pyclass(module = "ropewalk._ropewalk", name = "_Results")]
#[derive(Debug)]
pub(crate) struct Results {
    futures: VecDeque<Py<PyAny>>,
    deadline: Option<Deadline>,
}

impl Results {
    fn next<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(future) = self.futures.pop_front() else { return Ok(None) };
        let future = future.into_bound(py);
        let left = match self.deadline {
            Some(deadline) => {
                let left = deadline.left().map_or(f64::INFINITY, |left| left.as_secs_f64());
                Some(left.made(py)?)
            }
            None => None,
        };
        let result = match future.cast_exact::<PyFuture>() {
            Ok(future) => {
                let left = left.as_ref().map_or(Given::NOT, |left| left.as_borrowed().into());
                PyFuture::result(future, left)
            }
            Err(_) => host::call_method(&future, host::word!(py, "result")?, (left,)),
        };
        if result.is_err() || !future.is_exact_instance_of::<PyFuture>() {
            host::discard(host::call_method(&future, host::word!(py, "cancel")?, ())?);
        }
        host::discard(future);
        result.map(Some)
    }
}

/// What comes out of a generator that raises this: a task's `StopIteration` is not the end of the
/// results.
fn as_raised_in_a_generator(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let raised = host::error::<PyRuntimeError>("generator raised StopIteration");
    raised.set_context(py, Some(error.clone_ref(py)));
    raised.set_cause(py, Some(error));
    raised
}

#[pymethods]
impl Results {
    #[new]
    #[pyo3(
        signature = (futures, timeout=Given::NOT),
        text_signature = "(futures, timeout=None)"
    )]
    fn new(futures: Vec<Py<PyAny>>, timeout: Given<'_, '_>) -> PyResult<Self> {
        let deadline = match timeout.not_none() {
            Some(value) => Some(unjudged_timeout(&value)?),
            None => None,
        };
        Ok(Self { futures: futures.into(), deadline })
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(py).map_err(|error| as_raised_in_a_generator(py, error))
    }

    /// Cancels those whose results nobody has asked for.
    fn _cancel(&mut self, py: Python<'_>) -> PyResult<()> {
        while let Some(future) = self.futures.pop_front() {
            let future = future.into_bound(py);
            host::discard(host::call_method(&future, host::word!(py, "cancel")?, ())?);
            host::discard(future);
        }
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.futures.iter().try_for_each(|future| visit.call(future))
    }

    fn __clear__(&mut self) {
        self.drop_contents();
    }
}

impl Results {
    /// As that of [`AsCompleted`].
    fn drop_contents(&mut self) {
        if !self.futures.is_empty() {
            let futures = std::mem::take(&mut self.futures).into();
            host::attached(|py| host::discard_all(py, futures));
        }
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        self.drop_contents();
    }
}
