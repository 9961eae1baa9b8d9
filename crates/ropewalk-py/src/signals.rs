//! Whether a signal could run code of the user.

#![forbid(unsafe_code)]

use std::ffi::c_int;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

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
        let signal = py.import("_signal")?;
        Ok(Signals {
            get: signal.getattr("getsignal")?.unbind(),
            default: signal.getattr("default_int_handler")?.unbind(),
            end: signal.getattr("NSIG")?.extract()?,
        })
    })
}

/// Whether a signal could run code of the user, other than Ctrl-C's `KeyboardInterrupt`.
pub(crate) fn user_handles_signals(py: Python<'_>) -> bool {
    let Ok(signals) = signals(py) else { return true };
    (1..signals.end).any(|number| {
        signals.get.bind(py).call1((number,)).is_ok_and(|handler| {
            // SIG_DFL and SIG_IGN are enum members, thus not callable.
            handler.is_callable()
                && !handler.is(&signals.default)
                && !handler.is_none()
                && !is_asyncios(&handler)
                // The pytest plugin's own.
                && !handler.hasattr(intern!(py, "_ropewalk_watchdog")).unwrap_or(false)
        })
    })
}

/// Whether it is the handler that `asyncio.run()` has for Ctrl-C: as Python's own it ends a wait by an
/// exception if by anything (the first time it only cancels the main task).
fn is_asyncios(handler: &Bound<'_, PyAny>) -> bool {
    let py = handler.py();
    let name = |attribute| handler.getattr(intern!(py, "func")).and_then(|f| f.getattr(attribute));
    name("__module__").is_ok_and(|name| name.eq("asyncio.runners").unwrap_or(false))
        && name("__qualname__").is_ok_and(|name| name.eq("Runner._on_sigint").unwrap_or(false))
}

/// Keeps what is needed of the module.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    signals(py).map(|_| ())
}
