//! C6. A timer calls a function once, after its interval; unless it is cancelled before.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use ropewalk::time::Timer;

const INTERVAL: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let calls = Arc::new(AtomicUsize::new(0));
    let call = || {
        let calls = calls.clone();
        move || {
            calls.fetch_add(1, SeqCst);
        }
    };

    let begin = Instant::now();
    let timer = Timer::new(INTERVAL, call());
    timer.start()?;
    timer.join()?;
    println!("calls after its interval: {}", calls.load(SeqCst));
    println!("not before its interval: {}", begin.elapsed() >= INTERVAL);

    let cancelled = Timer::new(Duration::from_secs(60), call());
    cancelled.start()?;
    println!("cancelled in time: {}", cancelled.cancel());
    cancelled.join()?;
    println!("cancelled again: {}", cancelled.cancel());
    println!("calls in the end: {}", calls.load(SeqCst));
    Ok(())
}
