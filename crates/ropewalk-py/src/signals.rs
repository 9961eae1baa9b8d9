//! Whether a signal could run code of the user.

#![forbid(unsafe_code)]

use std::ffi::c_int;

use once_cell::race::OnceBox;
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::host;

/// What `user_handles_signals` needs of the module `_signal`, from before the interpreter's exit,
/// which takes the modules away.
struct Signals {
    get: Py<PyAny>,
    default: Py<PyAny>,
    end: c_int,
}

static SIGNALS: OnceBox<Signals> = OnceBox::new();

fn signals(py: Python<'_>) -> PyResult<&Signals> {
    SIGNALS.get_or_try_init(|| {
        let signal = host::import(host::word!(py, "_signal")?)?;
        Ok(Box::new(Signals {
            get: host::attribute(&signal, host::word!(py, "getsignal")?)?.unbind(),
            default: host::attribute(&signal, host::word!(py, "default_int_handler")?)?.unbind(),
            end: host::attribute(&signal, host::word!(py, "NSIG")?)?.extract()?,
        }))
    })
}

/// Whether a signal could run code of the user, other than Ctrl-C's `KeyboardInterrupt`.
pub(crate) fn user_handles_signals(py: Python<'_>) -> bool {
    let Ok(signals) = signals(py) else { return true };
    (1..signals.end).any(|number| {
        host::call(signals.get.bind(py), (number,), None).is_ok_and(|handler| {
            // SIG_DFL and SIG_IGN are enum members, thus not callable.
            handler.is_callable()
                && !handler.is(&signals.default)
                && !handler.is_none()
                && !is_asyncios(&handler)
                // The pytest plugin's own.
                && attribute(&handler, host::word!(py, "_ropewalk_watchdog")).is_err()
        })
    })
}

/// Whether it is the handler that `asyncio.run()` has for Ctrl-C: as Python's own it ends a wait by an
/// exception if by anything (the first time it only cancels the main task).
fn is_asyncios(handler: &Bound<'_, PyAny>) -> bool {
    let py = handler.py();
    let is = |name, value| {
        attribute(handler, host::word!(py, "func"))
            .and_then(|function| attribute(&function, name))
            .and_then(|found| host::compare(&found, CompareOp::Eq, value))
            .unwrap_or(false)
    };
    is(host::word!(py, "__module__"), "asyncio.runners")
        && is(host::word!(py, "__qualname__"), "Runner._on_sigint")
}

fn attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: PyResult<&Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyAny>> {
    host::attribute(object, name?)
}

/// Keeps what is needed of the module.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    signals(py).map(|_| ())
}
