//! C5. Many wait for one event, one sets it, all go on.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use ropewalk::sync::Event;
use ropewalk::wait::{Deadline, WaitError};

const RUNNERS: usize = 5;

fn main() -> Result<(), WaitError> {
    let start = Event::new();
    let soon = Deadline::after(Duration::from_millis(20));
    println!("waited in vain: {}", !start.wait_until(soon)?);

    let finished = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..RUNNERS {
            scope.spawn(|| {
                start.wait().expect("set in the end");
                finished.fetch_add(1, SeqCst);
            });
        }
        println!("before the signal, finished: {}", finished.load(SeqCst));
        start.set();
    });
    println!("after the signal, finished: {}", finished.into_inner());

    start.wait()?; // does not wait: it is set
    start.clear();
    println!("is set after clear: {}", start.is_set());
    Ok(())
}
