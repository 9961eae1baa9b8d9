//! Things that happen at a time: timers, on threads that all timers share.

#![forbid(unsafe_code)]

mod runners;
mod schedule;
mod timer;

#[cfg(unix)]
pub(crate) use runners::{after_fork_in_child, after_fork_in_parent, before_fork, end_if_idle};
pub use timer::{StartError, Timer};
