//! S4. Three threads take turns: each releases the lock that the next one waits for.
//!
//! Any thread may release a `Lock`, and here that is the whole trick. Three locks in a ring, each
//! waited for by one thread, look like a deadlock and are none: nothing is refused or reported.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::thread;

use ropewalk::sync::Lock;

const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let locks = [Lock::new(), Lock::new(), Lock::new()];
    for lock in &locks {
        lock.acquire()?;
    }
    thread::scope(|scope| {
        for number in 0..locks.len() {
            let (mine, next) = (&locks[number], &locks[(number + 1) % locks.len()]);
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    mine.acquire().expect("no deadlock");
                    println!("{}", number + 1);
                    next.release().expect("held until its turn");
                }
            });
        }
        locks[0].release() // the first one may begin
    })?;
    Ok(())
}
