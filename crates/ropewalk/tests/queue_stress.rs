//! Many threads on each queue, invariants checked at the end. Also run by ThreadSanitizer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ropewalk::queue::{
    GetError, LifoQueue, Natural, Order, PriorityQueue, PutError, Queue, SimpleQueue,
};
use ropewalk::wait::{Deadline, Origin};

const PRODUCERS: usize = 3;
const CONSUMERS: usize = 3;
const EACH: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };
const ALL: usize = PRODUCERS * EACH;

/// The four queues under one name.
trait AnyQueue: Send + Sync + 'static {
    fn put(&self, item: usize, deadline: Deadline) -> Result<(), PutError<usize>>;
    fn get(&self, deadline: Deadline) -> Result<usize, GetError>;
    fn len(&self) -> usize;
}

macro_rules! any_queue {
    ($queue:ty) => {
        impl AnyQueue for $queue {
            fn put(&self, item: usize, deadline: Deadline) -> Result<(), PutError<usize>> {
                self.put_until(item, deadline)
            }
            fn get(&self, deadline: Deadline) -> Result<usize, GetError> {
                self.get_until(deadline)
            }
            fn len(&self) -> usize {
                self.len()
            }
        }
    };
}
any_queue!(Queue<usize>);
any_queue!(LifoQueue<usize>);
any_queue!(PriorityQueue<usize>);

impl AnyQueue for SimpleQueue<usize> {
    fn put(&self, item: usize, _deadline: Deadline) -> Result<(), PutError<usize>> {
        SimpleQueue::put(self, item)
    }
    fn get(&self, deadline: Deadline) -> Result<usize, GetError> {
        self.get_until(deadline)
    }
    fn len(&self) -> usize {
        self.len()
    }
}

fn start<R: Send + 'static>(
    count: usize,
    work: impl Fn(usize) -> R + Send + Sync + 'static,
) -> Vec<thread::JoinHandle<R>> {
    let work = Arc::new(work);
    (0..count)
        .map(|i| {
            let work = work.clone();
            thread::spawn(move || work(i))
        })
        .collect()
}

/// None at all, or a few microseconds.
fn patience(round: usize) -> Deadline {
    match round % 4 {
        0 => Deadline::NEVER,
        n => Deadline::after(Duration::from_micros((n * round % 60) as u64)),
    }
}

/// Every item that is put is got once.
fn every_item_arrives_once(queue: impl AnyQueue) {
    let queue = Arc::new(queue);
    let got = Arc::new(AtomicUsize::new(0));
    let producers = start(PRODUCERS, {
        let queue = queue.clone();
        move |i| {
            for round in 0..EACH {
                let mut item = i * EACH + round;
                while let Err(error) = queue.put(item, patience(round + i)) {
                    assert!(matches!(error, PutError::Full(_)), "{error}");
                    item = error.into_item().unwrap();
                }
            }
        }
    });
    let consumers = start(CONSUMERS, {
        let queue = queue.clone();
        move |i| {
            let mut mine = Vec::new();
            // Who may still get one takes a ticket, so that nobody waits for more than there are.
            while got.fetch_add(1, Ordering::Relaxed) < ALL {
                let item = loop {
                    match queue.get(patience(mine.len() + i)) {
                        Ok(item) => break item,
                        Err(error) => assert!(matches!(error, GetError::Empty), "{error}"),
                    }
                };
                mine.push(item);
            }
            mine
        }
    });
    for thread in producers {
        thread.join().unwrap();
    }
    let items: Vec<_> = consumers.into_iter().flat_map(|t| t.join().unwrap()).collect();
    assert_eq!(items.len(), ALL);
    assert_eq!(items.into_iter().collect::<BTreeSet<_>>().len(), ALL);
    assert_eq!(queue.len(), 0);
}

#[test]
fn queue_hands_over_every_item() {
    every_item_arrives_once(Queue::new(0));
}

#[test]
fn queue_of_one_place_hands_over_every_item() {
    every_item_arrives_once(Queue::new(1));
}

#[test]
fn queue_of_three_places_hands_over_every_item() {
    every_item_arrives_once(Queue::new(3));
}

#[test]
fn stack_hands_over_every_item() {
    every_item_arrives_once(LifoQueue::new(2));
}

#[test]
fn priority_queue_hands_over_every_item() {
    every_item_arrives_once(PriorityQueue::new(0));
}

#[test]
fn priority_queue_of_two_places_hands_over_every_item() {
    every_item_arrives_once(PriorityQueue::new(2));
}

#[test]
fn simple_queue_hands_over_every_item() {
    every_item_arrives_once(SimpleQueue::new());
}

#[test]
fn each_producers_items_come_in_order() {
    let queue = Arc::new(Queue::new(5));
    let producers = start(PRODUCERS, {
        let queue = queue.clone();
        move |i| (0..EACH).for_each(|round| queue.put((i, round)).unwrap())
    });
    let mut next = [0; PRODUCERS];
    for _ in 0..ALL {
        let (producer, round) = queue.get().unwrap();
        assert_eq!(round, next[producer]);
        next[producer] += 1;
        assert!(queue.len() <= 5);
    }
    for thread in producers {
        thread.join().unwrap();
    }
    assert!(queue.is_empty());
}

