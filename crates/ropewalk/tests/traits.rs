//! What the types are to the compiler, and how they show themselves.

use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};

use ropewalk::exec::{AsCompleted, Future, Submitter, ThreadPool};
use ropewalk::queue::{LifoQueue, PriorityQueue, Queue, SimpleQueue};
use ropewalk::sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore, ThreadLife,
};
use ropewalk::time::Timer;

#[test]
fn they_may_be_used_by_all_threads_and_after_a_panic() {
    fn is<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
    // Neither safe after a panic nor of one thread by itself.
    type Item = std::cell::Cell<Box<dyn FnMut() + Send>>;
    is::<Lock>();
    is::<RLock>();
    is::<Semaphore>();
    is::<BoundedSemaphore>();
    is::<Event>();
    is::<Condition>();
    is::<Barrier>();
    is::<ThreadLife>();
    is::<Queue<Item>>();
    is::<LifoQueue<Item>>();
    is::<PriorityQueue<Item>>();
    is::<SimpleQueue<Item>>();
    is::<Timer>();
    is::<ThreadPool>();
    is::<Submitter>();
    is::<Future<Item>>();
    is::<AsCompleted<Item>>();
    let lock = Lock::new();
    assert_eq!(catch_unwind(|| lock.try_acquire()).ok(), Some(true));
}
