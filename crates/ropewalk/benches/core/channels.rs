//! Queues against channels: alone and between threads.

use std::hint::black_box;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use ropewalk::queue::{LifoQueue, PriorityQueue, Queue, SimpleQueue};

use crate::harness::{Row, Sample, repeat};

/// Where numbers go in.
trait Put: Clone + Send + 'static {
    fn put(&self, number: u64);
}

/// Where they come out.
trait Get: Send + 'static {
    fn get(&self) -> u64;
}

/// Both ends of a queue of Ropewalk's.
struct Ours<Q>(Arc<Q>);

impl<Q> Clone for Ours<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

macro_rules! ends_of_a_queue {
    ($queue:ty) => {
        impl Put for Ours<$queue> {
            #[inline]
            fn put(&self, number: u64) {
                assert!(self.0.put(number).is_ok());
            }
        }

        impl Get for Ours<$queue> {
            #[inline]
            fn get(&self) -> u64 {
                self.0.get().expect("no deadlock")
            }
        }
    };
}

ends_of_a_queue!(Queue<u64>);
ends_of_a_queue!(LifoQueue<u64>);
ends_of_a_queue!(PriorityQueue<u64>);
ends_of_a_queue!(SimpleQueue<u64>);

macro_rules! ends_of_a_channel {
    ($sender:ty, $receiver:ty) => {
        impl Put for $sender {
            #[inline]
            fn put(&self, number: u64) {
                self.send(number).expect("the other end is there");
            }
        }

        impl Get for $receiver {
            #[inline]
            fn get(&self) -> u64 {
                self.recv().expect("the other end is there")
            }
        }
    };
}

ends_of_a_channel!(mpsc::SyncSender<u64>, mpsc::Receiver<u64>);
ends_of_a_channel!(crossbeam_channel::Sender<u64>, crossbeam_channel::Receiver<u64>);

impl Put for mpsc::Sender<u64> {
    #[inline]
    fn put(&self, number: u64) {
        self.send(number).expect("the other end is there");
    }
}

fn ours<Q>(queue: Q) -> (Ours<Q>, Ours<Q>) {
    let queue = Ours(Arc::new(queue));
    (queue.clone(), queue)
}

fn alone<P: Put, G: Get>(ends: (P, G), size: u64) -> Sample {
    let (put, get) = black_box(ends);
    repeat(size, || {
        put.put(1);
        black_box(get.get());
    })
}

/// One producer; the calling thread consumes.
fn pass_on<P: Put, G: Get>((put, get): (P, G), items: u64) -> Sample {
    let producer = thread::spawn(move || (0..items).for_each(|number| put.put(number)));
    let sample = repeat(items, || {
        black_box(get.get());
    });
    producer.join().expect("the producer failed");
    sample
}

const EACH: u64 = 4;

/// Four producers and four consumers.
fn pass_on_among_many<P: Put, G: Get + Clone>((put, get): (P, G), items: u64) -> Sample {
    let share = (items / EACH).max(1);
    let start = Instant::now();
    let mut members = Vec::new();
    for _ in 0..EACH {
        let (put, get) = (put.clone(), get.clone());
        members.push(thread::spawn(move || (0..share).for_each(|number| put.put(number))));
        members.push(thread::spawn(move || {
            for _ in 0..share {
                black_box(get.get());
            }
        }));
    }
    for member in members {
        member.join().expect("a producer or consumer failed");
    }
    Sample::new(share * EACH, start.elapsed())
}

fn request_reply<P: Put, G: Get>(requests: (P, G), replies: (P, G), pairs: u64) -> Sample {
    let partner = thread::spawn(move || {
        for _ in 0..pairs {
            replies.0.put(requests.1.get());
        }
    });
    let sample = repeat(pairs, || {
        requests.0.put(1);
        black_box(replies.1.get());
    });
    partner.join().expect("the partner failed");
    sample
}

/// One producer and one consumer; a bound of 0 is none.
fn one_to_one(name: &str, bound: usize) -> Row {
    let row = Row::new(name).side("ropewalk", move |size| pass_on(ours(Queue::new(bound)), size));
    if bound == 0 {
        row.side("std", |size| pass_on(mpsc::channel(), size))
            .side("crossbeam", |size| pass_on(crossbeam_channel::unbounded(), size))
    } else {
        row.side("std", move |size| pass_on(mpsc::sync_channel(bound), size))
            .side("crossbeam", move |size| pass_on(crossbeam_channel::bounded(bound), size))
    }
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new("queue put and get")
            .one_core()
            .side("ropewalk", |size| alone(ours(Queue::new(0)), size))
            .side("std", |size| alone(mpsc::channel(), size))
            .side("crossbeam", |size| alone(crossbeam_channel::unbounded(), size)),
        Row::new("other queues put and get")
            .one_core()
            .side("lifo", |size| alone(ours(LifoQueue::new(0)), size))
            .side("priority", |size| alone(ours(PriorityQueue::new(0)), size))
            .side("simple", |size| alone(ours(SimpleQueue::new()), size)),
        one_to_one("queue 1P1C", 0),
        one_to_one("queue 1P1C, one core", 0).one_core(),
        one_to_one("queue 1P1C bound 100", 100),
        one_to_one("queue 1P1C bound 1", 1).one_core(),
        Row::new("queue 4P4C")
            .side("ropewalk", |size| pass_on_among_many(ours(Queue::new(0)), size))
            .side("crossbeam", |size| pass_on_among_many(crossbeam_channel::unbounded(), size)),
        Row::new("queue request and reply")
            .one_core()
            .side("ropewalk", |size| request_reply(ours(Queue::new(0)), ours(Queue::new(0)), size))
            .side("std", |size| request_reply(mpsc::channel(), mpsc::channel(), size))
            .side("crossbeam", |size| {
                request_reply(crossbeam_channel::unbounded(), crossbeam_channel::unbounded(), size)
            }),
    ]
}
