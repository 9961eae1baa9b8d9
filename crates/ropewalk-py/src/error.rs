//! The one place that turns errors of the core into Python exceptions.

#![forbid(unsafe_code)]

use std::time::Duration;

use pyo3::create_exception;
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use ropewalk::queue::{GetError, JoinError, PutError, TooManyTasksDone};
use ropewalk::sync::{BarrierError, ConditionError, NotOwner, TooManyReleases};
use ropewalk::wait::Deadlock;
use ropewalk::wait::WaitError;

use super::host::{self, Kept, Several, Word};
use super::late;

create_exception!(
    ropewalk,
    DeadlockError,
    PyRuntimeError,
    "A wait that could never have ended.\n\nThe message names the threads, what each holds and \
     waits for, and shows their stacks."
);

create_exception!(threading, BrokenBarrierError, PyRuntimeError, "The barrier is broken.");

/// An error of the core on its way to Python.
#[derive(Debug)]
pub(crate) enum Error {
    Wait(WaitError),
    NotLocked,
    NotOwner,
    NotHeld(&'static str),
    TooManyReleases,
    BrokenBarrier,
    Empty,
    SimpleEmpty,
    Full,
    ShutDown,
    TooManyTasksDone,
    NoMemory,
    Python(PyErr),
}

macro_rules! from {
    ($($source:ty => $convert:expr;)*) => {
        $(impl From<$source> for Error {
            fn from(error: $source) -> Self {
                ($convert)(error)
            }
        })*
    };
}

from! {
    WaitError => Error::Wait;
    NotOwner => |_| Error::NotOwner;
    TooManyReleases => |_| Error::TooManyReleases;
    PyErr => Error::Python;
    TooManyTasksDone => |_| Error::TooManyTasksDone;
    GetError => |error: GetError| error.widen::<PyErr>().into();
    ConditionError => |error| match error {
        ConditionError::NotHeld => Error::NotHeld("cannot wait on un-acquired lock"),
        ConditionError::Wait(error) => Error::Wait(error),
    };
    BarrierError => |error| match error {
        BarrierError::Broken => Error::BrokenBarrier,
        BarrierError::Wait(error) => Error::Wait(error),
    };
}

/// A retired queue is seen by the class that retired it, not here.
const RETIRED: &str = "this queue has moved";

impl<T> From<PutError<T, PyErr>> for Error {
    fn from(error: PutError<T, PyErr>) -> Self {
        match error {
            PutError::Full(_) => Self::Full,
            PutError::ShutDown(_) => Self::ShutDown,
            PutError::NoMemory(_) => Self::NoMemory,
            PutError::Wait(_, error) => Self::Wait(error),
            PutError::Order(error) => Self::Python(error),
            _ => Self::NotHeld(RETIRED),
        }
    }
}

impl<T> From<PutError<T>> for Error {
    fn from(error: PutError<T>) -> Self {
        error.widen::<PyErr>().into()
    }
}

impl From<GetError<PyErr>> for Error {
    fn from(error: GetError<PyErr>) -> Self {
        match error {
            GetError::Empty => Self::Empty,
            GetError::ShutDown => Self::ShutDown,
            GetError::Wait(error) => Self::Wait(error),
            GetError::Order(error) => Self::Python(error),
            _ => Self::NotHeld(RETIRED),
        }
    }
}

impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Wait(error) => Self::Wait(error),
            _ => Self::NotHeld(RETIRED),
        }
    }
}

static QUEUE: Word = Word::new("ropewalk.queue");
static QUEUE_ERRORS: Word = Word::new("ropewalk._queue_errors");
static EMPTY: Word = Word::new("Empty");
static FULL: Word = Word::new("Full");
static SHUT_DOWN: Word = Word::new("ShutDown");

/// What a module has under the name of one of the exceptions of queues, without arguments.
fn queue_error(module: &Word, name: &Word) -> PyErr {
    host::attached(|py| match (module.get(py), name.get(py)) {
        (Ok(module), Ok(name)) => stdlib_error(module, name, ()),
        (Err(error), _) | (_, Err(error)) => error,
    })
}

