//! Models of the primitives, in every schedule that loom can think of (`make loom`).
//!
//! In a model the clock jumps with each look at it, so that hand-offs to starved waiters happen as
//! well as barging, and a wait with a deadline may time out at any moment.

#![cfg(loom)]

use std::future::Future;
use std::task::{Context, Waker};
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use ropewalk::sync::{Barrier, Condition, Event, Lock, RLock, Semaphore, ThreadLife};
use ropewalk::wait::Deadline;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(1))
}

/// A cell in which loom sees two accesses at the same time.
struct Shared {
    lock: Lock,
    value: UnsafeCell<usize>,
}

// SAFETY: `value` is reached under the lock; that is what the model checks.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self { lock: Lock::new(), value: UnsafeCell::new(0) })
    }

    fn add(&self) {
        // SAFETY: the caller holds the lock.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn get(&self) -> usize {
        // SAFETY: the caller holds the lock.
        self.value.with(|value| unsafe { *value })
    }
}

#[test]
fn lock_excludes_and_wakes() {
    loom::model(|| {
        let shared = Shared::new();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.lock.acquire().unwrap();
                    shared.add();
                    shared.lock.release().unwrap();
                })
            })
            .collect();
        shared.lock.acquire().unwrap();
        shared.add();
        shared.lock.release().unwrap();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert!(shared.lock.try_acquire());
        assert_eq!(shared.get(), 3);
    });
}

#[test]
fn a_timeout_of_a_lock_loses_no_wake() {
    loom::model(|| {
        let shared = Shared::new();
        shared.lock.acquire().unwrap();
        let impatient = thread::spawn({
            let shared = shared.clone();
            move || {
                if shared.lock.acquire_until(soon()).unwrap() {
                    shared.add();
                    shared.lock.release().unwrap();
                }
            }
        });
        let patient = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.lock.acquire().unwrap();
                shared.add();
                shared.lock.release().unwrap();
            }
        });
        shared.lock.release().unwrap();
        impatient.join().unwrap();
        // Loom fails here, as a deadlock, if the wake went to the one that had given up.
        patient.join().unwrap();
        assert!(shared.lock.try_acquire());
    });
}

#[test]
fn rlock_excludes_at_every_depth() {
    loom::model(|| {
        let lock = Arc::new((RLock::new(), Shared::new()));
        let other = thread::spawn({
            let lock = lock.clone();
            move || {
                lock.0.acquire().unwrap();
                lock.0.acquire().unwrap();
                lock.1.add();
                lock.0.release().unwrap();
                lock.0.release().unwrap();
            }
        });
        lock.0.acquire().unwrap();
        lock.1.add();
        lock.0.release().unwrap();
        other.join().unwrap();
        assert!(!lock.0.is_held());
    });
}

#[test]
fn semaphore_keeps_its_permits() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let inside = Arc::new(AtomicUsize::new(0));
        let work = |semaphore: &Semaphore, inside: &AtomicUsize| {
            semaphore.acquire().unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
            inside.fetch_sub(1, Ordering::Relaxed);
            semaphore.release(1).unwrap();
        };
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (semaphore, inside) = (semaphore.clone(), inside.clone());
                thread::spawn(move || work(&semaphore, &inside))
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(semaphore.permits(), 1);
    });
}

#[test]
fn one_release_of_two_permits_lets_two_in_though_one_may_have_given_up() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let impatient = thread::spawn({
            let semaphore = semaphore.clone();
            move || usize::from(semaphore.acquire_until(soon()).unwrap())
        });
        let patient = thread::spawn({
            let semaphore = semaphore.clone();
            move || semaphore.acquire().unwrap()
        });
        semaphore.release(2).unwrap();
        let taken = impatient.join().unwrap();
        patient.join().unwrap();
        assert_eq!(semaphore.permits(), 1 - taken);
    });
}

