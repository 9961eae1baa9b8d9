//! What a call costs at least: methods of every shape that the primitives have, which do nothing.
//!
//! The benchmarks measure them beside the real ones.

#![forbid(unsafe_code)]

use pyo3::prelude::*;

use super::timeout::Given;

/// Does nothing, in every shape of call: the floor of the benchmarks.
#[pyclass(frozen, module = "ropewalk._ropewalk", name = "_Floor")]
#[derive(Debug)]
pub(crate) struct Floor;

#[expect(clippy::unused_self, reason = "the shape of a method is what is measured")]
#[pymethods]
impl Floor {
    #[new]
    fn new() -> Self {
        Self
    }

    /// `acquire()`, `get()`.
    #[pyo3(signature = (_blocking=Given::NOT, _timeout=Given::NOT))]
    fn acquire(&self, _blocking: Given<'_, '_>, _timeout: Given<'_, '_>) -> bool {
        true
    }

    /// `release()`, `set()`.
    fn release(&self) {}

    /// `put(item)`.
    #[pyo3(signature = (_item, _block=Given::NOT, _timeout=Given::NOT))]
    fn put(&self, _item: &Bound<'_, PyAny>, _block: Given<'_, '_>, _timeout: Given<'_, '_>) {}

    /// `get()`.
    #[pyo3(signature = (_block=Given::NOT, _timeout=Given::NOT))]
    fn get(&self, py: Python<'_>, _block: Given<'_, '_>, _timeout: Given<'_, '_>) -> Py<PyAny> {
        py.None()
    }

    fn __enter__(&self) -> bool {
        true
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
    }
}
