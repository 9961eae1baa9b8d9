//! S1. One thread adds 1, another subtracts 1, a million times each. Is the sum 0?
//!
//! Reading the sum and writing it back are two steps, even when each is atomic: what the other
//! thread writes between them is lost. With a lock around both steps the sum is 0, always.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::thread;

use ropewalk::sync::Lock;
use ropewalk::wait::WaitError;

const TIMES: usize = 1_000_000;

fn add(total: &AtomicI64, step: i64) {
    total.store(total.load(Relaxed) + step, Relaxed);
}

fn without_lock() -> i64 {
    let total = AtomicI64::new(0);
    thread::scope(|scope| {
        for step in [1, -1] {
            let total = &total;
            scope.spawn(move || (0..TIMES).for_each(|_| add(total, step)));
        }
    });
    total.into_inner()
}

fn with_lock() -> Result<i64, WaitError> {
    let total = AtomicI64::new(0);
    let lock = Lock::new();
    let add_all = |step| {
        for _ in 0..TIMES {
            let _held = lock.hold()?;
            add(&total, step);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let adding = scope.spawn(|| add_all(1));
        let subtracting = scope.spawn(|| add_all(-1));
        adding.join().unwrap()?;
        subtracting.join().unwrap()
    })?;
    Ok(total.into_inner())
}

fn main() -> Result<(), WaitError> {
    println!("without lock: {}", without_lock());
    println!("with lock: {}", with_lock()?);
    Ok(())
}