#[test]
fn join_returns_when_everything_is_done() {
    let queue = Arc::new(Queue::new(4));
    let done = Arc::new(AtomicUsize::new(0));
    let workers = start(CONSUMERS, {
        let (queue, done) = (queue.clone(), done.clone());
        move |_| {
            while queue.get().is_ok() {
                done.fetch_add(1, Ordering::Relaxed);
                queue.task_done().unwrap();
            }
        }
    });
    for batch in 1..=EACH / 10 {
        (0..10).for_each(|item| queue.put(item).unwrap());
        let joiners = start(usize::from(batch % 16 == 0), {
            let queue = queue.clone();
            move |_| queue.join().unwrap()
        });
        queue.join().unwrap();
        assert_eq!(done.load(Ordering::Relaxed), batch * 10);
        for thread in joiners {
            thread.join().unwrap();
        }
    }
    queue.shutdown();
    for thread in workers {
        thread.join().unwrap();
    }
    assert!(queue.task_done().is_err());
}

#[test]
fn shutdown_lets_everybody_go_and_loses_nothing() {
    for round in 0..EACH / 20 {
        let queue = Arc::new(Queue::new(2));
        let put = start(PRODUCERS, {
            let queue = queue.clone();
            move |_| (0..usize::MAX).take_while(|item| queue.put(*item).is_ok()).count()
        });
        let got = start(CONSUMERS, {
            let queue = queue.clone();
            move |_| std::iter::from_fn(|| queue.get().ok()).count()
        });
        for _ in 0..round % 50 {
            thread::yield_now();
        }
        let drained = if round % 2 == 0 {
            queue.shutdown();
            0
        } else {
            queue.shutdown_now().len()
        };
        let put: usize = put.into_iter().map(|t| t.join().unwrap()).sum();
        let got: usize = got.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(put, got + drained);
    }
}

#[test]
fn retirement_takes_everything_along() {
    for round in 0..EACH / 20 {
        let queue = Arc::new(Queue::new(2));
        let put = start(PRODUCERS, {
            let queue = queue.clone();
            move |_| (0..usize::MAX).take_while(|item| queue.put(*item).is_ok()).count()
        });
        let got = start(CONSUMERS, {
            let queue = queue.clone();
            move |_| std::iter::from_fn(|| queue.get().ok()).count()
        });
        for _ in 0..round % 50 {
            thread::yield_now();
        }
        let contents = queue.retire().unwrap();
        assert!(queue.retire().is_none());
        let put: usize = put.into_iter().map(|t| t.join().unwrap()).sum();
        let got: usize = got.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(put, got + contents.items.len());
        assert_eq!(contents.unfinished, isize::try_from(put).unwrap());
    }
}

/// Lets other threads in while it compares.
#[derive(Debug)]
struct Slow;

impl Order<usize> for Slow {
    type Error = &'static str;
    fn less(&self, a: &usize, b: &usize) -> Result<bool, &'static str> {
        thread::yield_now();
        if (a + b).is_multiple_of(97) { Err("cannot compare these") } else { Ok(a < b) }
    }
}

#[test]
fn comparisons_that_take_time_and_fail_lose_no_more_than_they_say() {
    let queue = Arc::new(PriorityQueue::with_order(3, Slow, Origin::Unknown));
    let rounds = EACH / 10;
    let producers = start(PRODUCERS, {
        let queue = queue.clone();
        // A put whose comparison failed has put its item all the same.
        move |i| {
            (0..rounds)
                .filter(|round| match queue.put(i * rounds + round) {
                    Ok(()) => false,
                    Err(PutError::Order(_)) => true,
                    Err(error) => panic!("{error}"),
                })
                .count()
        }
    });
    let consumers = start(CONSUMERS, {
        let queue = queue.clone();
        move |_| {
            let mut outcomes = 0;
            loop {
                match queue.get() {
                    Ok(_) | Err(GetError::Order(_)) => outcomes += 1,
                    Err(GetError::ShutDown) => return outcomes,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let failed: usize = producers.into_iter().map(|t| t.join().unwrap()).sum();
    queue.shutdown();
    let outcomes: usize = consumers.into_iter().map(|t| t.join().unwrap()).sum();
    assert_eq!(outcomes, PRODUCERS * rounds);
    assert_eq!(queue.unfinished(), isize::try_from(PRODUCERS * rounds - failed).unwrap());
}

#[test]
fn a_priority_queue_alone_is_sorted() {
    let queue = PriorityQueue::with_order(0, Natural, Origin::Unknown);
    let items: Vec<usize> = (0..1000).map(|i| i * 7919 % 1000).collect();
    for item in items {
        queue.try_put(item).unwrap();
    }
    assert_eq!(queue.len(), 1000);
    let out: Vec<usize> = std::iter::from_fn(|| queue.try_get().ok()).collect();
    assert_eq!(out, (0..1000).collect::<Vec<_>>());
}
