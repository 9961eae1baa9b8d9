//! S3. Two threads take two locks in opposite order, and each waits for the other's.
//!
//! With `RLock`s, which only their owners can release, no thread of the world can end this: one
//! of the two waits is refused as a deadlock, that thread lets go, and the other one goes on.
//! (A `Lock` may be released by any thread: as long as one runs, such a cycle is a suspicion that
//! is reported after a while, and no error.) Or a thread waits only for some time, and backs off.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::thread;
use std::time::Duration;

use ropewalk::sync::{Barrier, Event, Lock, RLock};
use ropewalk::wait::{Deadline, WaitError};

struct Table {
    fork: RLock,
    knife: RLock,
    both_have_one: Barrier,
}

impl Table {
    fn eat(&self, name: &str, first: &RLock, second: &RLock) -> Result<(), WaitError> {
        let _first = first.hold()?;
        self.both_have_one.wait().expect("nobody breaks it");
        let _second = second.hold()?;
        println!("{name} has both");
        Ok(())
    }
}

fn deadlock() {
    let table = Table { fork: RLock::new(), knife: RLock::new(), both_have_one: Barrier::new(2) };
    let Table { fork, knife, .. } = &table;
    thread::scope(|scope| {
        for (name, first, second) in [("Ann", fork, knife), ("Bob", knife, fork)] {
            let table = &table;
            let eat = move || {
                if let Err(error) = table.eat(name, first, second) {
                    println!("{error}");
                }
            };
            thread::Builder::new().name(name.into()).spawn_scoped(scope, eat).expect("a thread");
        }
    });
}

fn back_off() -> Result<(), WaitError> {
    let (fork, knife) = (Lock::new(), Lock::new());
    let both_have_one = Barrier::new(2);
    let bob_has_eaten = Event::new();
    thread::scope(|scope| {
        let ann = scope.spawn(|| {
            {
                let _fork = fork.hold()?;
                both_have_one.wait().expect("nobody breaks it");
                if !knife.acquire_until(Deadline::after(Duration::from_millis(50)))? {
                    println!("Ann backs off");
                }
            }
            bob_has_eaten.wait()?;
            let (_fork, _knife) = (fork.hold()?, knife.hold()?);
            println!("Ann has both");
            Ok(())
        });
        let bob = scope.spawn(|| {
            let _knife = knife.hold()?;
            both_have_one.wait().expect("nobody breaks it");
            let _fork = fork.hold()?;
            println!("Bob has both");
            bob_has_eaten.set();
            Ok(())
        });
        ann.join().unwrap()?;
        bob.join().unwrap()
    })
}

fn main() -> Result<(), WaitError> {
    deadlock();
    println!("dinner is over");
    back_off()?;
    println!("dinner is over");
    Ok(())
}
