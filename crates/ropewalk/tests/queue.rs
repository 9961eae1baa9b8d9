//! What each queue does when nobody else is there, and where it waits.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ropewalk::queue::{
    GetError, JoinError, LifoQueue, Order, PriorityQueue, PutError, Queue, SimpleQueue,
    TooManyTasksDone,
};
use ropewalk::wait::{Deadline, Origin, ResourceKind, threads};

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(2))
}

/// Waits until `count` threads wait for something of `kind` that was made on `line` of this file.
fn until_blocked(count: usize, kind: ResourceKind, origin: Origin) {
    let place = origin.describe();
    let end = Deadline::after(Duration::from_secs(20));
    let blocked = || {
        threads()
            .iter()
            .filter(|thread| {
                thread.look(|wait| {
                    wait.is_some_and(|w| {
                        w.what.kind() == kind && w.what.origin().describe() == place
                    })
                })
            })
            .count()
    };
    while blocked() != count {
        assert!(!end.has_passed(), "{count} thread(s) never blocked on {kind:?}");
        thread::yield_now();
    }
}

#[test]
fn limits_are_kept() {
    let queue = Queue::new(2);
    queue.try_put(1).unwrap();
    queue.put(2).unwrap();
    assert!(queue.is_full());
    assert!(matches!(queue.try_put(3), Err(PutError::Full(3))));
    assert!(matches!(queue.put_until(3, soon()), Err(PutError::Full(3))));
    queue.set_maxsize(3);
    queue.try_put(3).unwrap();
    queue.set_maxsize(0);
    assert_eq!(queue.maxsize(), 0);
    (4..100).for_each(|item| queue.try_put(item).unwrap());
    assert_eq!(queue.len(), 99);
    assert!((1..100).all(|item| queue.get().unwrap() == item));
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert!(matches!(queue.get_until(soon()), Err(GetError::Empty)));
}

#[test]
fn a_stack_gives_the_last_one_first() {
    let stack = LifoQueue::new(0);
    (0..3).for_each(|item| stack.put(item).unwrap());
    assert_eq!((stack.get().unwrap(), stack.try_get().unwrap()), (2, 1));
    assert_eq!(stack.drain(), [0]);
    assert_eq!(stack.unfinished(), 3);
}

#[test]
fn tasks_are_counted() {
    let queue = Queue::new(0);
    assert!(queue.join_until(soon()).unwrap());
    queue.put('a').unwrap();
    assert!(!queue.join_until(soon()).unwrap());
    queue.task_done().unwrap();
    queue.join().unwrap();
    assert_eq!(queue.task_done(), Err(TooManyTasksDone));
    queue.set_unfinished(-1);
    assert_eq!(queue.task_done(), Err(TooManyTasksDone));
}

#[test]
fn a_shutdown_lets_the_rest_be_got() {
    let queue = Queue::new(0);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    queue.shutdown();
    assert!(queue.is_shut_down());
    assert!(matches!(queue.put(3), Err(PutError::ShutDown(3))));
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.shutdown_now(), [2]);
    assert!(matches!(queue.get(), Err(GetError::ShutDown)));
    assert_eq!(queue.unfinished(), 1);
    queue.reopen();
    queue.put(4).unwrap();
    assert_eq!(queue.get().unwrap(), 4);
}

#[test]
fn blocked_threads_go_on() {
    let queue = Arc::new(Queue::new(1));
    let getter = thread::spawn({
        let queue = queue.clone();
        move || queue.get()
    });
    until_blocked(1, ResourceKind::QueueItem, queue.origin());
    queue.put('a').unwrap();
    assert_eq!(getter.join().unwrap().unwrap(), 'a');

    queue.put('b').unwrap();
    let putters: Vec<_> = ['c', 'd']
        .into_iter()
        .map(|item| {
            let queue = queue.clone();
            thread::spawn(move || queue.put(item))
        })
        .collect();
    until_blocked(2, ResourceKind::QueuePlace, queue.origin());
    let joiner = thread::spawn({
        let queue = queue.clone();
        move || queue.join()
    });
    until_blocked(1, ResourceKind::QueueJoin, queue.origin());
    queue.set_maxsize(3);
    for putter in putters {
        putter.join().unwrap().unwrap();
    }
    for _ in 0..3 {
        queue.get().unwrap();
        queue.task_done().unwrap();
    }
    queue.task_done().unwrap();
    joiner.join().unwrap().unwrap();
}

