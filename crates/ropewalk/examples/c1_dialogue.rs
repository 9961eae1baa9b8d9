//! C1. Two speakers alternate, with one condition between them.
//!
//! A notification that nobody waits for is lost: so the listener must be waiting before the
//! speaker says the first line. It tells so while it holds the lock, which only its `wait` lets go.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::thread;

use ropewalk::sync::{Condition, Event, Lock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lock = Lock::new();
    let turn = Condition::new();
    let listener_is_there = Event::new();

    thread::scope(|scope| {
        scope.spawn(|| {
            let _held = lock.hold().expect("no deadlock");
            listener_is_there.set();
            for line in [2, 4, 6] {
                turn.wait(&lock).expect("notified");
                println!("listener: {line}");
                turn.notify(1, &lock);
            }
        });

        listener_is_there.wait()?;
        let _held = lock.hold()?;
        for line in [1, 3, 5] {
            println!("speaker: {line}");
            turn.notify(1, &lock);
            turn.wait(&lock)?;
        }
        Ok(())
    })
}
