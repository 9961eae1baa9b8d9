//! The classes `Queue`, `LifoQueue` and `PriorityQueue`.

#![forbid(unsafe_code)]

use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::direct::short_ways;
use super::queue::QueueBase;
use super::queue_core::Item;
use super::timeout::Given;

/// The fast methods, for each of the three classes.
macro_rules! fast_methods {
    ($class:ty) => {
        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (*_args, **_kwargs))]
            #[pyo3(text_signature = "(maxsize=0, *, name=None)")]
            fn new(
                py: Python<'_>,
                _args: &Bound<'_, PyTuple>,
                _kwargs: Option<&Bound<'_, PyDict>>,
            ) -> PyClassInitializer<Self> {
                let queue = PyClassInitializer::from(QueueBase::make(py)).add_subclass(PyQueue);
                <$class>::derived(queue)
            }

            /// Put an item into the queue.
            ///
            /// If optional args 'block' is true and 'timeout' is None (the default), block if necessary
            /// until a free slot is available. If 'timeout' is a non-negative number, it blocks at most
            /// 'timeout' seconds and raises the Full exception if no free slot was available within that
            /// time. Otherwise ('block' is false), put an item on the queue if a free slot is immediately
            /// available, else raise the Full exception ('timeout' is ignored in that case).
            ///
            /// Raises ShutDown if the queue has been shut down.
            #[pyo3(signature = (item, block=Given::NOT, timeout=Given::NOT))]
            #[pyo3(text_signature = "($self, item, block=True, timeout=None)")]
            fn put<'py>(
                slf: &Bound<'py, Self>,
                item: &Bound<'py, PyAny>,
                block: Given<'_, 'py>,
                timeout: Given<'_, 'py>,
            ) -> PyResult<()> {
                QueueBase::put(Self::base(slf), item, block, timeout)
            }

            /// Remove and return an item from the queue.
            ///
            /// If optional args 'block' is true and 'timeout' is None (the default), block if necessary
            /// until an item is available. If 'timeout' is a non-negative number, it blocks at most
            /// 'timeout' seconds and raises the Empty exception if no item was available within that time.
            /// Otherwise ('block' is false), return an item if one is immediately available, else raise the
            /// Empty exception ('timeout' is ignored in that case).
            ///
            /// Raises ShutDown if the queue has been shut down and is empty, or if the queue has been shut
            /// down immediately.
            #[pyo3(signature = (block=Given::NOT, timeout=Given::NOT))]
            #[pyo3(text_signature = "($self, block=True, timeout=None)")]
            fn get<'py>(
                slf: &Bound<'py, Self>,
                block: Given<'_, 'py>,
                timeout: Given<'_, 'py>,
            ) -> PyResult<Item> {
                QueueBase::get(Self::base(slf), block, timeout)
            }

            /// Put an item into the queue without blocking.
            ///
            /// Only enqueue the item if a free slot is immediately available. Otherwise raise the Full
            /// exception.
            fn put_nowait(
                slf: &Bound<'_, Self>,
                item: &Bound<'_, PyAny>,
            ) -> PyResult<Option<Item>> {
                QueueBase::put_nowait(Self::base(slf), item)
            }

            /// Remove and return an item from the queue without blocking.
            ///
            /// Only get an item if one is immediately available. Otherwise raise the Empty exception.
            fn get_nowait(slf: &Bound<'_, Self>) -> PyResult<Item> {
                QueueBase::get_nowait(Self::base(slf))
            }

            /// Indicate that a formerly enqueued task is complete.
            ///
            /// Used by Queue consumer threads. For each get() used to fetch a task, a subsequent call to
            /// task_done() tells the queue that the processing on the task is complete.
            ///
            /// If a join() is currently blocking, it will resume when all items have been processed
            /// (meaning that a task_done() call was received for every item that had been put() into the
            /// queue).
            ///
            /// shutdown(immediate=True) calls task_done() for each remaining item in the queue.
            ///
            /// Raises a ValueError if called more times than there were items placed in the queue.
            fn task_done(slf: &Bound<'_, Self>) -> PyResult<()> {
                QueueBase::task_done(Self::base(slf))
            }
        }
    };
}

/// Create a queue object with a given maximum size.
///
/// If maxsize is <= 0, the queue size is infinite.
#[pyclass(frozen, extends = QueueBase, subclass, module = "queue", name = "Queue")]
#[derive(Debug)]
pub(crate) struct PyQueue;

/// Variant of Queue that retrieves most recently added entries first.
#[pyclass(frozen, extends = PyQueue, subclass, module = "queue", name = "LifoQueue")]
#[derive(Debug)]
pub(crate) struct PyLifoQueue;

/// Variant of Queue that retrieves open entries in priority order (lowest first).
///
/// Entries are typically tuples of the form:  (priority number, data).
#[pyclass(frozen, extends = PyQueue, subclass, module = "queue", name = "PriorityQueue")]
#[derive(Debug)]
pub(crate) struct PyPriorityQueue;

/// One of the three classes.
trait Derived: PyClass {
    /// The part that is the same for all three.
    fn base<'a, 'py>(queue: &'a Bound<'py, Self>) -> &'a Bound<'py, QueueBase>;
    /// A new instance of this class.
    fn derived(queue: PyClassInitializer<PyQueue>) -> PyClassInitializer<Self>;
}

impl Derived for PyQueue {
    #[inline]
    fn base<'a, 'py>(queue: &'a Bound<'py, Self>) -> &'a Bound<'py, QueueBase> {
        queue.as_super()
    }
    fn derived(queue: PyClassInitializer<PyQueue>) -> PyClassInitializer<Self> {
        queue
    }
}

impl Derived for PyLifoQueue {
    #[inline]
    fn base<'a, 'py>(queue: &'a Bound<'py, Self>) -> &'a Bound<'py, QueueBase> {
        queue.as_super().as_super()
    }
    fn derived(queue: PyClassInitializer<PyQueue>) -> PyClassInitializer<Self> {
        queue.add_subclass(Self)
    }
}

impl Derived for PyPriorityQueue {
    #[inline]
    fn base<'a, 'py>(queue: &'a Bound<'py, Self>) -> &'a Bound<'py, QueueBase> {
        queue.as_super().as_super()
    }
    fn derived(queue: PyClassInitializer<PyQueue>) -> PyClassInitializer<Self> {
        queue.add_subclass(Self)
    }
}

fast_methods!(PyQueue);
fast_methods!(PyLifoQueue);
fast_methods!(PyPriorityQueue);

/// The short ways of those whose items need no comparing.
macro_rules! queue_short_ways {
    ($install:ident for $class:ty) => {
        short_ways! {
            $install for $class {
                c"put"(1) => |queue, item| {
                    QueueBase::short_put(<$class>::base(queue), item?, false)
                };
                c"get"(0) => |queue, _| QueueBase::short_get(<$class>::base(queue), false);
                c"put_nowait"(1) => |queue, item| {
                    QueueBase::short_put(<$class>::base(queue), item?, true)
                };
                c"get_nowait"(0) => |queue, _| {
                    QueueBase::short_get(<$class>::base(queue), true)
                };
                c"task_done"(0) => |queue, _| {
                    QueueBase::short_task_done(<$class>::base(queue))
                };
            }
        }
    };
}

queue_short_ways!(install_fifo_short_ways for PyQueue);
queue_short_ways!(install_lifo_short_ways for PyLifoQueue);
