//! A futex for systems on which we have none of our own: a small table of mutexes and condition
//! variables, chosen by the word's address.
//!
//! It knows no EINTR (the standard library restarts its waits), so on these systems a blocked
//! thread runs signal handlers only after it is woken.

#![expect(clippy::disallowed_types, reason = "what these systems have to sleep on")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{FutexEnd, now};

struct Bucket {
    gate: Mutex<()>,
    changed: Condvar,
}

const BUCKETS: usize = 64;
static TABLE: [Bucket; BUCKETS] =
    [const { Bucket { gate: Mutex::new(()), changed: Condvar::new() } }; BUCKETS];

fn bucket(word: &AtomicU32) -> &'static Bucket {
    let address = std::ptr::from_ref(word) as usize;
    &TABLE[(address >> 6) % BUCKETS]
}

fn enter(bucket: &Bucket) -> MutexGuard<'_, ()> {
    bucket.gate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps while `word` holds `expected`, at most until `deadline` (nanoseconds of [`super::now`]).
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Option<u64>) -> FutexEnd {
    let bucket = bucket(word);
    let guard = enter(bucket);
    // Relaxed: whoever changes the word takes the gate before it wakes us.
    if word.load(Ordering::Relaxed) != expected {
        return FutexEnd::Woken;
    }
    match deadline {
        None => drop(bucket.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)),
        Some(at) => {
            let left = Duration::from_nanos(at.saturating_sub(now()));
            if left.is_zero() {
                return FutexEnd::TimedOut;
            }
            // An early or spurious return is `Woken`: the caller looks again.
            drop(bucket.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner));
        }
    }
    FutexEnd::Woken
}

/// Wakes the threads that sleep on `word` (and, harmlessly, others that share its bucket).
pub(crate) fn wake(word: &AtomicU32) {
    let bucket = bucket(word);
    drop(enter(bucket));
    bucket.changed.notify_all();
}
