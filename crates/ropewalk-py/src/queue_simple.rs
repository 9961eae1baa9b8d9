//! `queue.SimpleQueue`.

#![forbid(unsafe_code)]

use pyo3::Borrowed;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyTuple, PyType};
use ropewalk::queue::{GetError, SimpleQueue};
use ropewalk::wait::Deadline;

use super::direct::{self, short_ways};
use super::error::Error;
use super::host::{self, Made};
use super::name::takes_name;
use super::origin::{self, Site};
use super::queue_core::Item;
use super::queue_timeout::simple_queue_arguments;
use super::runtime::generic_alias;
use super::timeout::Given;

/// Simple, unbounded, reentrant FIFO queue.
#[pyclass(frozen, weakref, subclass, module = "_queue", name = "SimpleQueue")]
#[derive(Debug)]
pub(crate) struct PySimpleQueue {
    pub(crate) core: SimpleQueue<Item>,
    _site: Site,
}

impl PySimpleQueue {
    fn make(py: Python<'_>) -> Self {
        let site = origin::here(py);
        Self { core: SimpleQueue::with_origin(site.origin()), _site: site }
    }

    /// What is not the fast path: waits, if it may.
    #[cold]
    fn get_failed(&self, error: GetError, deadline: Option<Deadline>) -> PyResult<Item> {
        let failed = |error| match error {
            GetError::Empty => Error::SimpleEmpty,
            error => error.into(),
        };
        match (error, deadline) {
            (GetError::Empty, Some(deadline)) => {
                Ok(self.core.get_until(deadline).map_err(failed)?)
            }
            (error, _) => Err(failed(error).into()),
        }
    }

    /// Takes all items out and, the queue being unlocked, drops them.
    fn drop_items(&self) {
        let items = self.core.drain();
        if !items.is_empty() {
            host::attached(|py| host::discard_all(py, items));
        }
    }
}

#[pymethods]
impl PySimpleQueue {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*args, **kwargs), text_signature = "(*, name=None)")]
    fn new(
        class: &Bound<'_, PyType>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let py = class.py();
        if (!args.is_empty() || kwargs.is_some_and(|kwargs| !kwargs.is_empty()))
            // A subclass's own `__init__` may want them.
            && host::attribute(class, host::word!(py, "__init__")?)?
                .is(&host::attribute(&py.get_type::<PyAny>(), host::word!(py, "__init__")?)?)
        {
            let what = if args.is_empty() { "keyword" } else { "positional" };
            return Err(host::error::<PyTypeError>(format!(
                "SimpleQueue() takes no {what} arguments"
            )));
        }
        Ok(Self::make(py))
    }

    /// Put the item on the queue.
    ///
    /// The optional 'block' and 'timeout' arguments are ignored, as this method never blocks. They
    /// are provided for compatibility with the Queue class.
    #[pyo3(
        signature = (item, block=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, item, block=True, timeout=None)"
    )]
    fn put(
        &self,
        item: &Bound<'_, PyAny>,
        block: Given<'_, '_>,
        timeout: Given<'_, '_>,
    ) -> PyResult<()> {
        let _ = timeout;
        if let Some(block) = block.get() {
            host::is_true(&block)?;
        }
        self.put_nowait(item)
    }

    /// Remove and return an item from the queue.
    ///
    /// If optional args 'block' is true and 'timeout' is None (the default), block if necessary
    /// until an item is available. If 'timeout' is a non-negative number, it blocks at most
    /// 'timeout' seconds and raises the Empty exception if no item was available within that time.
    /// Otherwise ('block' is false), return an item if one is immediately available, else raise the
    /// Empty exception ('timeout' is ignored in that case).
    #[pyo3(
        signature = (block=Given::NOT, timeout=Given::NOT),
        text_signature = "($self, block=True, timeout=None)"
    )]
    fn get(&self, py: Python<'_>, block: Given<'_, '_>, timeout: Given<'_, '_>) -> PyResult<Item> {
        let given = block.get().is_some() || timeout.get().is_some();
        let deadline =
            if given { simple_queue_arguments(py, block, timeout)? } else { Some(Deadline::NEVER) };
        match self.core.try_get() {
            Ok(item) => Ok(item),
            Err(error) => self.get_failed(error, deadline),
        }
    }

    /// Put an item into the queue without blocking.
    ///
    /// This is exactly equivalent to `put(item)` and is only provided for compatibility with the
    /// Queue class.
    fn put_nowait(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.core.put(item.clone().unbind()) {
            Ok(()) => Ok(()),
            Err(error) => Err(Error::from(error).into()),
        }
    }

    /// Remove and return an item from the queue without blocking.
    ///
    /// Only get an item if one is immediately available. Otherwise raise the Empty exception.
    fn get_nowait(&self) -> PyResult<Item> {
        match self.core.try_get() {
            Ok(item) => Ok(item),
            Err(error) => self.get_failed(error, None),
        }
    }

    /// Return True if the queue is empty, False otherwise (not reliable!).
    fn empty(&self) -> bool {
        self.core.is_empty()
    }

    /// Return the approximate size of the queue (not reliable!).
    fn qsize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.core.len().made(py)
    }

    /// See PEP 585
    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, object)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut result = Ok(());
        self.core.try_for_each(|item| {
            if result.is_ok() {
                result = visit.call(item);
            }
        });
        result
    }

    fn __clear__(&self) {
        self.drop_items();
    }
}

impl Drop for PySimpleQueue {
    fn drop(&mut self) {
        self.drop_items();
    }
}

takes_name!(PySimpleQueue, PySimpleQueue::make);

short_ways! {
    install_short_ways for PySimpleQueue {
        c"put"(1) => |queue, item| short_put(queue, item?);
        c"get"(0) => |queue, _| short_get(queue);
        c"put_nowait"(1) => |queue, item| short_put(queue, item?);
        c"get_nowait"(0) => |queue, _| short_get(queue);
    }
}

#[expect(clippy::inline_always, reason = "the fast path")]
#[inline(always)]
fn short_put<'py>(
    queue: &Bound<'py, PySimpleQueue>,
    item: Borrowed<'_, 'py, PyAny>,
) -> Option<Bound<'py, PyAny>> {
    match queue.get().core.put(item.to_owned().unbind()) {
        Ok(()) => Some(direct::nothing(queue.py())),
        Err(error) => direct::not_put(queue.py(), error),
    }
}

#[expect(clippy::inline_always, reason = "the fast path")]
#[inline(always)]
fn short_get<'py>(queue: &Bound<'py, PySimpleQueue>) -> Option<Bound<'py, PyAny>> {
    queue.get().core.try_get().ok().map(|item| item.into_bound(queue.py()))
}
