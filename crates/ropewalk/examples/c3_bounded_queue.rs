//! C3. A bounded, blocking, thread-safe queue, made by hand from one lock and two conditions.
//!
//! Both conditions share the lock that guards the items: one is for those who wait for room, the
//! other for those who wait for an item. (`ropewalk::queue::Queue` does this for you.)

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use ropewalk::sync::{Condition, ConditionError, Lock};
use ropewalk::wait::Deadline;

const LIMIT: usize = 4;
const EACH: u64 = 1000;
const PRODUCERS: u64 = 2;
const CONSUMERS: u64 = 4;

/// A ring of numbers. All fields are read and written with the lock held: `Relaxed` is enough.
struct Ring {
    slots: [AtomicU64; LIMIT],
    first: AtomicUsize,
    length: AtomicUsize,
    lock: Lock,
    not_full: Condition,
    not_empty: Condition,
}

impl Ring {
    fn new() -> Self {
        Self {
            slots: Default::default(),
            first: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            lock: Lock::new(),
            not_full: Condition::new(),
            not_empty: Condition::new(),
        }
    }

    /// Waits for room until the deadline; `false` when there was none.
    fn put_until(&self, item: u64, deadline: Deadline) -> Result<bool, ConditionError> {
        let _held = self.lock.hold()?;
        while self.length.load(Relaxed) == LIMIT {
            if !self.not_full.wait_until(&self.lock, deadline)? {
                return Ok(false);
            }
        }
        let (first, length) = (self.first.load(Relaxed), self.length.load(Relaxed));
        self.slots[(first + length) % LIMIT].store(item, Relaxed);
        self.length.store(length + 1, Relaxed);
        self.not_empty.notify(1, &self.lock);
        Ok(true)
    }

    /// Waits for an item until the deadline; `None` when there was none.
    fn get_until(&self, deadline: Deadline) -> Result<Option<u64>, ConditionError> {
        let _held = self.lock.hold()?;
        while self.length.load(Relaxed) == 0 {
            if !self.not_empty.wait_until(&self.lock, deadline)? {
                return Ok(None);
            }
        }
        let first = self.first.load(Relaxed);
        let item = self.slots[first].load(Relaxed);
        self.first.store((first + 1) % LIMIT, Relaxed);
        self.length.fetch_sub(1, Relaxed);
        self.not_full.notify(1, &self.lock);
        Ok(Some(item))
    }
}

fn main() -> Result<(), ConditionError> {
    let ring = Ring::new();
    let soon = || Deadline::after(Duration::from_millis(20));
    println!("get from an empty queue: {:?}", ring.get_until(soon())?);
    for item in 0..LIMIT as u64 {
        ring.put_until(item, Deadline::NEVER)?;
    }
    println!("put to a full queue: {}", ring.put_until(4, soon())?);
    for _ in 0..LIMIT {
        ring.get_until(Deadline::NEVER)?;
    }

    let sum = AtomicU64::new(0);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let ring = &ring;
            scope.spawn(move || {
                for item in producer * EACH..(producer + 1) * EACH {
                    ring.put_until(item, Deadline::NEVER).expect("no deadlock");
                }
            });
        }
        for _ in 0..CONSUMERS {
            scope.spawn(|| {
                for _ in 0..PRODUCERS * EACH / CONSUMERS {
                    let item = ring.get_until(Deadline::NEVER).expect("no deadlock");
                    sum.fetch_add(item.expect("waited until there was one"), Relaxed);
                }
            });
        }
    });
    let items = PRODUCERS * EACH;
    println!("sum of all items: {}, expected {}", sum.into_inner(), items * (items - 1) / 2);
    Ok(())
}
