//! What `threading.Timer` is made on.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use ropewalk::time::{StartError, Timer};
use ropewalk::wait::Origin;

use super::error::Error;
use super::host;
use super::name::Name;
use super::timeout::{Given, join_timeout};

/// A call of callback() after interval seconds, on a thread that all timers share.
///
/// It owns the callback until that has been called or the timer is cancelled, and the garbage
/// collector does not see that: start it right after making it. The last argument is a weak reference
/// to what has a `_name`.
#[pyclass(frozen, weakref, module = "ropewalk._ropewalk", name = "TimerHandle")]
#[derive(Debug)]
pub(crate) struct TimerHandle {
    core: Timer,
    /// A weak reference to the `Timer`, which has a name.
    timer: Option<Py<PyAny>>,
    started: AtomicBool,
}

impl TimerHandle {
    /// What the timer is called now.
    fn name(&self, py: Python<'_>) -> Option<Name> {
        let timer = host::call(self.timer.as_ref()?.bind(py), (), None).ok()?;
        host::attribute(&timer, host::word!(py, "_name").ok()?).ok()?.extract().ok()
    }
}

#[pymethods]
impl TimerHandle {
    #[new]
    #[pyo3(signature = (interval, callback, timer=None))]
    fn new(interval: f64, callback: Py<PyAny>, timer: Option<Py<PyAny>>) -> Self {
        let interval = if interval > 0.0 {
            Duration::try_from_secs_f64(interval).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        };
        // The line that runs now is one of ours: it would tell nobody anything.
        let call = move || host::call_attached(callback);
        Self {
            core: Timer::of_host(interval, call, Origin::Unknown),
            timer,
            started: AtomicBool::new(false),
        }
    }

    /// Start the interval. Once only.
    fn start(&self) -> PyResult<()> {
        self.core.start().map_err(|error| {
            host::error::<PyRuntimeError>(match error {
                StartError::Started => "threads can only be started once",
                _ => "can't start new thread",
            })
        })?;
        self.started.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Say, in the callback, that it may take long from now on, or not any more.
    fn set_busy(&self, busy: bool) {
        self.core.set_busy(busy);
    }

    /// Return by how many seconds the timer that is due next is late, 0 if none is.
    #[staticmethod]
    fn lateness() -> f64 {
        Timer::lateness().as_secs_f64()
    }

    /// Return whether it was started.
    fn is_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Keep the callback from being called, if it has not been yet.
    fn cancel(&self) {
        self.core.cancel();
    }

    /// Return whether the callback has returned or the timer was cancelled.
    fn is_ended(&self) -> bool {
        self.core.is_done()
    }

    /// Wait until it is done, at most timeout seconds if that is not None. Return whether it is.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn join(&self, py: Python<'_>, timeout: Given<'_, '_>) -> PyResult<bool> {
        if self.core.is_done() {
            return Ok(true);
        }
        let deadline = join_timeout(py, timeout)?;
        if let Some(name) = self.name(py) {
            self.core.set_name(&name);
        }
        Ok(self.core.join_until(deadline).map_err(Error::from)?)
    }
}
