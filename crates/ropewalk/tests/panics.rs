//! Code of users that panics in the middle of a wait: nothing of the wait may stay behind.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use ropewalk::exec::{Collector, Futures, Goal, Helper, ThreadPool};
use ropewalk::sync::{Condition, Lock};
use ropewalk::wait::{Deadline, current};

fn panics<R>(work: impl FnOnce() -> R) {
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
}

fn nothing_is_left() {
    assert!(current().look(|wait| wait.is_none()));
}

#[test]
fn what_releases_a_foreign_lock() {
    let condition = Condition::new();
    panics(|| condition.wait_foreign(Deadline::NEVER, || panic!("in the release")));
    assert_eq!(condition.waiters(), 0);
    assert_eq!(condition.notify_foreign(1), 0);
    nothing_is_left();
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("in the waker");
    }
}

#[test]
fn a_waker_that_a_released_lock_calls() {
    let (condition, lock) = (Condition::new(), Lock::new());
    lock.acquire().unwrap();
    let waker = Waker::from(Arc::new(Panics));
    let mut taking = Box::pin(lock.acquire_async());
    assert!(taking.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    panics(|| condition.wait(&lock));
    assert_eq!(condition.waiters(), 0);
    nothing_is_left();
}

impl Futures for Panics {
    fn count(&self) -> usize {
        1
    }
    fn helper(&self, _: usize) -> Helper<'_> {
        panic!("in the search for a deadlock");
    }
}

#[test]
fn the_futures_that_are_waited_for() {
    let _pool = ThreadPool::new(1);
    let collector = Collector::new();
    panics(|| collector.wait_until(Goal::ANY, Deadline::NEVER, &Panics));
    nothing_is_left();
    collector.add(0, false);
    let soon = Deadline::after(Duration::from_secs(10));
    assert!(collector.wait_until(Goal::ANY, soon, &Nothing).is_ok());
}

struct Nothing;

impl Futures for Nothing {
    fn count(&self) -> usize {
        0
    }
    fn helper(&self, _: usize) -> Helper<'_> {
        Helper::Unknown
    }
}
