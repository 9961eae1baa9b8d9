//! Futures that have moved out of the core: see `future.rs`.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::condition::PyCondition;
use super::error::Error;
use super::future::{MOVED, Outcome, PyFuture};
use super::host::{self, Kept};
use super::rlock::PyRLock;
use super::room::Room;

/// CPython's own `Future`, whose methods work on instances that have moved.
fn stock(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static STOCK: Kept = Kept::new();
    STOCK.get_or_make(py, || {
        let module = host::import(host::word!(py, "ropewalk._futures_stock")?)?;
        host::attribute(&module, host::word!(py, "Future")?)
    })
}

/// Calls a method of CPython's own.
pub(crate) fn slow<'py>(
    future: &Bound<'py, PyFuture>,
    name: &Bound<'py, PyString>,
    args: impl host::Several<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    PyFuture::move_out(future)?;
    host::call_method(stock(future.py())?, name, args)
}

/// Calls a function of `ropewalk._futures_stock`, which tells CPython's log.
pub(crate) fn log<'py>(name: &Bound<'py, PyString>, args: impl host::Several<'py>) -> PyResult<()> {
    let module = host::import(host::word!(name.py(), "ropewalk._futures_stock")?)?;
    host::call_method(&module, name, args).map(host::discard)
}

/// Whether ours has the stdlib's name, so that there is no other class of futures.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Says whether ours has the stdlib's name.
#[pyfunction]
#[pyo3(name = "_set_installed")]
pub(crate) fn set_installed(installed: bool) {
    INSTALLED.store(installed, Ordering::Relaxed);
}

impl PyFuture {
    /// What `__class__` says.
    pub(crate) fn class_of<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, class) = (slf.py(), slf.get_type());
        if INSTALLED.load(Ordering::Relaxed) {
            return Ok(class.into_any());
        }
        let module = host::import(host::word!(py, "ropewalk._futures_stock")?)?;
        host::call_method(&module, host::word!(py, "class_of")?, (class, "_base.Future"))
    }

    /// Moves state and outcome into the instance's `__dict__`, once.
    pub(crate) fn move_out(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        // Acquire as in `is_fast`.
        if this.mode.load(Ordering::Acquire) == MOVED {
            return Ok(());
        }
        let py = slf.py();
        let lock = Bound::new(py, PyRLock::make(py))?;
        let condition = host::call(&py.get_type::<PyCondition>(), (&lock,), None)?;
        let attributes =
            host::attribute(slf, host::word!(py, "__dict__")?)?.cast_into::<PyDict>()?;
        let mut count = 0;
        this.cell.try_visit(|_| {}, |_| count += 1);
        let callbacks = Room::list(py, count)?;
        // Held until everything is in its place: who finds it waits for that.
        lock.get().core.acquire().map_err(Error::from)?;
        let lock = Held(lock);
        let first = host::call_method(
            &attributes,
            host::word!(py, "setdefault")?,
            (host::word!(py, "_condition")?, &condition),
        )?;
        if !first.is(&condition) {
            // Another thread is at it. Once its lock is free, all is done.
            drop(lock);
            host::call_method(&first, host::word!(py, "acquire")?, ())?;
            host::call_method(&first, host::word!(py, "release")?, ())?;
            return Ok(());
        }
        let none = || py.None().into_bound(py);
        let parts = || {
            host::put_in(&attributes, "_waiters", host::list::<Py<PyAny>>(py, [])?)?;
            host::put_in(&attributes, "_done_callbacks", callbacks.object())?;
            host::put_in(&attributes, "_result", none())?;
            host::put_in(&attributes, "_exception", none())?;
            host::put_in(&attributes, "_state", this.cell.state().name())?;
            PyResult::Ok((host::text(py, "_result")?, host::text(py, "_exception")?))
        };
        let (result, exception) = parts().inspect_err(|_| {
            // Without memory it stays as it was.
            for name in PARTS {
                let _ = attributes.del_item(name);
            }
        })?;
        // Release pairs with the Acquire in `is_fast`.
        this.mode.store(MOVED, Ordering::Release);
        // Those that are woken find the condition's lock held.
        if let Ok(fired) = this.cell.finish(Outcome::Moved) {
            return callbacks.fill(fired.into_iter().map(|callback| callback.into_bound(py)));
        }
        // It has ended: its callbacks have been called.
        let emptied = callbacks.fill([]);
        match this.cell.replace_outcome(Some(Outcome::Moved)) {
            Some(Outcome::Value(value)) => attributes.set_item(result, value)?,
            Some(Outcome::Error(error)) => attributes.set_item(exception, error)?,
            // Cancelled; who collects it looks at it again.
            _ => drop(this.cell.start()),
        }
        emptied
    }
}

/// What a future that is moved has in its `__dict__`; the condition goes last.
const PARTS: [&str; 6] =
    ["_waiters", "_done_callbacks", "_result", "_exception", "_state", "_condition"];

/// Releases a condition's lock at the end.
struct Held<'py>(Bound<'py, PyRLock>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = self.0.get().core.release();
    }
}

/// Whether an exception is one: before CPython 3.14 one that is false is not.
pub(super) fn counts(error: &Bound<'_, PyAny>) -> PyResult<bool> {
    if error.py().version_info() >= (3, 14) { Ok(!error.is_none()) } else { host::is_true(error) }
}

/// Whether a class has an `__init__` of its own: ours has none.
pub(super) fn has_init(class: &Bound<'_, PyType>) -> PyResult<bool> {
    let name = host::word!(class.py(), "__init__")?;
    let object = class.py().get_type::<PyAny>();
    Ok(!host::attribute(class, name)?.is(&host::attribute(&object, name)?))
}

/// What CPython's `__init__` says of arguments.
pub(super) fn takes_no_arguments(
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    if let Some((name, _)) = kwargs.and_then(|kwargs| kwargs.iter().next()) {
        return Err(host::error::<PyTypeError>(format!(
            "Future.__init__() got an unexpected keyword argument '{name}'"
        )));
    }
    if !args.is_empty() {
        let given = args.len() + 1;
        return Err(host::error::<PyTypeError>(format!(
            "Future.__init__() takes 1 positional argument but {given} were given"
        )));
    }
    Ok(())
}
