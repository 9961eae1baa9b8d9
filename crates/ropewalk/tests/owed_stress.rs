//! Wakes that are put off until the waker sleeps: none is lost, whatever the waker does next.
//!
//! The host is one for all tests of a process: here one with a lock that is always held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ropewalk::sync::{Condition, Event, Lock, Semaphore};
use ropewalk::wait::{Host, HostSite, owing, set_host};

/// A host whose lock is held by every thread that is awake.
struct Greedy;

impl Host for Greedy {
    fn detached(&self, sleep: &mut dyn FnMut()) {
        sleep();
    }
    fn attached(&self, work: &mut dyn FnMut()) {
        work();
    }
    fn holds_lock(&self) -> bool {
        true
    }
    fn signals_raised(&self) -> bool {
        false
    }
    fn set_aside(&self) -> Box<dyn FnOnce() + '_> {
        Box::new(|| {})
    }
    fn outside_help(&self) -> bool {
        true
    }
    fn describe_origin(&self, _site: HostSite) -> Option<Arc<str>> {
        None
    }
}

fn greedy() {
    // Another test of this process may have been first.
    let _ = set_host(&Greedy);
}

/// Spins until `done`: the caller neither sleeps nor ends meanwhile.
fn compute_until(done: &AtomicBool) {
    while !done.load(Ordering::Acquire) {
        std::hint::spin_loop();
        thread::yield_now();
    }
}

#[test]
fn a_waker_that_computes_instead_of_sleeping_keeps_nobody_waiting() {
    const ROUNDS: usize = 40;
    greedy();
    let (there, back) = (Semaphore::new(0), Semaphore::new(0));
    let went_on = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                // A habit of the other thread's, then a wake that no sleep follows.
                for _ in 0..200 {
                    there.acquire().unwrap();
                    back.release(1).unwrap();
                }
                there.acquire().unwrap();
                went_on.store(true, Ordering::Release);
            }
        });
        for _ in 0..ROUNDS {
            for _ in 0..200 {
                there.release(1).unwrap();
                back.acquire().unwrap();
            }
            there.release(1).unwrap();
            compute_until(&went_on);
            went_on.store(false, Ordering::Relaxed);
        }
    });
}

#[test]
fn many_threads_with_habits_and_without() {
    // More than there are places for wakes that are put off.
    const PAIRS: usize = 24;
    const TURNS: usize = 500;
    greedy();
    let turns = AtomicUsize::new(0);
    thread::scope(|scope| {
        for seed in 0..PAIRS {
            let ends = Arc::new((Semaphore::new(0), Semaphore::new(0)));
            let theirs = ends.clone();
            scope.spawn(move || {
                for _ in 0..TURNS {
                    theirs.0.acquire().unwrap();
                    theirs.1.release(1).unwrap();
                }
            });
            let turns = &turns;
            scope.spawn(move || {
                for turn in 0..TURNS {
                    ends.0.release(1).unwrap();
                    if (turn * 7 + seed) % 97 == 0 {
                        // Not the sleep that was expected.
                        thread::yield_now();
                    }
                    ends.1.acquire().unwrap();
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(turns.load(Ordering::Relaxed), PAIRS * TURNS);
}

#[test]
fn a_wake_that_is_owed_is_given_at_the_end_of_the_thread() {
    greedy();
    for _ in 0..200 {
        let ended = Arc::new(Event::new());
        let its = ended.clone();
        let thread = thread::spawn(move || owing(|| its.set()));
        ended.wait().unwrap();
        thread.join().unwrap();
    }
}

#[test]
fn two_wakes_before_a_sleep_are_both_given() {
    greedy();
    let (first, second) = (Event::new(), Event::new());
    let both = Semaphore::new(0);
    thread::scope(|scope| {
        for event in [&first, &second] {
            let both = &both;
            scope.spawn(move || {
                event.wait().unwrap();
                both.release(1).unwrap();
            });
        }
        owing(|| {
            first.set();
            second.set();
        });
        both.acquire().unwrap();
        both.acquire().unwrap();
    });
}

#[test]
fn conditions_pass_a_turn_round() {
    const PLAYERS: usize = 3;
    const TURNS: usize = 300;
    greedy();
    let (lock, changed, turn) = (Lock::new(), Condition::new(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for me in 0..PLAYERS {
            let (lock, changed, turn) = (&lock, &changed, &turn);
            scope.spawn(move || {
                for _ in 0..TURNS {
                    let _held = lock.hold().unwrap();
                    while turn.load(Ordering::Relaxed) % PLAYERS != me {
                        changed.wait(lock).unwrap();
                    }
                    turn.fetch_add(1, Ordering::Relaxed);
                    changed.notify(usize::MAX, lock);
                }
            });
        }
    });
    assert_eq!(turn.load(Ordering::Relaxed), PLAYERS * TURNS);
}
