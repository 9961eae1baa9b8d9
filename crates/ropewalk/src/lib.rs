//! Locks, conditions, semaphores, events, barriers, timers, queues, futures and thread pools on **one
//! wait point**.
//!
//! Everything that blocks in this crate goes through one function, so that timeouts, signals,
//! fairness, deadlock detection and insight are each written once and every primitive has them.
//! The crate knows no Python; the package `ropewalk` for Python is a thin face on it.
//!
//! ```
//! use ropewalk::sync::{Condition, Lock};
//!
//! let lock = Lock::new();
//! {
//!     let _held = lock.hold()?;
//!     assert!(!lock.try_acquire());
//! }
//! assert!(lock.try_acquire());
//! lock.release()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod exec;
#[cfg(not(loom))]
pub mod fork;
#[cfg(all(unix, not(loom)))]
pub mod insight;
// A model swaps the platform out.
#[cfg_attr(loom, expect(dead_code, unused_imports, reason = "swapped out"))]
mod platform;
mod primitive;
pub mod queue;
mod sched;
pub mod sync;
#[cfg(not(loom))]
pub mod time;
pub mod wait;
pub mod watch;
