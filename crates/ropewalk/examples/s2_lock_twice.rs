//! S2. The same lock twice in one thread: a method that locks calls another method that locks.
//!
//! With a `Lock` the second `hold` can never end: it is refused with an error that says so. With
//! an `RLock` the owner gets in again; it is free when it has been released as often as it was
//! acquired, and only its owner can release it.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::thread;

use ropewalk::sync::{Lock, RLock};
use ropewalk::wait::WaitError;

fn lock_twice(lock: &Lock) -> Result<(), WaitError> {
    let _held = lock.hold()?;
    lock_once(lock) // waits for ourselves
}

fn lock_once(lock: &Lock) -> Result<(), WaitError> {
    let _held = lock.hold()?;
    Ok(())
}

fn rlock_twice(lock: &RLock) -> Result<usize, WaitError> {
    let _outer = lock.hold()?;
    let _inner = lock.hold()?;
    Ok(lock.depth())
}

fn in_another_thread(lock: &RLock) {
    thread::scope(|scope| {
        scope.spawn(|| match lock.release() {
            Ok(()) => println!("another thread: released it"),
            Err(error) => println!("another thread: {error}"),
        });
    });
}

fn main() -> Result<(), WaitError> {
    let lock = Lock::new();
    match lock_twice(&lock) {
        Ok(()) => println!("Lock: got it twice"),
        Err(error) => println!("Lock: {error}"),
    }
    println!("Lock: held afterwards: {}", lock.is_held());

    let rlock = RLock::new();
    println!("RLock: depth {}", rlock_twice(&rlock)?);
    println!("RLock: held afterwards: {}", rlock.is_held());

    let _held = rlock.hold()?;
    in_another_thread(&rlock);
    Ok(())
}
