//! Waiting for a primitive from an async task: the same queues, without a thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::event::Event;
use super::lock::Lock;
use super::raw::TASK;
use super::semaphore::Semaphore;
use crate::wait::{HANDOFF, TaskWait, Token, WaitQueue};

/// What a task can wait for.
pub trait Awaitable: sealed::Rule {}

impl Awaitable for Lock {}
impl Awaitable for Semaphore {}
impl Awaitable for Event {}

pub(super) mod sealed {
    use super::{Token, WaitQueue};

    /// How a primitive is waited for. Not for other crates: it would show the queues.
    #[expect(private_interfaces, reason = "sealed: nobody outside can name it")]
    pub trait Rule {
        /// Takes it if that is possible now.
        fn take(&self) -> bool;
        /// Under the queue's lock: says in the word that somebody waits; `false`: try again.
        fn mark(&self) -> bool;
        /// Hands on a wake that was not used.
        fn hand_on(&self, token: Token);
        /// Its queue.
        fn queue(&self) -> &WaitQueue;
    }
}

#[expect(private_interfaces, reason = "sealed: nobody outside can name it")]
impl sealed::Rule for Lock {
    fn take(&self) -> bool {
        self.raw().try_acquire(TASK)
    }
    fn mark(&self) -> bool {
        self.raw().mark_parked()
    }
    fn hand_on(&self, token: Token) {
        self.raw().give_back(token);
    }
    fn queue(&self) -> &WaitQueue {
        self.raw().queue()
    }
}

/// A future that is done when it has what it waits for: made by [`Lock::acquire_async`],
/// [`Semaphore::acquire_async`] and [`Event::wait_async`].
///
/// Dropping it gives the place in the queue up; a wake that had chosen it goes to the next waiter.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a, P: Awaitable + ?Sized> {
    primitive: &'a P,
    wait: TaskWait<'a>,
}

impl<'a, P: Awaitable + ?Sized> Acquire<'a, P> {
    pub(super) fn new(primitive: &'a P) -> Self {
        Self { primitive, wait: TaskWait::new(primitive.queue()) }
    }
}

impl<P: Awaitable + ?Sized> Future for Acquire<'_, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let primitive = self.primitive;
        loop {
            if !self.wait.is_queued() && primitive.take() {
                return Poll::Ready(());
            }
            if ready!(self.wait.poll(context, |_| primitive.mark())) == Some(HANDOFF) {
                return Poll::Ready(());
            }
        }
    }
}

impl<P: Awaitable + ?Sized> Drop for Acquire<'_, P> {
    fn drop(&mut self) {
        if let Some(token) = self.wait.leave() {
            self.primitive.hand_on(token);
        }
    }
}

impl Lock {
    /// Takes the lock from an async task. The lock then belongs to no thread; release it with
    /// [`Lock::release`].
    ///
    /// ```
    /// use ropewalk::sync::Lock;
    ///
    /// async fn update(lock: &Lock) {
    ///     lock.acquire_async().await;
    ///     // ...
    ///     lock.release().unwrap();
    /// }
    /// ```
    pub fn acquire_async(&self) -> Acquire<'_, Self> {
        Acquire::new(self)
    }
}

impl Semaphore {
    /// Takes a permit from an async task.
    pub fn acquire_async(&self) -> Acquire<'_, Self> {
        Acquire::new(self)
    }
}

impl Event {
    /// Waits for the flag from an async task.
    pub fn wait_async(&self) -> Acquire<'_, Self> {
        Acquire::new(self)
    }
}
