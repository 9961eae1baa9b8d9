//! Futures and thread pools.
//!
//! Rank 4. For Rust programs there are [`ThreadPool`], [`Future`], [`wait`] and [`as_completed`].
//!
//! They stand on parts that run no code of a user and start no thread, so that a host can embed them:
//! a [`FutureCell`] is a task's state and outcome, a [`Collector`] waits for several of them, a
//! [`WorkQueue`] hands jobs to threads.

#![forbid(unsafe_code)]

#[cfg(not(loom))]
mod builder;
mod cell;
mod collector;
mod crew;
// What starts threads is no part of a model.
#[cfg(not(loom))]
mod future;
mod hosted;
mod jobs;
#[cfg(not(loom))]
mod pool;
mod scouts;
mod seat;
mod state;
mod submit;
#[cfg(not(loom))]
mod task;
#[cfg(not(loom))]
mod wait;
mod watchers;
mod work;

#[cfg(not(loom))]
pub use builder::Builder;
pub use cell::{Cancel, FutureCell, Outcome, Watch};
pub use collector::{Collector, Goal};
pub use crew::{Crew, Futures, Helper};
#[cfg(not(loom))]
pub use future::{Future, Panic, Payload, TaskError};
#[cfg(not(loom))]
pub use pool::{Submitter, ThreadPool};
pub use scouts::Launch;
pub use seat::{Next, Seat};
pub use state::State;
pub use submit::{SubmitError, Submitted};
#[cfg(not(loom))]
pub use wait::{AsCompleted, Until, Waited, as_completed, wait};
pub use watchers::Fired;
pub use work::{Phase, WorkQueue};