/// One of the stdlib's own exceptions of futures.
pub(crate) fn future_error<A: for<'py> Several<'py>>(name: &str, args: A) -> PyErr {
    static FUTURES: Word = Word::new("ropewalk._futures_stock");
    host::attached(|py| match (FUTURES.get(py), host::text(py, name)) {
        (Ok(module), Ok(name)) => stdlib_error(module, &name, args),
        (Err(error), _) | (_, Err(error)) => error,
    })
}

/// The modules whose exceptions are raised, for the end of the interpreter.
static KEPT: Kept<PyDict> = Kept::new();

/// To be called when the interpreter is about to end. It empties `sys.modules` before the last
/// objects go, whose finalizers may want an exception to be raised.
pub(crate) fn keep_modules(py: Python<'_>) -> PyResult<()> {
    let modules =
        host::attribute(&host::import(host::word!(py, "sys")?)?, host::word!(py, "modules")?)?;
    let kept = host::dict(py)?;
    for name in ["ropewalk.queue", "ropewalk._queue_errors", "ropewalk._futures_stock"] {
        if let Ok(module) = modules.get_item(name) {
            kept.set_item(name, module)?;
        }
    }
    KEPT.set(kept);
    Ok(())
}

fn kept<'py>(module: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
    let py = module.py();
    KEPT.get(py)?.get_item(module).ok().flatten()
}

fn stdlib_error<'py>(
    module: &Bound<'py, PyString>,
    name: &Bound<'py, PyString>,
    args: impl Several<'py>,
) -> PyErr {
    let module = host::import(module).or_else(|error| kept(module).ok_or(error));
    let class = module.and_then(|module| host::attribute(&module, name));
    match class.and_then(|class| host::call(&class, args, None)) {
        Ok(error) => host::raise(&error),
        Err(error) => error,
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Wait(WaitError::Interrupted) => host::attached(host::pending_exception),
            Error::Wait(WaitError::Deadlock(deadlock)) => {
                host::attached(|py| host::error::<DeadlockError>(message(py, &deadlock)))
            }
            Error::NotLocked => host::error::<PyRuntimeError>("release unlocked lock"),
            Error::NotOwner => host::error::<PyRuntimeError>("cannot release un-acquired lock"),
            Error::NotHeld(message) => host::error::<PyRuntimeError>(message),
            Error::TooManyReleases => {
                host::error::<PyValueError>("Semaphore released too many times")
            }
            Error::BrokenBarrier => BrokenBarrierError::new_err(()),
            // As in CPython: what is in the module at this moment is raised by the classes that are
            // Python there, the genuine one by the class that is C.
            Error::Empty => queue_error(&QUEUE, &EMPTY),
            Error::Full => queue_error(&QUEUE, &FULL),
            Error::ShutDown => queue_error(&QUEUE, &SHUT_DOWN),
            Error::SimpleEmpty => queue_error(&QUEUE_ERRORS, &EMPTY),
            Error::TooManyTasksDone => {
                host::error::<PyValueError>("task_done() called too many times")
            }
            Error::NoMemory => PyMemoryError::new_err(()),
            Error::Python(error) => error,
        }
    }
}

/// The whole story, with stacks; the core's own short one should telling it fail.
pub(crate) fn message(py: Python<'_>, deadlock: &Deadlock) -> String {
    let tell = || -> PyResult<String> {
        let links = deadlock
            .links
            .iter()
            .map(|link| {
                let fact = host::dict(py)?;
                let waited = Duration::from_nanos(link.waited_ns).as_secs_f64();
                host::put_in(&fact, "ident", link.thread.word())?;
                host::put_in(&fact, "thread", link.thread.name().as_deref())?;
                host::put_in(&fact, "kind", link.kind.name())?;
                host::put_in(&fact, "resource", link.resource)?;
                host::put_in(&fact, "label", link.label.as_deref())?;
                host::put_in(&fact, "made_at", link.made_at.as_deref())?;
                host::put_in(&fact, "owner", link.owner)?;
                host::put_in(&fact, "waited", waited)?;
                Ok(fact)
            })
            .collect::<PyResult<Vec<_>>>()?;
        let facts = (links, deadlock.cycle, deadlock.certain);
        late::call(host::word!(py, "ropewalk._deadlock")?, host::word!(py, "describe")?, facts)?
            .extract()
    };
    tell().unwrap_or_else(|_| deadlock.to_string())
}