#[test]
fn event_that_is_set_and_cleared_at_once_wakes_its_waiter() {
    loom::model(|| {
        let event = Arc::new((Event::new(), Event::new()));
        let waiter = thread::spawn({
            let event = event.clone();
            move || {
                let seen = event.0.wait_until(soon()).unwrap();
                event.1.wait().unwrap();
                seen
            }
        });
        event.0.set();
        event.0.clear();
        event.1.set();
        waiter.join().unwrap();
        assert!(!event.0.is_set());
    });
}

#[test]
fn a_wait_that_begins_after_set_and_clear_is_not_ended_by_that_set() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let setter = thread::spawn({
            let event = event.clone();
            move || event.set()
        });
        // A waiter, so that there is somebody for the setter to wake; it may give up.
        let first = event.wait_until(soon()).unwrap();
        if event.is_set() {
            event.clear();
            assert!(!event.wait_until(soon()).unwrap());
        } else {
            assert!(!first);
        }
        setter.join().unwrap();
    });
}

#[test]
fn a_task_in_the_queue_loses_no_pulse_of_an_event() {
    loom::model(|| {
        let event = Arc::new(Event::new());
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = Box::pin(event.wait_async());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let setter = thread::spawn({
            let event = event.clone();
            move || {
                event.set();
                event.clear();
            }
        });
        let early = waiting.as_mut().poll(&mut context).is_ready();
        setter.join().unwrap();
        assert!(early || waiting.as_mut().poll(&mut context).is_ready());
    });
}

#[test]
fn condition_loses_no_notification() {
    loom::model(|| {
        let shared = Arc::new((Shared::new(), Condition::new()));
        let waiter = thread::spawn({
            let shared = shared.clone();
            move || {
                let (shared, changed) = &*shared;
                shared.lock.acquire().unwrap();
                while shared.get() == 0 {
                    changed.wait(&shared.lock).unwrap();
                }
                shared.lock.release().unwrap();
            }
        });
        let (state, changed) = &*shared;
        state.lock.acquire().unwrap();
        state.add();
        changed.notify(1, &state.lock);
        state.lock.release().unwrap();
        waiter.join().unwrap();
        assert!(!state.lock.is_held());
    });
}

#[test]
fn a_notification_goes_to_exactly_one_waiter_even_if_another_gives_up() {
    loom::model(|| {
        let shared = Arc::new((Lock::new(), Condition::new(), AtomicUsize::new(0)));
        let waiters: Vec<_> = [true, false]
            .into_iter()
            .map(|patient| {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (lock, condition, waiting) = &*shared;
                    lock.acquire().unwrap();
                    waiting.fetch_add(1, Ordering::Relaxed);
                    let deadline = if patient { Deadline::NEVER } else { soon() };
                    let notified = condition.wait_until(lock, deadline).unwrap();
                    lock.release().unwrap();
                    usize::from(notified)
                })
            })
            .collect();
        let (lock, condition, waiting) = &*shared;
        // Notify as often as it takes until the patient one has been reached: each count is one.
        let mut notified = 0;
        loop {
            lock.acquire().unwrap();
            if waiting.load(Ordering::Relaxed) == 2 {
                notified += condition.notify(2, lock);
                lock.release().unwrap();
                break;
            }
            lock.release().unwrap();
            thread::yield_now();
        }
        let woken: usize = waiters.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(woken, notified);
        assert!(!lock.is_held());
    });
}

#[test]
fn barrier_lets_two_pass_twice() {
    loom::model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = thread::spawn({
            let barrier = barrier.clone();
            move || barrier.wait().unwrap() + barrier.wait().unwrap()
        });
        let places = barrier.wait().unwrap() + barrier.wait().unwrap();
        assert_eq!(places + other.join().unwrap(), 2);
    });
}

#[test]
fn a_life_is_joined_once_it_has_ended() {
    loom::model(|| {
        let life = Arc::new(ThreadLife::new());
        let thread = thread::spawn({
            let life = life.clone();
            move || {
                life.begin();
                life.end();
            }
        });
        life.join().unwrap();
        assert!(life.has_ended());
        thread.join().unwrap();
    });
}
