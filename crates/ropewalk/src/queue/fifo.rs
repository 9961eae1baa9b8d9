//! First in, first out: Python's `queue.Queue`.

use std::collections::VecDeque;

use super::error::{GetError, JoinError, PutError, TooManyTasksDone};
use super::methods::{count_methods, queue_methods};
use super::shared::{Kinds, Shared, here};
use super::state::{Contents, Store};
use crate::primitive::const_unless_loom;
use crate::wait::ResourceKind::{QueueItem, QueueJoin, QueuePlace};
use crate::wait::{Deadline, Origin};

#[derive(Debug)]
pub(super) struct Fifo<T>(VecDeque<T>);

impl<T> Fifo<T> {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.0.into()
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Out of the way of the fast path.
#[cold]
fn grow<T>(items: &mut VecDeque<T>) -> bool {
    items.try_reserve(1).is_ok()
}

impl<T: Send> Store for Fifo<T> {
    type Item = T;

    #[inline]
    fn reserve(&mut self) -> bool {
        self.0.len() < self.0.capacity() || grow(&mut self.0)
    }
    #[inline]
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn split(&mut self, kept: usize) -> Self {
        let mut rest = std::mem::take(&mut self.0);
        self.0.extend(rest.drain(..kept.min(rest.len())));
        Self(rest)
    }
    #[inline]
    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// A queue between any number of threads: items are got in the order in which they were put.
///
/// It may have a limit, counts unfinished tasks for [`join`](Queue::join) and can be shut down.
/// Without contention an operation is one short lock around a ring buffer; nobody is woken unless
/// somebody waits.
///
/// ```
/// use ropewalk::queue::{GetError, Queue};
///
/// static JOBS: Queue<u32> = Queue::new(10);
///
/// let worker = std::thread::spawn(|| {
///     let mut sum = 0;
///     while let Ok(job) = JOBS.get() {
///         sum += job;
///         JOBS.task_done().unwrap();
///     }
///     sum
/// });
/// for job in 1..=100 {
///     JOBS.put(job)?; // waits while ten jobs are waiting
/// }
/// JOBS.join()?; // all of them are done
/// JOBS.shutdown(); // the worker's `get` fails
/// assert_eq!(worker.join().unwrap(), 5050);
/// assert!(matches!(JOBS.try_get(), Err(GetError::ShutDown)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Interruption
/// A blocked `put`, `get` or `join` runs the host's signal handlers and ends if one of them raised;
/// no item is then put, taken or lost: a wake that crossed the exception goes to the next waiter.
/// In the child of a [fork](crate::fork) the items are those that were there, and nobody waits.
pub struct Queue<T> {
    shared: Shared<Fifo<T>>,
}

const KINDS: Kinds = [QueueItem, QueuePlace, QueueJoin];

queue_methods!(Queue, Fifo, KINDS);

impl<T: Send> Queue<T> {
    /// Shuts the queue down: no more puts, and no more gets once it is empty. Everybody who waits
    /// in vain is woken.
    pub fn shutdown(&self) {
        self.shared.shut_down(false);
    }

    /// Shuts the queue down and takes all items out, which count as done tasks.
    #[must_use = "the items are taken out"]
    pub fn shutdown_now(&self) -> Vec<T> {
        self.shared.shut_down(true).map_or_else(Vec::new, Fifo::into_vec)
    }
}

impl<T: Send> Default for Queue<T> {
    /// A queue without a limit.
    #[track_caller]
    fn default() -> Self {
        Self::new(0)
    }
}
