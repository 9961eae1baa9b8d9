//! `concurrent.futures.Future`.
//!
//! `ropewalk/concurrent/futures/_base.py` completes the class with what is easier to say in Python.
//! An instance is in one of three modes:
//!
//! | mode | where its state and outcome are |
//! |---|---|
//! | fast | in the core's cell |
//! | hooked | in the core's cell; a subclass overrides `_invoke_callbacks`, so the first use moves it |
//! | moved | in the instance's `__dict__`, as in CPython, whose own methods then work on it |
//!
//! It is moved when somebody touches what only CPython's own has (`_condition`, `_waiters` ...) or
//! sets what CPython's methods set. Whoever waits in the core is woken by that, and goes on waiting
//! where the state is now.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::Borrowed;
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use ropewalk::exec::{Cancel, Crew, Fired, FutureCell, Outcome as Ends, State};

use super::error::{Error, future_error};
use super::future_moved::{counts, has_init, log, slow, takes_no_arguments};
use super::host::{self, Made};
use super::pool_queue::PyWorkQueue;
use super::runtime::{address, generic_alias};
use super::timeout::{Given, optional_timeout};

/// What a future ends with.
#[derive(Debug)]
pub(crate) enum Outcome {
    Value(Py<PyAny>),
    /// As it was given to `set_exception`, which takes anything.
    Error(Py<PyAny>),
    /// Nothing: its state is in the instance's `__dict__` from now on.
    Moved,
}

impl Ends for Outcome {
    fn is_failure(&self) -> bool {
        // Whoever waits for a failure looks at one that has moved as well.
        !matches!(self, Self::Value(_))
    }
}

impl Outcome {
    /// What it ended with.
    pub(crate) fn into_object(self, py: Python<'_>) -> Bound<'_, PyAny> {
        match self {
            Self::Value(object) | Self::Error(object) => object.into_bound(py),
            Self::Moved => py.None().into_bound(py),
        }
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Value(value) => Self::Value(value.clone_ref(py)),
            Self::Error(error) => Self::Error(error.clone_ref(py)),
            Self::Moved => Self::Moved,
        }
    }
}

// Not 0: Python 3.11 may collect garbage between making the object, of zeros, and filling it.
const FAST: u8 = 1;
const HOOKED: u8 = 2;
pub(crate) const MOVED: u8 = 3;

/// Represents the result of an asynchronous computation.
#[pyclass(frozen, weakref, dict, subclass, module = "concurrent.futures._base", name = "Future")]
#[derive(Debug)]
pub(crate) struct PyFuture {
    pub(crate) cell: FutureCell<Outcome, Py<PyAny>>,
    pub(crate) mode: AtomicU8,
}

impl PyFuture {
    /// One that belongs to no pool.
    #[inline]
    pub(crate) fn lone() -> Self {
        Self { cell: FutureCell::new(), mode: AtomicU8::new(FAST) }
    }

    /// A future of a pool's task.
    pub(crate) fn in_pool(crew: Arc<Crew>) -> Self {
        Self { cell: FutureCell::in_pool(crew), mode: AtomicU8::new(FAST) }
    }

    /// Whether the core has its state.
    #[inline]
    pub(crate) fn is_fast(&self) -> bool {
        // Acquire pairs with the Release in `move_out`: what it put into the `__dict__` is seen.
        self.mode.load(Ordering::Acquire) == FAST
    }

    /// The outcome, if it is finished and has not moved.
    pub(crate) fn outcome(&self, py: Python<'_>) -> Option<Outcome> {
        let outcome = self.cell.with_outcome(|outcome| outcome.clone_ref(py))?;
        (!matches!(outcome, Outcome::Moved)).then_some(outcome)
    }

