//! The futex system call.
//!
//! The standard library's wrapper restarts after EINTR, so a thread that sleeps in it can never
//! run a signal handler of its language; ours reports it. Deadlines are absolute on
//! `CLOCK_MONOTONIC` (`FUTEX_WAIT_BITSET`), so a restart does not stretch them.

use std::sync::atomic::AtomicU32;

use super::FutexEnd;

/// Sleeps while `word` holds `expected`, at most until `deadline` (nanoseconds of [`super::now`]).
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Option<u64>) -> FutexEnd {
    let timespec = deadline.map(|at| libc::timespec {
        // A deadline is at most 2^63 ns (292 years): it fits.
        tv_sec: libc::time_t::try_from(at / 1_000_000_000).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::try_from(at % 1_000_000_000).unwrap_or(0),
    });
    let timeout = timespec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `word` is a live, aligned 32-bit word; `timeout` is null or points at a timespec that
    // lives through the call; FUTEX_WAIT_BITSET takes no second address.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            expected,
            timeout,
            std::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
    if result == 0 {
        return FutexEnd::Woken;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => FutexEnd::TimedOut,
        Some(libc::EINTR) => FutexEnd::Interrupted,
        // EAGAIN: the word had changed already.
        _ => FutexEnd::Woken,
    }
}

/// Wakes one thread that sleeps on `word`, if there is one.
pub(crate) fn wake(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE only uses the address as a key; a stale one wakes nobody.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_word_does_not_sleep_and_a_past_deadline_times_out() {
        let word = AtomicU32::new(1);
        assert_eq!(wait(&word, 0, None), FutexEnd::Woken);
        assert_eq!(wait(&word, 1, Some(1)), FutexEnd::TimedOut);
        assert_eq!(wait(&word, 1, Some(super::super::now() + 1_000_000)), FutexEnd::TimedOut);
    }
}
