//! In a model every wake is given at once.

use super::runtime::sched;
use super::thread::ThreadRef;

/// Runs `work`.
pub fn owing<R>(work: impl FnOnce() -> R) -> R {
    work()
}

pub(super) fn wake(thread: ThreadRef) {
    sched().wake(&thread.parker);
}

pub(crate) fn is_about_to_sleep() -> bool {
    false
}

pub(super) fn pay() {}

pub(super) fn before_fork() {}
pub(super) fn after_fork() {}
pub(super) fn after_fork_in_child() {}

/// Nothing is owed.
pub fn let_go() {}
