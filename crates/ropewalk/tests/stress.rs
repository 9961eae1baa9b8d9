//! Many threads on each primitive, invariants checked at the end. Also run by ThreadSanitizer.

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ropewalk::sync::{Barrier, BarrierError, Condition, Event, Lock, RLock, Semaphore};
use ropewalk::wait::Deadline;

const THREADS: usize = 4;
const ROUNDS: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

/// A number without any protection of its own: a data race if the lock under test leaks.
struct Unprotected(UnsafeCell<usize>);
// SAFETY: reached only under the lock under test; that is what is tested.
unsafe impl Sync for Unprotected {}

impl Unprotected {
    fn increment(&self) {
        // SAFETY: the caller holds the lock under test.
        unsafe { *self.0.get() += 1 }
    }
}

fn run(work: impl Fn(usize) + Send + Sync + 'static) {
    let work = Arc::new(work);
    let threads: Vec<_> = (0..THREADS)
        .map(|i| {
            let work = work.clone();
            thread::spawn(move || work(i))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn lock_excludes() {
    let shared = Arc::new((Lock::new(), Unprotected(UnsafeCell::new(0))));
    let seen = shared.clone();
    run(move |_| {
        for _ in 0..ROUNDS {
            let _held = shared.0.hold().unwrap();
            shared.1.increment();
        }
    });
    // SAFETY: all threads have ended.
    assert_eq!(unsafe { *seen.1.0.get() }, THREADS * ROUNDS);
    assert!(!seen.0.is_held());
}

#[test]
fn lock_with_timeouts_excludes_and_loses_no_wake() {
    let shared = Arc::new((Lock::new(), Unprotected(UnsafeCell::new(0)), AtomicUsize::new(0)));
    let seen = shared.clone();
    run(move |i| {
        for round in 0..ROUNDS {
            let patience = Duration::from_micros(((round * 7 + i * 13) % 50) as u64);
            if shared.0.acquire_until(Deadline::after(patience)).unwrap() {
                shared.1.increment();
                shared.2.fetch_add(1, Ordering::Relaxed);
                if round % 64 == 0 {
                    thread::yield_now();
                }
                shared.0.release().unwrap();
            }
        }
    });
    // SAFETY: all threads have ended.
    assert_eq!(unsafe { *seen.1.0.get() }, seen.2.load(Ordering::Relaxed));
    assert!(seen.0.try_acquire());
}

#[test]
fn rlock_excludes_at_every_depth() {
    let shared = Arc::new((RLock::new(), Unprotected(UnsafeCell::new(0))));
    let seen = shared.clone();
    run(move |i| {
        for round in 0..ROUNDS {
            let depth = 1 + (round + i) % 3;
            for _ in 0..depth {
                shared.0.acquire().unwrap();
            }
            assert_eq!(shared.0.depth(), depth);
            shared.1.increment();
            for _ in 0..depth {
                shared.0.release().unwrap();
            }
        }
    });
    // SAFETY: all threads have ended.
    assert_eq!(unsafe { *seen.1.0.get() }, THREADS * ROUNDS);
}

#[test]
fn semaphore_never_lets_more_in_and_keeps_its_permits() {
    const PERMITS: usize = 2;
    let shared = Arc::new((Semaphore::new(PERMITS), AtomicUsize::new(0)));
    let seen = shared.clone();
    run(move |i| {
        for round in 0..ROUNDS {
            let patience = Duration::from_micros(((round + i) % 40) as u64);
            let got = match round % 3 {
                0 => shared.0.acquire_until(Deadline::after(patience)).unwrap(),
                _ => shared.0.acquire().is_ok(),
            };
            if got {
                assert!(shared.1.fetch_add(1, Ordering::AcqRel) < PERMITS);
                shared.1.fetch_sub(1, Ordering::AcqRel);
                shared.0.release(1).unwrap();
            }
        }
    });
    assert_eq!(seen.0.permits(), PERMITS);
}

#[test]
fn condition_hands_over_every_item() {
    // A slot between producers and consumers: every notify_one must reach somebody.
    struct Slot(UnsafeCell<Option<usize>>);
    // SAFETY: the slot is reached under the lock; that is what is tested.
    unsafe impl Sync for Slot {}
    impl Slot {
        fn take(&self) -> Option<usize> {
            // SAFETY: the caller holds the lock.
            unsafe { (*self.0.get()).take() }
        }
        fn fill(&self, item: usize) -> bool {
            // SAFETY: the caller holds the lock.
            let slot = unsafe { &mut *self.0.get() };
            slot.is_none() && slot.replace(item).is_none()
        }
    }
    let shared =
        Arc::new((Lock::new(), Condition::new(), Condition::new(), Slot(UnsafeCell::new(None))));
    let total = Arc::new(AtomicUsize::new(0));
    let sum = total.clone();
    run(move |i| {
        let (lock, filled, emptied, slot) = &*shared;
        for round in 0..ROUNDS {
            let held = lock.hold().unwrap();
            if i % 2 == 0 {
                while !slot.fill(round) {
                    emptied.wait(lock).unwrap();
                }
                filled.notify(1, lock);
            } else {
                loop {
                    if let Some(item) = slot.take() {
                        sum.fetch_add(item, Ordering::Relaxed);
                        break;
                    }
                    let patience = Deadline::after(Duration::from_micros(round as u64 % 100));
                    if round % 2 == 0 {
                        filled.wait_until(lock, patience).unwrap();
                    } else {
                        filled.wait(lock).unwrap();
                    }
                    // A timed-out wait may have crossed a notify: hand it on, as CPython users must.
                    filled.notify(1, lock);
                }
                emptied.notify(1, lock);
            }
            drop(held);
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), ROUNDS * (ROUNDS - 1) / 2 * (THREADS / 2));
}

#[test]
fn event_wakes_everybody_every_time() {
    let shared: Arc<Vec<(Event, Semaphore)>> =
        Arc::new((0..ROUNDS / 10).map(|_| (Event::new(), Semaphore::new(0))).collect());
    run(move |i| {
        for (event, seen) in shared.iter() {
            if i == 0 {
                event.set();
                event.clear();
                event.set();
                for _ in 1..THREADS {
                    seen.acquire().unwrap();
                }
            } else {
                event.wait().unwrap();
                seen.release(1).unwrap();
            }
        }
    });
}

#[test]
fn barrier_turns_do_not_mix() {
    let shared = Arc::new((Barrier::new(THREADS), AtomicUsize::new(0)));
    run(move |_| {
        for round in 0..ROUNDS / 10 {
            let action = || -> Result<(), BarrierError> {
                shared.1.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            let action = (round % 2 == 0).then_some(action);
            shared.0.wait_with(Deadline::NEVER, action).unwrap();
            assert_eq!(shared.1.load(Ordering::Relaxed), round / 2 + 1);
        }
    });
}

#[test]
fn barrier_breaks_by_timeout_and_is_mended_by_reset() {
    let barrier = Barrier::new(2);
    let soon = Deadline::after(Duration::from_millis(1));
    let result = barrier.wait_until(soon);
    assert!(matches!(result, Err(BarrierError::Broken)));
    assert!(barrier.is_broken());
    assert!(matches!(barrier.wait(), Err(BarrierError::Broken)));
    barrier.reset();
    assert!(!barrier.is_broken());
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait().unwrap());
        assert_eq!(barrier.wait().unwrap() + other.join().unwrap(), 1);
    });
}
