//! Waiting without a thread: a place in a queue that belongs to an async task.

use std::marker::PhantomPinned;
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
    place: Option<Pin<Box<Place>>>,
}

/// The node of a task. The queue points to it: it must stay where it is, and its box must not count as
/// the only way to it, which that of an `Unpin` value does when it moves.
#[derive(Debug)]
struct Place {
    node: Node,
    _pinned: PhantomPinned,
}

// SAFETY: the node is touched under its queue's lock, or through its atomic state.
unsafe impl Send for TaskWait<'_> {}

impl<'a> TaskWait<'a> {
    pub(crate) fn new(queue: &'a WaitQueue) -> Self {
        Self { queue, place: None }
    }

    /// Whether it stands in the queue, or was notified there and has not been polled since.
    pub(crate) fn is_queued(&self) -> bool {
        self.place.is_some()
    }

    /// One turn of a future: `Ready(Some(token))` when a waker chose this task, `Ready(None)` when
    /// `validate` says that there is nothing to wait for, `Pending` otherwise.
    pub(crate) fn poll(
        &mut self,
        context: &Context<'_>,
        validate: impl FnOnce(&mut List) -> bool,
    ) -> Poll<Option<Token>> {
        if let Some(place) = &self.place {
            place.node.set_waker(context.waker());
            return match place.node.standing() {
                Standing::Notified(token) => {
                    self.place = None;
                    Poll::Ready(Some(token))
                }
                Standing::Waiting | Standing::Moved | Standing::Gone => Poll::Pending,
            };
        }
        let node = Node::new(Wake::Task(context.waker().clone()), now(), None);
        let place = Box::pin(Place { node, _pinned: PhantomPinned });
        let mut list = self.queue.lock();
        if !validate(&mut list) {
            return Poll::Ready(None);
        }
        // SAFETY: the node is pinned on the heap, and `leave` (also called by our drop) takes it
        // out of the list before it is freed.
        unsafe { list.push(self.queue, &place.node, false) };
        drop(list);
        self.place = Some(place);
        Poll::Pending
    }

    /// Gives the place up; returns the token of a wake that had already chosen it.
    pub(crate) fn leave(&mut self) -> Option<Token> {
        match self.place.take()?.node.give_up(GiveUp::Always) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Implemented twice for what is `Unpin`: then it cannot be told which one is meant.
    trait OnceUnlessUnpin<Which> {
        fn holds() -> bool {
            true
        }
    }
    impl<T> OnceUnlessUnpin<()> for T {}
    impl<T: Unpin> OnceUnlessUnpin<u8> for T {}

    #[test]
    fn a_place_stays_where_it_is() {
        assert!(<Place as OnceUnlessUnpin<_>>::holds());
    }
}
