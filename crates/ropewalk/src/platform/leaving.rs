//! Threads that have ended for everybody who joins them, and that the kernel still has on its list.
//!
//! CPython from 3.12 on counts the process's threads when it has forked, and warns if there are
//! several. A thread that was joined would be among them for some microseconds, in which a program
//! that forks next is not to be warned.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The native ids of the last that said so; 0 where there is none.
static LAST: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// How long a fork waits for them at most: one may have been preempted, on a machine that is busy.
const PATIENCE: Duration = Duration::from_millis(500);
/// Nearly all are gone after that; for the others it sleeps, so that they can run.
const SHORTLY: Duration = Duration::from_millis(1);

/// Notes a thread that is about to end.
pub(crate) fn note_leaving(native_id: u64) {
    // Relaxed, all of them: who forks has joined the thread, or may miss it.
    let place = NEXT.fetch_add(1, Ordering::Relaxed) % LAST.len();
    LAST[place].store(native_id, Ordering::Relaxed);
}

/// Notes the calling thread, which is about to end.
pub(crate) fn note_own_leaving() {
    note_leaving(super::native_id());
}

/// Waits for a moment, until something is so that another thread sees to.
pub(crate) fn wait_a_moment_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() && began.elapsed() < PATIENCE {
        if began.elapsed() < SHORTLY {
            std::thread::yield_now();
        } else {
            #[expect(clippy::disallowed_methods, reason = "the system tells nobody of their end")]
            std::thread::sleep(SHORTLY / 4);
        }
    }
}

/// Waits until the kernel does not count them any more.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn wait_until_left() {
    let began = Instant::now();
    for last in &LAST {
        let native_id = last.swap(0, Ordering::Relaxed);
        if native_id == 0 || native_id == super::native_id() {
            continue;
        }
        let task = format!("/proc/self/task/{native_id}");
        let left = || !Path::new(&task).exists() || began.elapsed() >= PATIENCE;
        wait_a_moment_until(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_was_noted_is_gone_and_one_that_goes_on_is_given_up() {
        let noted = || {
            let id = crate::platform::native_id();
            note_leaving(id);
            id
        };
        let id = std::thread::spawn(noted).join().unwrap();
        wait_until_left();
        // Other tests may have noted theirs. Where a system has no such numbers it is 0.
        let is_noted = |last: &AtomicU64| id != 0 && last.load(Ordering::Relaxed) == id;
        assert!(!LAST.iter().any(is_noted));
        note_leaving(crate::platform::native_id());
        wait_until_left();
    }
}
