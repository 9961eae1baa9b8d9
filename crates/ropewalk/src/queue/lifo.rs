//! Last in, first out: Python's `queue.LifoQueue`.

use super::error::{GetError, JoinError, PutError, TooManyTasksDone};
use super::methods::{count_methods, queue_methods};
use super::shared::{Kinds, Shared, here};
use super::state::{Contents, Store};
use crate::primitive::const_unless_loom;
use crate::wait::ResourceKind::{LifoItem, LifoJoin, LifoPlace};
use crate::wait::{Deadline, Origin};

#[derive(Debug)]
pub(super) struct Lifo<T>(Vec<T>);

impl<T> Lifo<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// In the order of a list that is used as a stack: the last one is got first.
    pub(super) fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Out of the way of the fast path.
#[cold]
fn grow<T>(items: &mut Vec<T>) -> bool {
    items.try_reserve(1).is_ok()
}

impl<T: Send> Store for Lifo<T> {
    type Item = T;

    #[inline]
    fn reserve(&mut self) -> bool {
        self.0.len() < self.0.capacity() || grow(&mut self.0)
    }
    #[inline]
    fn push(&mut self, item: T) {
        self.0.push(item);
    }
    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
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

/// A stack between any number of threads: the item that was put last is got first.
///
/// ```
/// use ropewalk::queue::LifoQueue;
///
/// let stack = LifoQueue::new(0);
/// stack.put('a')?;
/// stack.put('b')?;
/// assert_eq!(stack.get()?, 'b');
/// assert_eq!(stack.get()?, 'a');
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Interruption
/// As [`Queue`](super::Queue).
pub struct LifoQueue<T> {
    shared: Shared<Lifo<T>>,
}

const KINDS: Kinds = [LifoItem, LifoPlace, LifoJoin];

queue_methods!(LifoQueue, Lifo, KINDS);

impl<T: Send> LifoQueue<T> {
    /// As [`Queue::shutdown`](super::Queue::shutdown).
    pub fn shutdown(&self) {
        self.shared.shut_down(false);
    }

    /// As [`Queue::shutdown_now`](super::Queue::shutdown_now); the items come bottom first.
    #[must_use = "the items are taken out"]
    pub fn shutdown_now(&self) -> Vec<T> {
        self.shared.shut_down(true).map_or_else(Vec::new, Lifo::into_vec)
    }
}

impl<T: Send> Default for LifoQueue<T> {
    /// A stack without a limit.
    #[track_caller]
    fn default() -> Self {
        Self::new(0)
    }
}
