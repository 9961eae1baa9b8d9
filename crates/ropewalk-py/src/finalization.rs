//! Waits in the thread that finalizes the interpreter, after it has ended all others.
//!
//! `__del__` methods run then, and no other thread of Python's can run again: what they wait for
//! without a timeout is a hang. CPython says so for `join()` from 3.14 on and for its locks, and so
//! for all that it makes of them, from 3.15 on; here such a wait is refused on every version.
//! A wait with a timeout ends by itself, so it is refused only where CPython does it.

#![forbid(unsafe_code)]

use once_cell::race::OnceBox;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use ropewalk::wait::{Deadline, ResourceKind};

use super::host;

/// `sys.is_finalizing` and the exception's class, from when modules can still be imported.
static TOOLS: OnceBox<(Py<PyAny>, Py<PyType>)> = OnceBox::new();

/// Called when the module is made.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    TOOLS.get_or_try_init(|| {
        let sys = host::import(host::word!(py, "sys")?)?;
        let is_finalizing = host::attribute(&sys, host::word!(py, "is_finalizing")?)?.unbind();
        // New in CPython 3.13; its base class is there before.
        let builtins = host::import(host::word!(py, "builtins")?)?;
        let error =
            match host::attribute_opt(&builtins, host::word!(py, "PythonFinalizationError")?)? {
                Some(error) => error.cast_into::<PyType>()?,
                None => py.get_type::<PyRuntimeError>(),
            };
        Ok::<_, PyErr>(Box::new((is_finalizing, error.unbind())))
    })?;
    Ok(())
}

/// The exception for a wait that must not begin, if it must not.
pub(crate) fn refusal(py: Python<'_>, what: ResourceKind, deadline: Deadline) -> Option<PyErr> {
    if host::gate_is_open() {
        return None;
    }
    let (is_finalizing, error) = TOOLS.get()?;
    if !host::call0(is_finalizing.bind(py)).is_ok_and(|it| host::is_true(&it).unwrap_or(false)) {
        return None;
    }
    let (since, words) = match what {
        ResourceKind::Thread | ResourceKind::Timer => {
            ((3, 14), "cannot join thread at interpreter shutdown")
        }
        _ => ((3, 15), "cannot acquire lock at interpreter finalization"),
    };
    if !deadline.is_never() && py.version_info() < since {
        return None;
    }
    Some(PyErr::from_type(error.bind(py).clone(), words))
}
