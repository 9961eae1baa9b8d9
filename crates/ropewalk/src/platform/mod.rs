//! Everything that talks to the operating system: the futex, the clock, thread identities.
//!
//! Rank 0. All foreign calls of the core are here. Linux has its own file; every other system
//! uses the portable one, which is built on the standard library's mutex and condition variable
//! (and which is tested on Linux with `--cfg ropewalk_portable`).

#[cfg(unix)]
mod chunk;
mod clock;
#[cfg(unix)]
mod fork;
mod leaving;
#[cfg(unix)]
mod new_file;
#[cfg(unix)]
mod own_file;
#[cfg(unix)]
mod poll;
mod signals;
mod tasks;
mod thread;

#[cfg(all(target_os = "linux", not(ropewalk_portable)))]
#[path = "futex_linux.rs"]
mod futex;
#[cfg(any(not(target_os = "linux"), ropewalk_portable))]
#[path = "futex_portable.rs"]
mod futex;

#[cfg(unix)]
pub(crate) use chunk::{Chunk, GRAIN, smallest};
pub(crate) use clock::{coarse_lag, now, now_coarse};
#[cfg(unix)]
pub(crate) use fork::on_fork;
pub(crate) use futex::{wait, wake};
pub(crate) use leaving::{note_leaving, note_own_leaving, wait_a_moment_until, wait_until_left};
#[cfg(unix)]
pub(crate) use new_file::new_file;
#[cfg(unix)]
pub(crate) use own_file::OwnFile;
#[cfg(unix)]
pub(crate) use poll::{user_id, wait_readable, wait_writable};
pub(crate) use signals::{SignalMask, without_signals};
pub(crate) use tasks::{TaskState, task_cpu_ns, task_state, tasks_of, unknown_tasks};
pub(crate) use thread::{
    cores, is_main_thread, native_id, other_threads, process_is_new, word as thread_word,
};

/// Why [`wait`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FutexEnd {
    /// A wake, a spurious return, or the word no longer had the expected value: look again.
    Woken,
    /// The deadline passed.
    TimedOut,
    /// A signal handler ran on this thread (EINTR).
    #[cfg_attr(
        any(not(target_os = "linux"), ropewalk_portable),
        expect(dead_code, reason = "the portable futex knows no EINTR")
    )]
    Interrupted,
}
