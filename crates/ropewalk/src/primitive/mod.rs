//! The swap point between the real machine and the model checker.
//!
//! Rank 1. Everything above imports its atomics, its short lock and its parker from here, so that
//! the same code runs on the operating system and, under `--cfg loom`, in loom's exhaustive search.

mod global;
pub(crate) use global::{OnceLock, global};

mod words;
pub(crate) use words::{WordMap, WordSet};

#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
pub(crate) use os::*;

#[cfg(loom)]
mod model;
#[cfg(loom)]
pub(crate) use model::*;

/// Why [`Parker::park`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParkEnd {
    /// A permit was there, or came.
    Permit,
    /// The deadline passed without one.
    TimedOut,
    /// A signal handler ran on this thread.
    Interrupted,
}

/// Defines a constructor that is `const`, except in a model: loom's types cannot be made in constants.
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty $body:block) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visibility const fn $name($($arg: $type),*) -> $result $body
        #[cfg(loom)]
        $(#[$attribute])*
        $visibility fn $name($($arg: $type),*) -> $result $body
    };
}
pub(crate) use const_unless_loom;
