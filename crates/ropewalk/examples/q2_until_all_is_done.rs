//! Q2. Waiting until everything that was put into a queue has been worked on; ending the workers.
//!
//! `join` waits until `task_done` has been called for each item. Then the workers are ended: by a
//! `None` that each passes on to the next, or, without one, by shutting the queue down.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use ropewalk::queue::Queue;

const WORKERS: usize = 3;
const ITEMS: usize = 30;

fn with_join_and_shutdown() -> Result<(), Box<dyn std::error::Error>> {
    let tasks = Queue::new(5);
    let sum = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Ok(number) = tasks.get() {
                    sum.fetch_add(number, Relaxed);
                    tasks.task_done().expect("as often as put");
                }
            });
        }
        for number in 0..ITEMS {
            tasks.put(number)?;
        }
        tasks.join()?;
        println!("join: the sum is {}", sum.load(Relaxed));
        tasks.shutdown();
        Ok(())
    })
}

fn with_a_sentinel() -> Result<(), Box<dyn std::error::Error>> {
    let tasks = Queue::new(0);
    let done = AtomicUsize::new(0);
    for number in 0..ITEMS {
        tasks.put(Some(number))?;
    }
    tasks.put(None)?;
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while tasks.get().expect("no deadlock").is_some() {
                    done.fetch_add(1, Relaxed);
                }
                tasks.put(None).expect("no limit"); // for the next one
            });
        }
    });
    println!("sentinel: {} done, left in the queue: {}", done.into_inner(), tasks.len());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    with_join_and_shutdown()?;
    with_a_sentinel()
}
