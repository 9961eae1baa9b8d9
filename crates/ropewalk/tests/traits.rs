//! What the types are to the compiler, and how they show themselves.

use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};

use ropewalk::exec::{AsCompleted, Future, Submitter, ThreadPool};
use ropewalk::queue::{LifoQueue, PriorityQueue, Queue, SimpleQueue};
use ropewalk::sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore, ThreadLife,
};
use ropewalk::time::Timer;

#[test]
fn a_task_fails_into_any_error() {
    fn run<T: Send + 'static>(
        task: impl FnOnce() -> T + Send + Sync + 'static,
    ) -> Result<T, Box<dyn Error + Send + Sync>> {
        Ok(ThreadPool::new(1).submit(task)?.result()?)
    }
    assert_eq!(run(|| 1).unwrap(), 1);
    let error = run(|| resume_unwind(Box::new("out of rope"))).map(|()| 1).unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: out of rope");
    let error = run(|| resume_unwind(Box::new("out of rope".to_owned()))).map(|()| 1).unwrap_err();
    assert_eq!(format!("{error:?}"), r#"Panicked(Some("out of rope"))"#);
}

#[test]
fn what_is_shown_of_them_is_for_people() {
    let lock = Lock::new();
    lock.set_name("ledger");
    assert!(lock.try_acquire());
    assert_eq!(format!("{lock:?}"), r#"Lock { held: true, name: Some("ledger"), .. }"#);
    assert_eq!(format!("{:?}", RLock::new()), "RLock { depth: 0, name: None, .. }");
    assert_eq!(format!("{:?}", Semaphore::new(2)), "Semaphore { permits: 2, name: None, .. }");
    let seats = BoundedSemaphore::new(3);
    assert!(seats.try_acquire());
    assert_eq!(format!("{seats:?}"), "BoundedSemaphore { permits: 2, bound: 3, name: None, .. }");
    assert_eq!(format!("{:?}", Event::new()), "Event { set: false, name: None, .. }");
    assert_eq!(format!("{:?}", Condition::new()), "Condition { waiters: 0, name: None, .. }");
    assert_eq!(
        format!("{:?}", Barrier::new(2)),
        "Barrier { parties: 2, waiting: 0, broken: false, name: None, .. }"
    );
    assert_eq!(format!("{:?}", ThreadLife::new()), "ThreadLife { begun: false, ended: false, .. }");
    let queue = Queue::new(5);
    queue.put(7).unwrap();
    assert_eq!(format!("{queue:?}"), "Queue { len: 1, maxsize: 5, name: None, .. }");
    let stack = LifoQueue::<i32>::new(0);
    assert_eq!(format!("{stack:?}"), "LifoQueue { len: 0, maxsize: 0, name: None, .. }");
    let jobs = PriorityQueue::<i32>::new(0);
    assert_eq!(format!("{jobs:?}"), "PriorityQueue { len: 0, maxsize: 0, name: None, .. }");
    assert_eq!(
        format!("{:?}", SimpleQueue::<i32>::new()),
        "SimpleQueue { len: 0, name: None, .. }"
    );
}

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
