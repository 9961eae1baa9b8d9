//! Thread pools against `rayon-core` and `threadpool`, whose results come through a channel.

use std::hint::black_box;
use std::sync::mpsc;
use std::time::Instant;

use ropewalk::exec::{Future, Submitter, ThreadPool, Until, as_completed, wait};
use ropewalk::wait::Deadline;

use crate::harness::{Row, Sample, repeat};

const THREADS: usize = 4;

/// Does tasks on other threads.
trait Pool: Clone + Send + 'static {
    type Result;
    /// Calls `task` with a pool that can be used inside.
    fn submit(&self, task: impl FnOnce(&Self) -> u64 + Send + 'static) -> Self::Result;
    fn get(result: Self::Result) -> u64;
}

impl Pool for Submitter {
    type Result = Future<u64>;
    fn submit(&self, task: impl FnOnce(&Self) -> u64 + Send + 'static) -> Future<u64> {
        let its = self.clone();
        Submitter::submit(self, move || task(&its)).expect("the pool is open")
    }
    fn get(result: Future<u64>) -> u64 {
        result.result().expect("no deadlock")
    }
}

impl Pool for std::sync::Arc<rayon_core::ThreadPool> {
    type Result = mpsc::Receiver<u64>;
    fn submit(&self, task: impl FnOnce(&Self) -> u64 + Send + 'static) -> Self::Result {
        let (sender, receiver) = mpsc::channel();
        let its = self.clone();
        self.spawn(move || {
            let _ = sender.send(task(&its));
        });
        receiver
    }
    fn get(result: Self::Result) -> u64 {
        result.recv().expect("the task sends")
    }
}

impl Pool for threadpool::ThreadPool {
    type Result = mpsc::Receiver<u64>;
    fn submit(&self, task: impl FnOnce(&Self) -> u64 + Send + 'static) -> Self::Result {
        let (sender, receiver) = mpsc::channel();
        let its = self.clone();
        self.execute(move || {
            let _ = sender.send(task(&its));
        });
        receiver
    }
    fn get(result: Self::Result) -> u64 {
        result.recv().expect("the task sends")
    }
}

fn rayon(threads: usize) -> std::sync::Arc<rayon_core::ThreadPool> {
    let pool = rayon_core::ThreadPoolBuilder::new().num_threads(threads).build();
    std::sync::Arc::new(pool.expect("threads can be started"))
}

fn all_then_all(pool: &impl Pool, tasks: u64) -> Sample {
    let start = Instant::now();
    let results: Vec<_> = (0..tasks).map(|number| pool.submit(move |_| number)).collect();
    for result in results {
        black_box(get(pool, result));
    }
    Sample::new(tasks, start.elapsed())
}

fn one_by_one(pool: &impl Pool, tasks: u64) -> Sample {
    repeat(tasks, || {
        black_box(get(pool, pool.submit(|_| 1)));
    })
}

fn get<P: Pool>(_pool: &P, result: P::Result) -> u64 {
    P::get(result)
}

/// A task that submits its left half and does its right half itself.
fn tree(pool: &impl Pool, leaves: u64) -> u64 {
    if leaves < 2 {
        return leaves;
    }
    let left = pool.submit(move |pool| tree(pool, leaves / 2));
    tree(pool, leaves - leaves / 2) + get(pool, left)
}

/// Trees of 32 leaves, one after the other: as many threads can be blocked as there are tasks.
fn trees(pool: &impl Pool, size: u64) -> Sample {
    let start = Instant::now();
    for _ in 0..size.div_ceil(32) {
        black_box(get(pool, pool.submit(|pool| tree(pool, 32))));
    }
    Sample::new(size.div_ceil(32) * 32, start.elapsed())
}

/// Together, in the way that `gather` says, instead of one after the other.
fn together(tasks: u64, gather: fn(Vec<Future<u64>>)) -> Sample {
    let pool = ThreadPool::new(THREADS);
    let start = Instant::now();
    let futures = (0..tasks).map(|number| pool.submit(move || number));
    gather(futures.collect::<Result<_, _>>().expect("the pool is open"));
    Sample::new(tasks, start.elapsed())
}

macro_rules! row {
    ($name:literal, $threads:expr, $measure:ident) => {
        Row::new($name)
            .side("ropewalk", |size| $measure(&ThreadPool::new($threads).submitter(), size))
            .side("rayon", |size| $measure(&rayon($threads), size))
            .side("threadpool", |size| $measure(&threadpool::ThreadPool::new($threads), size))
    };
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row!("pool submit all, result all", THREADS, all_then_all),
        row!("pool submit and result", 1, one_by_one).one_core(),
        row!("pool nested tasks", 64, trees),
        Row::new("pool all, together")
            .side("as_completed", |size| {
                together(size, |futures| {
                    for done in as_completed(futures) {
                        black_box(done.expect("no deadlock"));
                    }
                })
            })
            .side("wait", |size| {
                together(size, |futures| {
                    black_box(wait(&futures, Until::All, Deadline::NEVER).expect("no deadlock"));
                })
            }),
    ]
}
