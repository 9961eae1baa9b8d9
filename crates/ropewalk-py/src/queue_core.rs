//! The three queues of the core as one, for Python objects.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::sync::Arc;

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use ropewalk::queue::{
    Contents, GetError, JoinError, LifoQueue, Order, PriorityQueue, PutError, Queue,
    TooManyTasksDone,
};
use ropewalk::wait::{Deadline, Origin, WaitError};

use super::host;

pub(crate) type Item = Py<PyAny>;
pub(crate) type PutFailed = PutError<Item, PyErr>;
pub(crate) type GetFailed = GetError<PyErr>;

/// Python's `<`.
#[derive(Debug)]
pub(crate) struct Less;

impl Order<Item> for Less {
    type Error = PyErr;

    fn less(&self, a: &Item, b: &Item) -> PyResult<bool> {
        host::attached(|py| host::compare(a.bind(py), CompareOp::Lt, b.bind(py)))
    }
}

#[derive(Debug)]
pub(crate) enum Core {
    Fifo(Queue<Item>),
    Lifo(LifoQueue<Item>),
    Priority(PriorityQueue<Item, Less>),
}

/// Calls the same method on whichever queue it is.
macro_rules! each {
    ($core:expr, $queue:ident => $call:expr) => {
        match $core {
            Core::Fifo($queue) => $call,
            Core::Lifo($queue) => $call,
            Core::Priority($queue) => $call,
        }
    };
}

impl Core {
    /// A queue of the kind `fifo`, `lifo` or `priority`.
    pub(crate) fn new(kind: &str, maxsize: usize, origin: Origin) -> Option<Self> {
        Some(match kind {
            "fifo" => Self::Fifo(Queue::with_origin(maxsize, origin)),
            "lifo" => Self::Lifo(LifoQueue::with_origin(maxsize, origin)),
            "priority" => Self::Priority(PriorityQueue::with_order(maxsize, Less, origin)),
            _ => return None,
        })
    }

    #[expect(clippy::inline_always, reason = "the fast path, whose result goes through no memory")]
    #[inline(always)]
    pub(crate) fn try_put(&self, item: Item) -> Result<(), PutFailed> {
        match self {
            Self::Fifo(queue) => queue.try_put(item).map_err(put_failed),
            Self::Lifo(queue) => queue.try_put(item).map_err(put_failed),
            Self::Priority(queue) => queue.try_put(item),
        }
    }

    pub(crate) fn put_until(&self, item: Item, deadline: Deadline) -> Result<(), PutFailed> {
        match self {
            Self::Fifo(queue) => queue.put_until(item, deadline).map_err(put_failed),
            Self::Lifo(queue) => queue.put_until(item, deadline).map_err(put_failed),
            Self::Priority(queue) => queue.put_until(item, deadline),
        }
    }

    #[expect(clippy::inline_always, reason = "the fast path, whose result goes through no memory")]
    #[inline(always)]
    pub(crate) fn try_get(&self) -> Result<Item, GetFailed> {
        match self {
            Self::Fifo(queue) => queue.try_get().map_err(get_failed),
            Self::Lifo(queue) => queue.try_get().map_err(get_failed),
            Self::Priority(queue) => queue.try_get(),
        }
    }

    pub(crate) fn get_until(&self, deadline: Deadline) -> Result<Item, GetFailed> {
        match self {
            Self::Fifo(queue) => queue.get_until(deadline).map_err(get_failed),
            Self::Lifo(queue) => queue.get_until(deadline).map_err(get_failed),
            Self::Priority(queue) => queue.get_until(deadline),
        }
    }

    #[inline]
    pub(crate) fn task_done(&self) -> Result<(), TooManyTasksDone> {
        each!(self, queue => queue.task_done())
    }

    pub(crate) fn join(&self) -> Result<(), JoinError> {
        each!(self, queue => queue.join())
    }

    pub(crate) fn set_name(&self, name: &str) {
        each!(self, queue => queue.set_name(name));
    }

    pub(crate) fn name(&self) -> Option<Arc<str>> {
        each!(self, queue => queue.name())
    }

    pub(crate) fn len(&self) -> usize {
        each!(self, queue => queue.len())
    }

    pub(crate) fn is_full(&self) -> bool {
        each!(self, queue => queue.is_full())
    }

    pub(crate) fn maxsize(&self) -> usize {
        each!(self, queue => queue.maxsize())
    }

    pub(crate) fn set_maxsize(&self, maxsize: usize) {
        each!(self, queue => queue.set_maxsize(maxsize));
    }

    pub(crate) fn unfinished(&self) -> isize {
        each!(self, queue => queue.unfinished())
    }

    pub(crate) fn set_unfinished(&self, tasks: isize) {
        each!(self, queue => queue.set_unfinished(tasks));
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        each!(self, queue => queue.is_shut_down())
    }

    pub(crate) fn reopen(&self) {
        each!(self, queue => queue.reopen());
    }

    pub(crate) fn is_retired(&self) -> bool {
        each!(self, queue => queue.is_retired())
    }

    /// Shuts it down; returns the items that were in it, to be dropped, if `immediate`.
    pub(crate) fn shut_down(&self, immediate: bool) -> Result<Vec<Item>, WaitError> {
        if !immediate {
            each!(self, queue => queue.shutdown());
            return Ok(Vec::new());
        }
        match self {
            Self::Fifo(queue) => Ok(queue.shutdown_now()),
            Self::Lifo(queue) => Ok(queue.shutdown_now()),
            Self::Priority(queue) => queue.shutdown_now(),
        }
    }

    pub(crate) fn retire(&self) -> Result<Option<Contents<Item>>, WaitError> {
        match self {
            Self::Fifo(queue) => Ok(queue.retire()),
            Self::Lifo(queue) => Ok(queue.retire()),
            Self::Priority(queue) => queue.retire(),
        }
    }

    pub(crate) fn drain(&self) -> Vec<Item> {
        each!(self, queue => queue.drain())
    }

    pub(crate) fn try_for_each(&self, look: impl FnMut(&Item)) {
        each!(self, queue => queue.try_for_each(look));
    }
}

#[cold]
fn put_failed(error: PutError<Item, Infallible>) -> PutFailed {
    error.widen()
}

#[cold]
fn get_failed(error: GetError<Infallible>) -> GetFailed {
    error.widen()
}
