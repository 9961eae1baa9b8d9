//! One lock that several threads take and release all the time, and how evenly they get it.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ropewalk::sync::{Lock, RLock};

use crate::harness::{Row, Sample};
use crate::things::{OnePermit, Section};

/// What is done under the lock, and the same again outside of it, in turns of a loop: with none,
/// one thread would keep the lock for itself as long as it runs.
const WORK: u32 = 20;

fn work() {
    for turn in 0..WORK {
        black_box(turn);
    }
}

fn contend<S: Section>(threads: usize, milliseconds: u64) -> Sample {
    let lock = S::default();
    let over = AtomicBool::new(false);
    let begin = Barrier::new(threads + 1);
    let contender = || {
        let mut turns = 0_u64;
        begin.wait();
        while turns == 0 || !over.load(Ordering::Relaxed) {
            lock.locked(work);
            work();
            turns += 1;
        }
        turns
    };
    thread::scope(|scope| {
        let members: Vec<_> = (0..threads).map(|_| scope.spawn(contender)).collect();
        begin.wait();
        let start = Instant::now();
        thread::sleep(Duration::from_millis(milliseconds));
        over.store(true, Ordering::Relaxed);
        let turns: Vec<u64> =
            members.into_iter().map(|it| it.join().expect("a contender failed")).collect();
        let (least, most) = (turns.iter().min(), turns.iter().max());
        let fairness = least.zip(most).map(|(least, most)| *least as f64 / *most as f64);
        Sample { fairness, ..Sample::new(turns.iter().sum(), start.elapsed()) }
    })
}

pub(crate) fn rows() -> Vec<Row> {
    [2, 8]
        .into_iter()
        .flat_map(|threads| {
            [
                Row::new(format!("lock, {threads} threads"))
                    .side("ropewalk", move |size| contend::<Lock>(threads, size))
                    .side("std", move |size| contend::<Mutex<()>>(threads, size))
                    .side("parking_lot", move |size| {
                        contend::<parking_lot::Mutex<()>>(threads, size)
                    })
                    .side("parking_lot fair", move |size| {
                        contend::<parking_lot::FairMutex<()>>(threads, size)
                    })
                    .lasting(200),
                Row::new(format!("reentrant lock, {threads} threads"))
                    .side("ropewalk", move |size| contend::<RLock>(threads, size))
                    .side("parking_lot", move |size| {
                        contend::<parking_lot::ReentrantMutex<()>>(threads, size)
                    })
                    .lasting(200),
                Row::new(format!("semaphore of 1, {threads} threads"))
                    .side("ropewalk", move |size| contend::<OnePermit>(threads, size))
                    .lasting(200),
            ]
        })
        .collect()
}
