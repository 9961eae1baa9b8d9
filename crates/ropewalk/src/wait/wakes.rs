//! Waiters that were notified and must still be woken, after their queue is unlocked.

use super::ended::is_exact;
use super::queue::Wake;
use super::runtime::{observer, sched};
use super::{herd, owed, panics};

/// A waiter that was notified and must still be woken, after the queue is unlocked.
#[derive(Debug)]
#[must_use = "a notified waiter sleeps until it is woken"]
pub(crate) struct Woken(pub(super) Option<Wake>);

impl Woken {
    pub(crate) fn wake(self) {
        match self.0 {
            Some(Wake::Thread(thread)) => {
                if is_exact() {
                    observer().wakes(&thread);
                }
                owed::wake(thread);
            }
            // A waker is somebody else's code: it may want the host's lock.
            Some(Wake::Task(waker)) => waker.wake(),
            None => {}
        }
    }

    /// As `wake`, whatever the calling thread does next.
    pub(super) fn wake_now(self) {
        match self.0 {
            Some(Wake::Thread(thread)) => {
                if is_exact() {
                    observer().wakes(&thread);
                }
                sched().wake(&thread.parker);
            }
            other => Self(other).wake(),
        }
    }
}

/// Several of them. A single one, which is the usual case, needs no memory.
#[derive(Debug, Default)]
pub(crate) struct WakeList {
    first: Option<Woken>,
    more: Vec<Woken>,
}

impl WakeList {
    pub(crate) fn push(&mut self, woken: Woken) {
        if self.first.is_none() {
            self.first = Some(woken);
        } else {
            self.more.push(woken);
        }
    }

    #[inline]
    pub(crate) fn wake(self) {
        if let Some(first) = self.first {
            if self.more.is_empty() {
                first.wake();
            } else {
                wake_all(first, self.more);
            }
        }
    }
}

/// Wakes several: threads first, as the wakers of tasks are somebody else's code.
fn wake_all(first: Woken, more: Vec<Woken>) {
    let mut tasks = Vec::new();
    let mut threads = Vec::new();
    for woken in std::iter::once(first).chain(more) {
        match woken.0 {
            Some(Wake::Task(waker)) => tasks.push(waker),
            Some(Wake::Thread(thread)) => {
                if is_exact() {
                    observer().wakes(&thread);
                }
                threads.push(thread);
            }
            None => {}
        }
    }
    herd::keep_a_few(&mut threads);
    for thread in threads {
        sched().wake(&thread.parker);
    }
    // One that panics does not keep the others from being woken: they were notified.
    panics::all(tasks.into_iter().map(|waker| || waker.wake()));
}
