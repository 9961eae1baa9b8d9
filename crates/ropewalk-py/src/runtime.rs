//! Functions of the module, and small things that several classes share.

#![forbid(unsafe_code)]

use std::ffi::CStr;

use pyo3::exceptions::{PyDeprecationWarning, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use ropewalk::{wait, watch};

use super::host;

/// `module.qualname` of an object's class, as CPython's `__repr__`s print it.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> PyResult<String> {
    let class = object.get_type();
    Ok(format!("{}.{}", class.module()?, class.qualname()?))
}

/// Has errors name the classes that CPython writes in Python as it does, without the module: that
/// is part of the name by which a class of C's is known, until somebody sets the name.
pub(crate) fn name_as_python_would(py: Python<'_>) -> PyResult<()> {
    let classes = [
        py.get_type::<super::barrier::PyBarrier>(),
        py.get_type::<super::condition::PyCondition>(),
        py.get_type::<super::event::PyEvent>(),
        py.get_type::<super::future::PyFuture>(),
        py.get_type::<super::queue_classes::PyLifoQueue>(),
        py.get_type::<super::queue_classes::PyPriorityQueue>(),
        py.get_type::<super::queue_classes::PyQueue>(),
        py.get_type::<super::semaphore::PyBoundedSemaphore>(),
        py.get_type::<super::semaphore::PySemaphore>(),
    ];
    classes.iter().try_for_each(|class| class.setattr(host::word!(py, "__name__")?, class.name()?))
}

/// An object's address as `hex(id(object))`.
pub(crate) fn address(object: &Bound<'_, PyAny>) -> String {
    format!("{:p}", object.as_ptr())
}

/// What pickling and copying an object say that has, in CPython, an unpicklable `what` inside.
pub(crate) fn cannot_pickle(what: &str) -> PyErr {
    host::error::<PyTypeError>(format!("cannot pickle '{what}' object"))
}

/// `Class[object]`.
pub(crate) fn generic_alias<'py>(
    class: &Bound<'py, PyType>,
    object: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let types = host::import(host::word!(class.py(), "types")?)?;
    host::call_method(&types, host::word!(class.py(), "GenericAlias")?, (class, object))
}

/// Warns the caller of a deprecated spelling.
pub(crate) fn deprecated(py: Python<'_>, message: &CStr) -> PyResult<()> {
    host::warn(&py.get_type::<PyDeprecationWarning>(), message)
}

/// The idents of the threads that are blocked in a primitive of Ropewalk at this moment.
///
/// For tests and tools: wait until a thread is seen here instead of sleeping.
#[pyfunction]
pub(crate) fn blocked_threads() -> Vec<usize> {
    wait::blocked_threads()
}

/// How many threads have been started and have not run yet: CPython's `_thread._count()` does not
/// know of them.
#[pyfunction]
pub(crate) fn starting_threads() -> usize {
    watch::starting_threads()
}

/// Sets what is done about deadlocks: "raise", "report" or "off".
#[pyfunction]
pub(crate) fn set_deadlock_mode(mode: &str) -> PyResult<()> {
    let mode = match mode {
        "raise" => watch::Mode::Raise,
        "report" => watch::Mode::Report,
        "off" => watch::Mode::Off,
        other => {
            return Err(host::error::<PyValueError>(format!(
                "deadlock mode must be 'raise', 'report' or 'off', not '{other}'"
            )));
        }
    };
    watch::set_mode(mode);
    Ok(())
}

/// Keeps background threads of the runtime from running Python from now on: for atexit.
#[pyfunction]
pub(crate) fn prepare_exit(py: Python<'_>) -> PyResult<()> {
    super::inspect::stop_serving();
    host::close_gate(py);
    super::error::keep_modules(py)
}

/// Gives an exception to `sys.unraisablehook`, with no word about where it comes from.
#[pyfunction]
pub(crate) fn report_unraisable(py: Python<'_>, error: Bound<'_, PyAny>) {
    host::report_unraisable(py, PyErr::from_value(error), None);
}

/// Sets the function that is called with the text of each suspected deadlock; the first one stays.
#[pyfunction]
pub(crate) fn set_reporter(function: Py<PyAny>) {
    super::reporter::set_tell(function);
}

/// Sets for how many seconds a suspected deadlock must last before it is reported (default 10).
#[pyfunction]
pub(crate) fn set_suspect_grace(seconds: f64) -> PyResult<()> {
    let grace = std::time::Duration::try_from_secs_f64(seconds)
        .map_err(|error| host::error::<PyValueError>(error.to_string()))?;
    watch::set_grace(grace);
    Ok(())
}
