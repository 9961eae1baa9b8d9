//! Waiting without a thread: a place in a queue that belongs to an async task.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::queue::{GiveUp, List, Node, Standing, Token, WaitQueue, Wake};
use crate::primitive::now;

/// A task's place in a queue, for building futures on.
///
/// Dropping it gives the place up; a wake that had chosen it already is handed on through the
/// `give_back` of its maker ([`TaskWait::leave`]).
#[derive(Debug)]
pub(crate) struct TaskWait<'a> {
    queue: &'a WaitQueue,
    node: Option<Pin<Box<Node>>>,
}

// SAFETY: the node is touched under its queue's lock, or through its atomic state.
unsafe impl Send for TaskWait<'_> {}

impl<'a> TaskWait<'a> {
    pub(crate) fn new(queue: &'a WaitQueue) -> Self {
        Self { queue, node: None }
    }

    /// Whether it stands in the queue, or was notified there and has not been polled since.
    pub(crate) fn is_queued(&self) -> bool {
        self.node.is_some()
    }

    /// One turn of a future: `Ready(Some(token))` when a waker chose this task, `Ready(None)` when
    /// `validate` says that there is nothing to wait for, `Pending` otherwise.
    pub(crate) fn poll(
        &mut self,
        context: &Context<'_>,
        validate: impl FnOnce(&mut List) -> bool,
    ) -> Poll<Option<Token>> {
        if let Some(node) = &self.node {
            node.set_waker(context.waker());
            return match node.standing() {
                Standing::Notified(token) => {
                    self.node = None;
                    Poll::Ready(Some(token))
                }
                Standing::Waiting | Standing::Moved | Standing::Gone => Poll::Pending,
            };
        }
        let node = Box::pin(Node::new(Wake::Task(context.waker().clone()), now(), None));
        let mut list = self.queue.lock();
        if !validate(&mut list) {
            return Poll::Ready(None);
        }
        // SAFETY: the node is pinned on the heap, and `leave` (also called by our drop) takes it
        // out of the list before it is freed.
        unsafe { list.push(self.queue, &node, false) };
        drop(list);
        self.node = Some(node);
        Poll::Pending
    }

    /// Gives the place up; returns the token of a wake that had already chosen it.
    pub(crate) fn leave(&mut self) -> Option<Token> {
        match self.node.take()?.give_up(GiveUp::Always) {
            Standing::Notified(token) => Some(token),
            Standing::Waiting | Standing::Moved | Standing::Gone => None,
        }
    }
}

impl Drop for TaskWait<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