#[test]
fn retirement_ends_every_wait() {
    let queue = Arc::new(Queue::new(1));
    queue.put(1).unwrap();
    let putter = thread::spawn({
        let queue = queue.clone();
        move || queue.put(2)
    });
    let joiner = thread::spawn({
        let queue = queue.clone();
        move || queue.join()
    });
    until_blocked(1, ResourceKind::QueuePlace, queue.origin());
    until_blocked(1, ResourceKind::QueueJoin, queue.origin());
    let contents = queue.retire().unwrap();
    assert_eq!((contents.items, contents.unfinished, contents.maxsize), (vec![1], 1, 1));
    assert!(matches!(putter.join().unwrap(), Err(PutError::Retired(2))));
    assert!(matches!(joiner.join().unwrap(), Err(JoinError::Retired)));
    assert!(matches!(queue.try_get(), Err(GetError::Retired)));
}

#[test]
fn a_waiter_that_is_overtaken_gets_the_next_item() {
    let queue = Arc::new(Queue::new(0));
    let slow = thread::spawn({
        let queue = queue.clone();
        move || queue.get()
    });
    until_blocked(1, ResourceKind::QueueItem, queue.origin());
    // Overtake it until an item is handed to it, so that nobody else finds that one.
    let end = Deadline::after(Duration::from_secs(20));
    let mut stolen = 0;
    while !slow.is_finished() {
        assert!(!end.has_passed());
        queue.put(1).unwrap();
        stolen += usize::from(queue.try_get().is_ok());
    }
    assert_eq!(slow.join().unwrap().unwrap(), 1);
    assert!(queue.unfinished() > isize::try_from(stolen).unwrap());
}

#[test]
fn large_queues_give_their_memory_back_and_keep_their_order() {
    let queue = SimpleQueue::new();
    for _ in 0..3 {
        (0..20_000).for_each(|item| queue.put(item).unwrap());
        assert_eq!(queue.len(), 20_000);
        assert!((0..20_000).all(|item| queue.try_get().unwrap() == item));
        assert!(queue.is_empty());
    }
}

/// An item whose destructor uses the queue that it is in.
struct Reentrant(Arc<Queue<Option<Reentrant>>>, usize);

impl Drop for Reentrant {
    fn drop(&mut self) {
        if self.1 > 0 {
            let _ = self.0.try_put(None);
        }
        let _ = (self.0.len(), self.0.try_get());
    }
}

#[test]
fn destructors_of_items_may_use_the_queue() {
    let queue = Arc::new(Queue::new(3));
    for depth in 0..3 {
        let _ = queue.put(Some(Reentrant(queue.clone(), depth)));
    }
    drop(queue.shutdown_now());
    queue.reopen();
    for depth in 0..4 {
        // The fourth is full, and is dropped by us.
        drop(queue.try_put(Some(Reentrant(queue.clone(), depth))));
    }
    while let Ok(item) = queue.try_get() {
        drop(item);
    }
    assert!(queue.is_empty());
}

/// Looks at the queue from inside a comparison.
#[derive(Debug)]
struct Looking;

static LOOKED_AT: PriorityQueue<u32, Looking> =
    PriorityQueue::with_order(0, Looking, Origin::Unknown);

impl Order<u32> for Looking {
    type Error = std::convert::Infallible;
    fn less(&self, a: &u32, b: &u32) -> Result<bool, Self::Error> {
        assert!(LOOKED_AT.len() <= 10 && !LOOKED_AT.is_full());
        LOOKED_AT.try_for_each(|_| {});
        Ok(a < b)
    }
}

#[test]
fn a_comparison_may_look_at_its_queue() {
    (0..10).rev().for_each(|item| LOOKED_AT.put(item).unwrap());
    assert!((0..10).all(|item| LOOKED_AT.get().unwrap() == item));
}

/// Panics when it is compared.
#[derive(Debug)]
struct Panicking;

impl Order<u32> for Panicking {
    type Error = std::convert::Infallible;
    fn less(&self, _: &u32, _: &u32) -> Result<bool, Self::Error> {
        std::panic::resume_unwind(Box::new("compared"));
    }
}

#[test]
fn a_comparison_that_panics_leaves_the_queue_usable() {
    let queue = PriorityQueue::with_order(0, Panicking, Origin::Unknown);
    queue.put(1).unwrap();
    let put = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| queue.put(2)));
    assert!(put.is_err());
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.unfinished(), 1);
    let mut all = queue.shutdown_now().unwrap();
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
}
