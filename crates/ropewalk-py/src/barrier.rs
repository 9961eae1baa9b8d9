//! `threading.Barrier`.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple};
use ropewalk::sync::Barrier;
use ropewalk::wait::Deadline;

use super::direct::short_ways;
use super::error::Error;
use super::host::{self, Made};
use super::name::Name;
use super::origin::{self, Site};
use super::overrides::{get_own, has_own};
use super::runtime::{address, type_name};
use super::timeout::{Given, added_timeout, count};

/// Implements a Barrier.
///
/// Useful for synchronizing a fixed number of threads at known synchronization points. Threads
/// block on 'wait()' and are simultaneously awoken once they have all made that call.
#[pyclass(frozen, weakref, dict, subclass, module = "threading", name = "Barrier")]
#[derive(Debug)]
pub(crate) struct PyBarrier {
    core: OnceLock<Barrier>,
    site: Site,
}

impl PyBarrier {
    /// A barrier whose `__init__` has not run may have its parts in attributes.
    fn slow<'py>(
        slf: &Bound<'py, Self>,
        what: &str,
        arguments: impl host::Several<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let module = host::import(host::word!(py, "ropewalk._barrier_slow")?)?;
        host::call_method(&module, &host::text(py, what)?, arguments)
    }

    #[inline]
    pub(crate) fn core(&self) -> PyResult<&Barrier> {
        self.core.get().ok_or_else(|| {
            host::error::<PyAttributeError>("'Barrier' object has no attribute '_parties'")
        })
    }
}

/// Calls the action if it is true, as CPython has it.
fn run(action: &Bound<'_, PyAny>) -> PyResult<()> {
    if host::is_true(action)? { host::call0(action).map(host::discard) } else { Ok(()) }
}

fn attributes<'py>(barrier: &Bound<'py, PyBarrier>) -> PyResult<Bound<'py, PyDict>> {
    Ok(host::attribute(barrier, host::word!(barrier.py(), "__dict__")?)?.cast_into()?)
}

