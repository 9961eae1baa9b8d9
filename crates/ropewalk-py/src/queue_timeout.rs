//! The `block` and `timeout` of queues.
//!
//! What is unusual about a timeout (its type, its size) is judged by what judges it in CPython:
//! arithmetic with a float and a lock of CPython's own for the queues that CPython writes in Python,
//! and a `SimpleQueue` of CPython's own for that one.

#![forbid(unsafe_code)]

use pyo3::basic::CompareOp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ropewalk::wait::Deadline;

use super::host::{self, Kept, Made};
use super::timeout::{Given, TIMEOUT_MAX, after, judged, plain, usual_seconds};

/// How long an operation may wait.
#[derive(Debug)]
pub(crate) enum Patience<'py> {
    /// Not at all.
    Try,
    /// Until then.
    Until(Deadline),
    /// So many seconds, in a form that is looked at only when there is something to wait for.
    Odd(Bound<'py, PyAny>),
}

impl<'py> Patience<'py> {
    /// The arguments of `Queue.put` and `Queue.get`.
    pub(crate) fn new(
        py: Python<'py>,
        block: Given<'_, 'py>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<Self> {
        if let Some(block) = block.get()
            && !host::is_true(&block)?
        {
            return Ok(Self::Try);
        }
        let Some(value) = timeout.not_none() else { return Ok(Self::Until(Deadline::NEVER)) };
        match usual_seconds(&value) {
            Some(seconds) if seconds < 0.0 => Err(negative()),
            Some(seconds) if seconds <= TIMEOUT_MAX => Ok(Self::Until(after(seconds))),
            _ if host::compare(&value, CompareOp::Lt, 0)? => Err(negative()),
            _ => Ok(Self::Odd(host::add(&0.0.made(py)?, &value)?)),
        }
    }

    /// Until when to wait, now that there is something to wait for; `None` if not at all.
    pub(crate) fn deadline(self) -> PyResult<Option<Deadline>> {
        let value = match self {
            Self::Try => return Ok(None),
            Self::Until(deadline) => return Ok(Some(deadline)),
            Self::Odd(value) => value,
        };
        if host::compare(&value, CompareOp::Le, 0.0)? {
            return Ok(None);
        }
        let py = value.py();
        if py.version_info() < (3, 14) && !host::compare(&value, CompareOp::Gt, 0)? {
            // Not a number: CPython's queues then try again and again, up to 3.13.
            return Ok(Some(Deadline::NEVER));
        }
        judged(py, &value).map(Some)
    }
}

/// The arguments of `SimpleQueue.get`; `None` if it may not wait.
pub(crate) fn simple_queue_arguments<'py>(
    py: Python<'py>,
    block: Given<'_, 'py>,
    timeout: Given<'_, 'py>,
) -> PyResult<Option<Deadline>> {
    if let Some(block) = block.get()
        && !host::is_true(&block)?
    {
        return Ok(None);
    }
    let Some(value) = timeout.not_none() else { return Ok(Some(Deadline::NEVER)) };
    match usual_seconds(&value) {
        Some(seconds) if seconds < 0.0 => return Err(negative()),
        Some(seconds) if seconds <= TIMEOUT_MAX => return Ok(Some(after(seconds))),
        _ => {}
    }
    let value = plain(&value)?;
    // With an item in it, so that it does not wait.
    let judge = host::call0(original_simple_queue(py)?)?;
    host::call_method(&judge, host::word!(py, "put")?, (py.None(),))?;
    host::call_method(&judge, host::word!(py, "get")?, (true, &value))?;
    Ok(Some(after(host::as_float(&value)?)))
}

fn negative() -> PyErr {
    host::error::<PyValueError>("'timeout' must be a non-negative number")
}

/// CPython's own `SimpleQueue`. First called when the module is made, before anybody replaced it.
pub(crate) fn original_simple_queue(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static ORIGINAL: Kept = Kept::new();
    ORIGINAL.get_or_make(py, || {
        host::attribute(&host::import(host::word!(py, "_queue")?)?, host::word!(py, "SimpleQueue")?)
    })
}
