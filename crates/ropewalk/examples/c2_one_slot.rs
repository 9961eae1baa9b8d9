//! C2. Producer and consumer over a single slot, with a condition.
//!
//! Each waits until the slot is as it needs it, changes it, and notifies the other.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use ropewalk::sync::{Condition, ConditionError, Lock};

const ITEMS: usize = 5;
const EMPTY: usize = 0;

struct Slot {
    /// Read and written with the lock held, so that `Relaxed` is enough.
    item: AtomicUsize,
    lock: Lock,
    changed: Condition,
}

impl Slot {
    /// Waits until the slot is empty, or until it is not, and puts `new` there; what was in it.
    fn exchange(&self, while_empty: bool, new: usize, said: &str) -> Result<(), ConditionError> {
        let _held = self.lock.hold()?;
        while (self.item.load(Relaxed) == EMPTY) != while_empty {
            self.changed.wait(&self.lock)?;
        }
        let old = self.item.swap(new, Relaxed);
        println!("{said} bun {}", old.max(new));
        self.changed.notify(1, &self.lock);
        Ok(())
    }
}

fn main() -> Result<(), ConditionError> {
    let slot = Slot { item: AtomicUsize::new(EMPTY), lock: Lock::new(), changed: Condition::new() };
    thread::scope(|scope| {
        let consumer =
            scope.spawn(|| (0..ITEMS).try_for_each(|_| slot.exchange(false, EMPTY, "ate")));
        let producer =
            scope.spawn(|| (1..=ITEMS).try_for_each(|number| slot.exchange(true, number, "made")));
        producer.join().unwrap()?;
        consumer.join().unwrap()
    })
}