#[pymethods]
impl PyBarrier {
    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(parties, action=None, timeout=None, *, name=None)"
    )]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self { core: OnceLock::new(), site: origin::here(py) }
    }

    #[pyo3(signature = (parties, action=None, timeout=None, *, name=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        parties: &Bound<'_, PyAny>,
        action: Option<Bound<'_, PyAny>>,
        timeout: Option<Bound<'_, PyAny>>,
        name: Option<Name>,
    ) -> PyResult<()> {
        let (py, this) = (slf.py(), slf.get());
        let is_usual = || parties.cast_exact::<PyInt>().is_ok_and(|n| n.gt(0).unwrap_or(false));
        if py.version_info() < (3, 12) && !is_usual() {
            // CPython 3.11 does not look at it.
            return Self::slow(slf, "set_up", (slf, parties, action, timeout)).map(host::discard);
        }
        if host::compare(parties, CompareOp::Lt, 1)? {
            let newer = py.version_info() >= (3, 14);
            return Err(host::error::<PyValueError>(if newer {
                "parties must be >= 1"
            } else {
                "parties must be > 0"
            }));
        }
        let core = Barrier::with_origin(count(parties)?, this.site.origin());
        // Where CPython has them: they may be set, and refer to the barrier.
        let parts =
            [(host::word!(py, "_action")?, action), (host::word!(py, "_timeout")?, timeout)];
        for (name, part) in parts {
            if part.is_some() {
                attributes(slf)?.set_item(name, part)?;
            }
        }
        this.core
            .set(core)
            .map_err(|_| host::error::<PyRuntimeError>("Barrier.__init__() was called twice"))?;
        if let Some(name) = name {
            this.core()?.set_name(&name);
        }
        Ok(())
    }

    /// Wait for the barrier.
    ///
    /// When the specified number of threads have started waiting, they are all simultaneously
    /// awoken. If an 'action' was provided for the barrier, one of the threads will have executed
    /// that callback prior to returning. Returns an individual index number from 0 to 'parties-1'.
    #[pyo3(signature = (timeout=Given::NOT), text_signature = "($self, timeout=None)")]
    fn wait<'py>(slf: &Bound<'py, Self>, timeout: Given<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let Some(core) = slf.get().core.get() else {
            return Self::slow(slf, "wait", (slf, timeout.get()));
        };
        let [action, own] = [host::word!(py, "_action")?, host::word!(py, "_timeout")?]
            .map(|name| get_own(slf, name).filter(|part| !part.is_none()));
        let timeout = timeout.not_none().or(own.as_ref().map(|own| own.as_borrowed()));
        let deadline = match added_timeout(py, timeout.map_or(Given::NOT, Given::from)) {
            // As in CPython, who does not wait does not look at it.
            Err(_) if core.is_broken() || core.waiting() + 1 == core.parties() => Deadline::NEVER,
            deadline => deadline?,
        };
        let action = action.as_ref().map(|action| || run(action).map_err(Error::Python));
        let place = core.wait_with(deadline, action)?;
        place.made(py)
    }

    /// Reset the barrier to the initial state.
    ///
    /// Any threads currently waiting will get the BrokenBarrierError exception raised.
    fn reset(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().core.get() {
            Some(core) => core.reset(),
            None => host::discard(Self::slow(slf, "reset", (slf,))?),
        }
        Ok(())
    }

    /// Place the barrier into a 'broken' state.
    ///
    /// Useful in case of error. Any currently waiting threads and threads attempting to 'wait()'
    /// will have BrokenBarrierError raised.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().core.get() {
            Some(core) => core.abort(),
            None => host::discard(Self::slow(slf, "abort", (slf,))?),
        }
        Ok(())
    }

    /// Return the number of threads required to trip the barrier.
    #[getter]
    fn parties<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().core.get() {
            Some(core) => core.parties().made(slf.py()),
            None => Self::slow(slf, "parties", (slf,)),
        }
    }

    /// Return the number of threads currently waiting at the barrier.
    #[getter]
    fn n_waiting<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().core.get() {
            Some(core) => core.waiting().made(slf.py()),
            None => Self::slow(slf, "n_waiting", (slf,)),
        }
    }

    /// Return True if the barrier is in a broken state.
    #[getter]
    fn broken<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().core.get() {
            Some(core) => core.is_broken().made(slf.py()),
            None => Self::slow(slf, "broken", (slf,)),
        }
    }

    /// As CPython's: it is up to whoever pickles whether it can do that with the lock inside.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::slow(slf, "state", (slf,))
    }

    /// `_parties`, `_count` and `_state` of one that has them in the core.
    fn _ropewalk_peek<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let core = self.core.get();
        match name {
            "_parties" => core.map(Barrier::parties).made(py),
            "_count" => core.map(Barrier::waiting).made(py),
            // CPython's number for one that is broken; otherwise it fills.
            _ => core.map(|core| if core.is_broken() { -2 } else { 0 }).made(py),
        }
    }

    /// For who asks for action and timeout of one that was given none; one whose `__init__` has not
    /// run has nothing.
    fn _ropewalk_inflate(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().core.get().is_some() {
            for name in [host::word!(slf.py(), "_action")?, host::word!(slf.py(), "_timeout")?] {
                let attributes = attributes(slf)?;
                host::call_method(&attributes, host::word!(slf.py(), "setdefault")?, (name,))?;
            }
        }
        Ok(())
    }

    fn __repr__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (class, at) = (type_name(slf.as_any())?, address(slf.as_any()));
        let told = if host::is_true(&Self::broken(slf)?)? {
            "broken".to_owned()
        } else {
            let waiters = host::shown(&Self::n_waiting(slf)?)?;
            format!("waiters={waiters}/{}", host::shown(&Self::parties(slf)?)?)
        };
        format!("<{class} at {at}: {told}>").made(slf.py())
    }
}

short_ways! {
    install_short_ways for PyBarrier {
        c"wait"(0) => |barrier, _| {
            let core = barrier.get().core.get()?;
            if has_own(barrier, host::word!(barrier.py(), "_action").ok()?) {
                return None;
            }
            let place = core.try_wait()?;
            place.made(barrier.py()).ok()
        };
    }
}
