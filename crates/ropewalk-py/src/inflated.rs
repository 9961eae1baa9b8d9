//! Events and semaphores whose parts a program has touched: they have attributes then as CPython's
//! have, under a `_cond`, and the functions of `ropewalk._parts_slow` work on those.
//!
//! Whoever waits in the core is woken by the move, and goes on waiting where the state is now.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::exceptions::{PyAttributeError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::condition::PyCondition;
use super::error::Error;
use super::host;
use super::lock::PyLock;
use super::origin;
use super::queue_parts::Held;

/// Whether the state is in the instance's `__dict__`.
#[derive(Debug, Default)]
pub(crate) struct Inflated {
    is_so: AtomicBool,
    /// How many wait in the core, or are on their way from there to the condition: below 32 bits that
    /// say in which process, as those of the parent are not in the child of a fork.
    waiting: AtomicU64,
}

/// One that waits in the core; dropped when it holds the condition's lock.
pub(crate) struct Waiting<'a> {
    what: &'a Inflated,
    process: u64,
}

/// The bits that say in which process.
const PROCESS: u64 = !0 << 32;

/// What they are now.
fn process() -> u64 {
    u64::from(host::forks()) << 32
}

impl Waiting<'_> {
    /// Goes on waiting where the state is now: calls a function of `ropewalk._parts_slow` with the
    /// condition's lock held.
    pub(crate) fn go_on<'py>(
        self,
        condition: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        args: impl host::Several<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = condition.py();
        // First, as there may be no memory for it.
        let release = host::attribute(condition, host::word!(py, "release")?)?;
        host::call_method(condition, host::word!(py, "acquire")?, ())?;
        drop(self);
        let result = slow(py, name, args);
        host::discard(host::call0(&release)?);
        result
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let less = |waiting: u64| (waiting & PROCESS == self.process).then(|| waiting - 1);
        let _ = self.what.waiting.fetch_update(Ordering::Release, Ordering::Relaxed, less);
    }
}

impl Inflated {
    /// Whether it is: to be asked after what was done in the core as well.
    #[inline]
    pub(crate) fn is_so(&self) -> bool {
        // Acquire pairs with the Release in `inflate`: what it put into the `__dict__` is seen.
        self.is_so.load(Ordering::Acquire)
    }

    /// Moves the state out, once: `fill` puts it into the `__dict__`, and wakes who waits in the
    /// core. They find the condition's lock held until everything is in its place. What can fail
    /// in it comes first: then it is not moved.
    pub(crate) fn inflate<'py>(
        &self,
        object: &Bound<'py, PyAny>,
        fill: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = object.py();
        let attributes =
            host::attribute(object, host::word!(py, "__dict__")?)?.cast_into::<PyDict>()?;
        if self.is_so() {
            return Ok(attributes);
        }
        let lock = Bound::new(py, PyLock::make(py))?;
        let condition = PyCondition::part(&lock, origin::here(py))?.into_any();
        lock.get().core.acquire().map_err(Error::from)?;
        let lock = Held(lock);
        let name = host::word!(py, "_cond")?;
        let setdefault = host::word!(py, "setdefault")?;
        let first = host::call_method(&attributes, setdefault, (name, &condition))?;
        let filled = if first.is(&condition) {
            self.is_so.store(true, Ordering::Release);
            fill(&attributes).inspect_err(|_| {
                // Without memory it stays as it was.
                self.is_so.store(false, Ordering::Release);
                let _ = attributes.del_item(name);
            })
        } else {
            // Another thread is at it. Once its lock is free, all is done.
            host::call_method(&first, host::word!(py, "acquire")?, ())?;
            host::call_method(&first, host::word!(py, "release")?, ()).map(host::discard)
        };
        drop(lock);
        filled?;
        self.see_them_come(py);
        Ok(attributes)
    }

    /// To be called by one that is about to wait in the core.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        let process = process();
        let more = |waiting: u64| {
            Some(if waiting & PROCESS == process { waiting + 1 } else { process + 1 })
        };
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        Waiting { what: self, process }
    }

    /// Lets those that waited in the core come to the condition: a `notify` is for them as well.
    fn see_them_come(&self, py: Python<'_>) {
        // Acquire pairs with the Release in the drop: whoever takes the lock after that comes after
        // them.
        let nobody = process();
        // Who does not come in that time may be in a signal handler.
        host::give_way_until(py, || self.waiting.load(Ordering::Acquire) <= nobody);
    }
}

/// An attribute of one that is inflated.
pub(crate) fn part<'py>(
    object: &Bound<'py, PyAny>,
    attributes: &Bound<'py, PyDict>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    attributes.get_item(name)?.ok_or_else(|| no_part(object, name))
}

/// Deletes an attribute of one that is inflated: it has none then until somebody sets it.
pub(crate) fn delete_part<'py>(
    object: &Bound<'py, PyAny>,
    attributes: &Bound<'py, PyDict>,
    name: &Bound<'py, PyString>,
) -> PyResult<()> {
    let py = object.py();
    match host::call_method(attributes, host::word!(py, "pop")?, (name,)) {
        Ok(value) => {
            host::discard(value);
            Ok(())
        }
        Err(error) if error.is_instance_of::<PyKeyError>(py) => Err(no_part(object, name)),
        Err(error) => Err(error),
    }
}

fn no_part(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyErr {
    match object.get_type().name() {
        Ok(class) => {
            host::error::<PyAttributeError>(format!("'{class}' object has no attribute '{name}'"))
        }
        Err(error) => error,
    }
}

/// What is done in Python on one that is inflated.
pub(crate) fn slow<'py>(
    py: Python<'py>,
    name: &Bound<'py, PyString>,
    args: impl host::Several<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let module = host::import(host::word!(py, "ropewalk._parts_slow")?)?;
    host::call_method(&module, name, args)
}

/// What CPython says of the state of an instance: its attributes, and its slots.
pub(crate) fn own_state<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    host::call_method(&py.get_type::<PyAny>(), host::word!(py, "__getstate__")?, (object,))
}
