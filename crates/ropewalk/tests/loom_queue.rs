//! The queues under loom: every order of events of two or three threads (`make loom`).
//!
//! A deadline may pass at any moment in a model, so `put_until` and `get_until` are explored with a
//! timeout at each point.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;

use ropewalk::queue::{GetError, Order, PriorityQueue, PutError, Queue, SimpleQueue};
use ropewalk::wait::{Deadline, Origin};

fn soon() -> Deadline {
    Deadline::after(std::time::Duration::from_secs(1))
}

#[test]
fn an_item_reaches_a_getter_that_waits() {
    loom::model(|| {
        let queue = Arc::new(SimpleQueue::new());
        let getter = thread::spawn({
            let queue = queue.clone();
            move || queue.get().unwrap()
        });
        queue.put(1).unwrap();
        assert_eq!(getter.join().unwrap(), 1);
    });
}

#[test]
fn two_items_reach_two_getters() {
    loom::model(|| {
        let queue = Arc::new(SimpleQueue::new());
        let getters = [0, 1].map(|_| {
            let queue = queue.clone();
            thread::spawn(move || queue.get().unwrap())
        });
        queue.put(1).unwrap();
        queue.put(2).unwrap();
        let sum: i32 = getters.into_iter().map(|getter| getter.join().unwrap()).sum();
        assert_eq!(sum, 3);
    });
}

#[test]
fn a_full_queue_lets_the_putter_in() {
    loom::model(|| {
        let queue = Arc::new(Queue::with_origin(1, Origin::Unknown));
        queue.put(1).unwrap();
        let putter = thread::spawn({
            let queue = queue.clone();
            move || queue.put(2).unwrap()
        });
        assert_eq!(queue.get().unwrap(), 1);
        assert_eq!(queue.get().unwrap(), 2);
        putter.join().unwrap();
    });
}

#[test]
fn a_timeout_loses_neither_item_nor_wake() {
    loom::model(|| {
        let queue = Arc::new(SimpleQueue::new());
        let impatient = thread::spawn({
            let queue = queue.clone();
            move || queue.get_until(soon()).ok()
        });
        let patient = thread::spawn({
            let queue = queue.clone();
            move || queue.get().unwrap()
        });
        queue.put(1).unwrap();
        // Only if the impatient one got the first one is there need for another.
        if impatient.join().unwrap().is_some() {
            queue.put(2).unwrap();
        }
        assert!(patient.join().unwrap() > 0);
        assert!(queue.is_empty());
    });
}

#[test]
fn an_impatient_putter_puts_or_keeps_its_item() {
    loom::model(|| {
        let queue = Arc::new(Queue::with_origin(1, Origin::Unknown));
        queue.put(1).unwrap();
        let putter = thread::spawn({
            let queue = queue.clone();
            move || match queue.put_until(2, soon()) {
                Ok(()) => true,
                Err(PutError::Full(2)) => false,
                Err(error) => panic!("{error}"),
            }
        });
        assert_eq!(queue.get().unwrap(), 1);
        let put = putter.join().unwrap();
        assert_eq!(queue.len(), usize::from(put));
        assert_eq!(queue.unfinished(), 1 + isize::from(put));
    });
}

#[test]
fn join_sees_the_last_task() {
    loom::model(|| {
        let queue = Arc::new(Queue::with_origin(0, Origin::Unknown));
        queue.put(1).unwrap();
        let worker = thread::spawn({
            let queue = queue.clone();
            move || {
                queue.get().unwrap();
                queue.task_done().unwrap();
            }
        });
        queue.join().unwrap();
        assert_eq!(queue.unfinished(), 0);
        worker.join().unwrap();
    });
}

#[test]
fn a_shutdown_wakes_a_getter_or_leaves_it_the_item() {
    loom::model(|| {
        let queue = Arc::new(Queue::with_origin(0, Origin::Unknown));
        let getters = [0, 1].map(|_| {
            let queue = queue.clone();
            thread::spawn(move || match queue.get() {
                Ok(item) => item,
                Err(GetError::ShutDown) => 0,
                Err(error) => panic!("{error}"),
            })
        });
        queue.put(1).unwrap();
        queue.shutdown();
        let sum: i32 = getters.into_iter().map(|getter| getter.join().unwrap()).sum();
        assert_eq!(sum, 1);
    });
}

#[test]
fn a_retirement_ends_every_wait_and_keeps_every_item() {
    loom::model(|| {
        let queue = Arc::new(Queue::with_origin(1, Origin::Unknown));
        queue.put(1).unwrap();
        let putter = thread::spawn({
            let queue = queue.clone();
            move || queue.put(2).is_ok()
        });
        let getter = thread::spawn({
            let queue = queue.clone();
            move || queue.get().is_ok()
        });
        let contents = queue.retire().unwrap();
        let put = 1 + usize::from(putter.join().unwrap());
        let got = usize::from(getter.join().unwrap());
        assert_eq!(contents.items.len(), put - got);
    });
}

/// Lets the others run while it compares.
#[derive(Debug)]
struct Slow;

impl Order<u32> for Slow {
    type Error = std::convert::Infallible;
    fn less(&self, a: &u32, b: &u32) -> Result<bool, Self::Error> {
        thread::yield_now();
        Ok(a < b)
    }
}

#[test]
fn one_thread_at_a_time_compares() {
    loom::model(|| {
        let queue = Arc::new(PriorityQueue::with_order(0, Slow, Origin::Unknown));
        queue.put(2).unwrap();
        let putters = [1, 3].map(|item| {
            let queue = queue.clone();
            thread::spawn(move || queue.put(item).unwrap())
        });
        for putter in putters {
            putter.join().unwrap();
        }
        assert_eq!([1, 2, 3].map(|_| queue.get().unwrap()), [1, 2, 3]);
    });
}

#[test]
fn a_getter_waits_for_a_comparison_and_for_an_item() {
    loom::model(|| {
        let queue = Arc::new(PriorityQueue::with_order(2, Slow, Origin::Unknown));
        queue.put(2).unwrap();
        queue.put(1).unwrap();
        let getter = thread::spawn({
            let queue = queue.clone();
            move || queue.get().unwrap()
        });
        let mine = queue.get().unwrap();
        assert_eq!(mine + getter.join().unwrap(), 3);
        assert!(queue.is_empty());
    });
}
