//! `ropewalk.inspect`, and the socket at which others ask.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::path::PathBuf;

use pyo3::exceptions::{PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pythonize::{PythonizeTypes, PythonizeUnnamedMappingAdapter, pythonize_custom};
use ropewalk::{insight, wait, watch};

use super::barrier::PyBarrier;
use super::condition::PyCondition;
use super::event::PyEvent;
use super::host;
use super::late;
use super::lock::PyLock;
use super::name::Name;
use super::queue::QueueBase;
use super::queue_simple::PySimpleQueue;
use super::rlock::PyRLock;
use super::semaphore::PySemaphore;

/// Rows as tuples: the collector, which all that is made sets off, is soon done with them.
struct Rows;

impl PythonizeTypes for Rows {
    type Map = PyDict;
    type NamedMap = PythonizeUnnamedMappingAdapter<PyDict>;
    type List = PyTuple;
}

/// Everything at this moment: `ropewalk._snapshot` gives the columns their names.
#[pyfunction]
pub(crate) fn snapshot(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Ok(pythonize_custom::<Rows, _>(py, &insight::rows(&watch::snapshot()))?)
}

/// Keep the waits of threads that end and for things that go, for `report`.
#[pyfunction]
pub(crate) fn keep_ended() {
    wait::keep_ended();
}

/// What was waited for in all: `ropewalk._report` gives the columns their names.
#[pyfunction]
pub(crate) fn report(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    Ok(pythonize_custom::<Rows, _>(py, &insight::report_rows(&watch::report()))?)
}

/// Write every wait, wake and held lock into a file from now on.
#[pyfunction]
pub(crate) fn start_trace(path: &str) -> PyResult<()> {
    Ok(watch::start_trace(path.as_ref())?)
}

/// End the file; an error is one that came while it was written.
#[pyfunction]
pub(crate) fn stop_trace() -> PyResult<()> {
    Ok(watch::stop_trace()?)
}

/// Give an object a name, which reports then show. What is the stdlib's own is in no report, and
/// stays as it is.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 makes it for the call")]
pub(crate) fn set_name(thing: &Bound<'_, PyAny>, name: Name) -> PyResult<()> {
    if let Ok(lock) = thing.cast::<PyLock>() {
        lock.get().core.set_name(&name);
    } else if let Ok(lock) = thing.cast::<PyRLock>() {
        lock.get().core.set_name(&name);
    } else if let Ok(event) = thing.cast::<PyEvent>() {
        event.get().core.set_name(&name);
    } else if let Ok(semaphore) = thing.cast::<PySemaphore>() {
        semaphore.get().core.set_name(&name);
    } else if let Ok(condition) = thing.cast::<PyCondition>() {
        condition.get().set_name(&name);
    } else if let Ok(barrier) = thing.cast::<PyBarrier>() {
        barrier.get().core()?.set_name(&name);
    } else if let Ok(queue) = thing.cast::<PySimpleQueue>() {
        queue.get().core.set_name(&name);
    } else if let Ok(queue) = thing.cast::<QueueBase>() {
        QueueBase::set_name(queue, &name)?;
    } else if !is_the_stdlibs(thing) {
        let class = class_name(thing);
        return Err(host::error::<PyTypeError>(format!("not an object of Ropewalk's: {class}")));
    }
    Ok(())
}

/// What the stdlib has in the place of our classes.
const STDLIBS: [(&str, &[&str]); 4] = [
    ("_thread", &["lock", "RLock"]),
    ("threading", &["_RLock", "Condition", "Semaphore", "Event", "Barrier"]),
    ("queue", &["Queue", "_PySimpleQueue"]),
    ("_queue", &["SimpleQueue"]),
];

/// Whether a thing is of one of the stdlib's own classes: a program that runs without Ropewalk as
/// well has these then, or has made them before.
fn is_the_stdlibs(thing: &Bound<'_, PyAny>) -> bool {
    let is_one = |class: Bound<'_, PyAny>| -> PyResult<bool> {
        let class = class.cast_into::<PyType>()?;
        let (module, name) = (class.module()?, class.name()?);
        let names = STDLIBS.iter().find(|(each, _)| module == *each).map_or(&[][..], |row| row.1);
        Ok(names.iter().any(|each| name == *each))
    };
    thing.get_type().mro().iter().any(|class| is_one(class).unwrap_or(false))
}

/// The identity of a lock, and the ident of the thread that holds it, if one does.
#[pyfunction]
pub(crate) fn lock_owner(lock: &Bound<'_, PyAny>) -> PyResult<(usize, Option<usize>)> {
    if let Ok(lock) = lock.cast::<PyLock>() {
        let core = &lock.get().core;
        Ok((core.resource(), core.owner()))
    } else if let Ok(lock) = lock.cast::<PyRLock>() {
        let core = &lock.get().core;
        Ok((core.resource(), core.owner()))
    } else {
        let class = class_name(lock);
        Err(host::error::<PyTypeError>(format!(
            "no Lock, RLock or Condition of Ropewalk's: {class}"
        )))
    }
}

fn class_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string())
}

/// Has Python answer a question of somebody outside the process, on a thread that is not one of
/// Python's; `None` if the interpreter is about to exit, or does not know.
fn ask(question: &str) -> Option<String> {
    host::enter(|py| {
        let answer = || -> PyResult<Option<String>> {
            late::call(answers(py)?, host::word!(py, "answer")?, (question,))?.extract()
        };
        answer().unwrap_or_else(|error| {
            host::report_unraisable(py, error, None);
            None
        })
    })?
}

/// The name of the module that knows the answers.
fn answers(py: Python<'_>) -> PyResult<&Bound<'_, PyString>> {
    host::word!(py, "ropewalk._answers")
}

/// Begin to answer at a socket; return its path.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>) -> PyResult<OsString> {
    host::import(answers(py)?)?;
    // A text: importing `pathlib` takes longer than all the rest.
    let served = insight::serve(ask);
    served.map(PathBuf::into_os_string).map_err(|error| host::error::<PyOSError>(error.to_string()))
}

/// Begin to answer when the program starts a thread or waits.
#[pyfunction]
pub(crate) fn serve_when_needed(py: Python<'_>) -> PyResult<()> {
    // Now: each file that an import reads costs the GIL, and it may be long until a question has it again.
    host::import(answers(py)?)?;
    insight::serve_when_needed(ask);
    Ok(())
}

/// Answer no more, and remove the socket.
#[pyfunction]
pub(crate) fn stop_serving() {
    insight::stop();
}

/// The folder of the sockets of all programs of this user.
#[pyfunction]
pub(crate) fn socket_folder() -> OsString {
    insight::folder().into_os_string()
}
