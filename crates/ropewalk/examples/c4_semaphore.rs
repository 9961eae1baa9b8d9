//! C4. A semaphore lets a number of threads in: eight visitors, three seats.
//!
//! A `BoundedSemaphore` notices one release too many.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use ropewalk::sync::{BoundedSemaphore, Semaphore};

const VISITORS: usize = 8;
const SEATS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seats = Semaphore::new(SEATS);
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..VISITORS {
            #[expect(clippy::disallowed_methods, reason = "the visit takes some time")]
            scope.spawn(|| {
                seats.acquire().expect("no deadlock");
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                thread::sleep(Duration::from_millis(20));
                inside.fetch_sub(1, SeqCst);
                seats.release(1).expect("far from the largest number");
            });
        }
    });
    println!("at most at once: {}, free seats: {}", most.into_inner(), seats.permits());

    let bounded = BoundedSemaphore::new(1);
    bounded.acquire()?;
    bounded.release(1)?;
    if let Err(error) = bounded.release(1) {
        println!("{error}");
    }
    Ok(())
}
