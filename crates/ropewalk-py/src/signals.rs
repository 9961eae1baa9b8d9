//! Whether a signal could run code of the user.

#![forbid(unsafe_code)]

use std::ffi::c_int;

use pyo3::basic::CompareOp;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::host;

/// What `user_handles_signals` needs of the module `_signal`, from before the interpreter's exit,
/// which takes the modules away.
struct Signals {
    get: Py<PyAny>,
    default: Py<PyAny>,
    end: c_int,
}

static SIGNALS: PyOnceLock<Signals> = PyOnceLock::new();

fn signals(py: Python<'_>) -> PyResult<&Signals> {
    SIGNALS.get_or_try_init(py, || {
        let signal = host::import(intern!(py, "_signal"))?;
        Ok(Signals {
            get: host::attribute(&signal, intern!(py, "getsignal"))?.unbind(),
            default: host::attribute(&signal, intern!(py, "default_int_handler"))?.unbind(),
            end: host::attribute(&signal, intern!(py, "NSIG"))?.extract()?,
        })
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
                && host::attribute(&handler, intern!(py, "_ropewalk_watchdog")).is_err()
        })
    })
}

/// Whether it is the handler that `asyncio.run()` has for Ctrl-C: as Python's own it ends a wait by an
/// exception if by anything (the first time it only cancels the main task).
fn is_asyncios(handler: &Bound<'_, PyAny>) -> bool {
    let py = handler.py();
    let is = |attribute, value| {
        host::attribute(handler, intern!(py, "func"))
            .and_then(|function| host::attribute(&function, attribute))
            .and_then(|found| host::compare(&found, CompareOp::Eq, value))
            .unwrap_or(false)
    };
    is(intern!(py, "__module__"), "asyncio.runners")
        && is(intern!(py, "__qualname__"), "Runner._on_sigint")
}

/// Keeps what is needed of the module.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    signals(py).map(|_| ())
}