    /// Calls what was registered for the end. What they raise is logged, unless it is meant to end
    /// more than a callback.
    pub(crate) fn fire(slf: &Bound<'_, Self>, fired: Fired<Py<PyAny>>) -> PyResult<()> {
        if fired.is_empty() {
            return Ok(());
        }
        let py = slf.py();
        fired.into_iter().try_for_each(|callback| Self::call_back(slf, callback.into_bound(py)))
    }

    fn call_back<'py>(slf: &Bound<'py, Self>, callback: Bound<'py, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let result = host::call(&callback, (slf,), None);
        host::discard(callback);
        match result {
            Ok(result) => {
                host::discard(result);
                Ok(())
            }
            Err(error) if error.is_instance_of::<PyException>(py) => {
                log(host::word!(py, "callback_raised")?, (slf, error.into_value(py)))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends it; `seen` is told, before anybody can see that, whether callbacks will be called.
    pub(crate) fn end(
        slf: &Bound<'_, Self>,
        outcome: Outcome,
        seen: impl FnOnce(bool),
    ) -> PyResult<()> {
        let this = slf.get();
        let outcome = if this.is_fast() {
            match this.cell.finish_with(outcome, seen) {
                Ok(fired) => return Self::fire(slf, fired),
                Err((state, _)) if this.is_fast() => return Err(Self::invalid(slf, state)),
                // Moved meanwhile.
                Err((_, outcome)) => outcome,
            }
        } else {
            outcome
        };
        let py = slf.py();
        match outcome {
            Outcome::Value(value) => slow(slf, host::word!(py, "set_result")?, (slf, value))?,
            Outcome::Error(error) => slow(slf, host::word!(py, "set_exception")?, (slf, error))?,
            Outcome::Moved => return Ok(()),
        };
        Ok(())
    }

    #[cold]
    fn invalid(slf: &Bound<'_, Self>, state: State) -> PyErr {
        match host::repr(slf) {
            Ok(repr) => future_error("InvalidStateError", (format!("{}: {repr}", state.name()),)),
            Err(error) => error,
        }
    }

    /// Its turn has come: `false` if it was cancelled.
    pub(crate) fn begin(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let this = slf.get();
        let py = slf.py();
        if this.is_fast() {
            match this.cell.start() {
                Ok(run) => return Ok(run),
                Err(state) if this.is_fast() => {
                    log(host::word!(py, "unexpected_state")?, (slf, state.name()))?;
                    return Err(host::error::<PyRuntimeError>("Future in unexpected state"));
                }
                Err(_) => {}
            }
        }
        host::is_true(&slow(slf, host::word!(py, "set_running_or_notify_cancel")?, (slf,))?)
    }

    /// Whether it ended in a failure.
    pub(crate) fn failed(&self) -> bool {
        self.cell.with_outcome(Ends::is_failure).unwrap_or(false)
    }

    /// What it ended with, waiting for it at most as long as `timeout` says; `Err(timeout)` with
    /// what is left of that if it has moved.
    fn wait<'py>(
        &self,
        py: Python<'py>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<Result<Outcome, Option<Bound<'py, PyAny>>>> {
        let mut left = timeout.not_none().map(Borrowed::to_owned);
        if self.is_fast() {
            if !self.cell.is_done() {
                let deadline = optional_timeout(py, timeout)?;
                if !self.cell.wait_until(deadline).map_err(Error::from)? {
                    return Err(future_error("TimeoutError", ()));
                }
                left = match deadline.left() {
                    Some(left) => Some(left.as_secs_f64().made(py)?),
                    None => None,
                };
            }
            match self.outcome(py) {
                Some(outcome) => return Ok(Ok(outcome)),
                None if self.is_fast() => return Err(future_error("CancelledError", ())),
                None => {}
            }
        }
        Ok(Err(left))
    }

    /// Cancels it and says so to everybody: it will not have a turn any more.
    pub(crate) fn cancel_and_tell(slf: &Bound<'_, Self>) -> PyResult<()> {
        if Self::cancel(slf)? {
            // It may be done in other ways than by us, all of which are right.
            if slf.get().is_fast() {
                let _ = slf.get().cell.start();
            } else {
                Self::begin(slf)?;
            }
        }
        Ok(())
    }

    fn drop_contents(&self) {
        let (outcome, fired) = self.cell.take_all();
        let object = match outcome {
            None | Some(Outcome::Moved) => None,
            Some(Outcome::Value(object) | Outcome::Error(object)) => Some(object),
        };
        if object.is_none() && fired.is_empty() {
            return;
        }
        host::attached(|py| {
            if let Some(object) = object {
                let object = object.into_bound(py);
                if object.is_instance_of::<Self>() {
                    // A future in a future in a future ...
                    host::discard_all(py, vec![object.unbind()]);
                } else {
                    host::discard(object);
                }
            }
            if !fired.is_empty() {
                host::discard_all(py, fired.into_iter().collect());
            }
        });
    }
}

#[pymethods]
impl PyFuture {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*args, **kwargs), text_signature = "()")]
    fn new(
        class: &Bound<'_, PyType>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let py = class.py();
        let ours = py.get_type::<Self>();
        if class.is(&ours) {
            // No `__init__` of its own: that would be one more call for each future.
            takes_no_arguments(args, kwargs)?;
            return Ok(Self::lone());
        }
        let is_given = !args.is_empty() || kwargs.is_some_and(|kwargs| !kwargs.is_empty());
        if is_given && !has_init(class)? {
            takes_no_arguments(args, kwargs)?;
        }
        let name = host::word!(py, "_invoke_callbacks")?;
        let hooked = !host::attribute(class, name)?.is(&host::attribute(&ours, name)?);
        // A pool's own kind of future says whose it is.
        let cell = match args.iter().next().map(Bound::cast_into::<PyWorkQueue>) {
            Some(Ok(queue)) => FutureCell::in_pool(queue.get().core.crew().clone()),
            _ => FutureCell::new(),
        };
        Ok(Self { cell, mode: AtomicU8::new(if hooked { HOOKED } else { FAST }) })
    }

    /// Cancel the future if possible.
    ///
    /// Returns True if the future was cancelled, False otherwise. A future cannot be cancelled if
    /// it is running or has already completed.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let this = slf.get();
        if this.is_fast() {
            match this.cell.cancel() {
                Cancel::Cancelled(fired) => return Self::fire(slf, fired).map(|()| true),
                Cancel::Already => return Ok(true),
                Cancel::TooLate if this.is_fast() => return Ok(false),
                Cancel::TooLate => {}
            }
        }
        host::is_true(&slow(slf, host::word!(slf.py(), "cancel")?, (slf,))?)
    }

    /// Return True if the future was cancelled.
    pub(crate) fn cancelled(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match Self::fast_state(slf) {
            Some(state) => Ok(matches!(state, State::Cancelled | State::CancelledAndNotified)),
            None => host::is_true(&slow(slf, host::word!(slf.py(), "cancelled")?, (slf,))?),
        }
    }

    /// Return True if the future is currently executing.
    fn running(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match Self::fast_state(slf) {
            Some(state) => Ok(state == State::Running),
            None => host::is_true(&slow(slf, host::word!(slf.py(), "running")?, (slf,))?),
        }
    }

    /// Return True if the future was cancelled or finished executing.
    fn done(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match Self::fast_state(slf) {
            Some(state) => Ok(state.is_done()),
            None => host::is_true(&slow(slf, host::word!(slf.py(), "done")?, (slf,))?),
        }
    }

    /// Attaches a callable that will be called when the future finishes.
    ///
    /// Args:
    ///     fn: A callable that will be called with this future as its only argument when the future
    ///         completes or is cancelled. The callable will always be called by a thread in the
    ///         same process in which it was added. If the future has already completed or been
    ///         cancelled then the callable will be called immediately. These callables are called
    ///         in the order that they were added.
    #[pyo3(signature = (r#fn))]
    fn add_done_callback<'py>(slf: &Bound<'py, Self>, r#fn: Bound<'py, PyAny>) -> PyResult<()> {
        let this = slf.get();
        let py = slf.py();
        let callback = if this.is_fast() {
            match this.cell.add_callback(r#fn.unbind()) {
                None => return Ok(()),
                Some(callback) if this.is_fast() => {
                    return Self::call_back(slf, callback.into_bound(py));
                }
                Some(callback) => callback.into_bound(py),
            }
        } else {
            r#fn
        };
        slow(slf, host::word!(py, "add_done_callback")?, (slf, callback)).map(host::discard)
    }

    /// Return the result of the call that the future represents.
    ///
    /// Args:
    ///     timeout: The number of seconds to wait for the result if the future isn't done. If None,
    ///         then there is no limit on the wait time.
    ///
    /// Returns:
    ///     The result of the call that the future represents.
    ///
    /// Raises:
    ///     CancelledError: If the future was cancelled.
    ///     TimeoutError: If the future didn't finish executing before the given timeout.
    ///     Exception: If the call raised then that exception will be raised.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    pub(crate) fn result<'py>(
        slf: &Bound<'py, Self>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match slf.get().wait(py, timeout)? {
            Ok(Outcome::Value(value)) => Ok(value.into_bound(py)),
            Ok(Outcome::Error(error)) => {
                let error = error.into_bound(py);
                if counts(&error)? {
                    Err(host::raise(&error))
                } else {
                    Ok(py.None().into_bound(py))
                }
            }
            Ok(Outcome::Moved) => Ok(py.None().into_bound(py)),
            Err(left) => slow(slf, host::word!(py, "result")?, (slf, left)),
        }
    }

    /// Return the exception raised by the call that the future represents.
    ///
    /// Args:
    ///     timeout: The number of seconds to wait for the exception if the future isn't done. If
    ///         None, then there is no limit on the wait time.
    ///
    /// Returns:
    ///     The exception raised by the call that the future represents or None if the call
    ///     completed without raising.
    ///
    /// Raises:
    ///     CancelledError: If the future was cancelled.
    ///     TimeoutError: If the future didn't finish executing before the given timeout.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn exception<'py>(
        slf: &Bound<'py, Self>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match slf.get().wait(py, timeout)? {
            Ok(Outcome::Error(error)) => Ok(error.into_bound(py)),
            Ok(Outcome::Value(_) | Outcome::Moved) => Ok(py.None().into_bound(py)),
            Err(left) => slow(slf, host::word!(py, "exception")?, (slf, left)),
        }
    }

    /// Mark the future as running or process any cancel notifications.
    ///
    /// Should only be used by Executor implementations and unit tests.
    ///
    /// If the future has been cancelled (cancel() was called and returned True) then any threads
    /// waiting on the future completing (though calls to as_completed() or wait()) are notified and
    /// False is returned.
    ///
    /// If the future was not cancelled then it is put in the running state (future calls to
    /// running() will return True) and True is returned.
    ///
    /// This method should be called by Executor implementations before executing the work
    /// associated with this future. If this method returns False then the work should not be
    /// executed.
    ///
    /// Returns:
    ///     False if the Future was cancelled, True otherwise.
    ///
    /// Raises:
    ///     RuntimeError: if this method was already called or if set_result() or set_exception()
    ///         was called.
    fn set_running_or_notify_cancel(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Self::begin(slf)
    }

    /// Sets the return value of work associated with the future.
    ///
    /// Should only be used by Executor implementations and unit tests.
    fn set_result(slf: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        // What follows in the executor's code comes before whoever waits, as in CPython.
        Self::end(slf, Outcome::Value(result), |_| {})
    }

    /// Sets the result of the future as being the given exception.
    ///
    /// Should only be used by Executor implementations and unit tests.
    fn set_exception(slf: &Bound<'_, Self>, exception: Py<PyAny>) -> PyResult<()> {
        Self::end(slf, Outcome::Error(exception), |_| {})
    }

    /// Whether it is done, whether it was cancelled, the result and the exception, in one look.
    fn _get_snapshot<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let none = || py.None().into_bound(py);
        let done = Self::done(slf)?;
        if !done || Self::cancelled(slf)? {
            return host::tuple(py, (done, done, none(), none()));
        }
        if slf.get().is_fast() {
            match slf.get().outcome(py) {
                Some(Outcome::Value(value)) => {
                    return host::tuple(py, (true, false, value, none()));
                }
                Some(Outcome::Error(error)) => {
                    return host::tuple(py, (true, false, none(), error));
                }
                Some(Outcome::Moved) | None => {}
            }
        }
        let result = host::attribute(slf, host::word!(py, "_result")?)?;
        host::tuple(
            py,
            (true, false, result, host::attribute(slf, host::word!(py, "_exception")?)?),
        )
    }

    fn _invoke_callbacks(slf: &Bound<'_, Self>) -> PyResult<()> {
        slow(slf, host::word!(slf.py(), "_invoke_callbacks")?, (slf,)).map(host::discard)
    }

    /// Beside the stdlib's package, asyncio and others ask whether it is one of the stdlib's.
    #[getter]
    fn __class__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::class_of(slf)
    }

    /// Whether the core has its state.
    fn _ropewalk_is_fast(&self) -> bool {
        self.is_fast()
    }

    /// Moves everything out of the core into attributes as CPython's futures have them.
    fn _ropewalk_inflate(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::move_out(slf)
    }

    /// `_state` while it is fast.
    fn _ropewalk_peek_state<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::fast_state(slf).map(State::name).made(slf.py())
    }

    /// `_result` while it is fast, if there is one.
    fn _ropewalk_peek_result(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self.outcome(py) {
            Some(Outcome::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// `_exception` while it is fast, if there is one.
    fn _ropewalk_peek_exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self.outcome(py) {
            Some(Outcome::Error(error)) => Some(error),
            _ => None,
        }
    }

    /// See PEP 585
    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, object)
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let Some(state) = Self::fast_state(slf) else {
            return slow(slf, host::word!(py, "__repr__")?, (slf,));
        };
        let told = match slf.get().outcome(py) {
            Some(Outcome::Error(error)) if counts(error.bind(py))? => {
                format!(" raised {}", error.bind(py).get_type().name()?)
            }
            Some(Outcome::Value(value)) => {
                format!(" returned {}", value.bind(py).get_type().name()?)
            }
            Some(_) => " returned NoneType".to_owned(),
            None => String::new(),
        };
        let state = match state {
            State::Cancelled | State::CancelledAndNotified => "cancelled",
            State::Pending => "pending",
            State::Running => "running",
            State::Finished => "finished",
        };
        let name = slf.get_type().name()?;
        format!("<{name} at {} state={state}{told}>", address(slf.as_any())).made(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if self.mode.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let failed = RefCell::new(None);
        let see = |object: &Py<PyAny>| {
            let mut failed = failed.borrow_mut();
            if failed.is_none() {
                *failed = visit.call(object).err();
            }
        };
        self.cell.try_visit(
            |outcome| match outcome {
                Outcome::Value(object) | Outcome::Error(object) => see(object),
                Outcome::Moved => {}
            },
            see,
        );
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn __clear__(&self) {
        self.drop_contents();
    }
}

impl PyFuture {
    /// How it stands while it is fast.
    #[inline]
    pub(crate) fn fast_state(slf: &Bound<'_, Self>) -> Option<State> {
        let this = slf.get();
        let state = this.cell.state();
        // In this order: of one that moved in between, the state is not the core's any more.
        this.is_fast().then_some(state)
    }
}

impl Drop for PyFuture {
    fn drop(&mut self) {
        self.drop_contents();
    }
}
