//! The parts of a queue that works the way of CPython: its mutex, and the conditions over it.

#![forbid(unsafe_code)]

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::condition::PyCondition;
use super::host;
use super::lock::PyLock;
use super::origin::Site;

/// `mutex`; `not_empty`, `not_full` and `all_tasks_done`.
pub(crate) type Parts<'py> = (Bound<'py, PyLock>, [Bound<'py, PyCondition>; 3]);

/// Makes them. Reports call them by the line of the queue: that of ours, where they are made, would
/// be the same for all queues.
pub(crate) fn new<'py>(py: Python<'py>, site: &Site) -> PyResult<Parts<'py>> {
    let lock = Bound::new(py, PyLock::made_at(site.again(py)))?;
    let condition = || PyCondition::part(&lock, site.again(py));
    let conditions = [condition()?, condition()?, condition()?];
    Ok((lock, conditions))
}

/// Releases a lock at the end, also of an attempt that failed.
pub(crate) struct Held<'py>(pub(crate) Bound<'py, PyLock>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Free already only if somebody else released it, which is everybody's right.
        let _ = self.0.get().core.release();
    }
}

/// The keywords of a `put` and a `get` that do not wait.
pub(crate) fn not_blocking(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let keywords = host::dict(py)?;
    host::put_in(&keywords, "block", false)?;
    Ok(keywords)
}
