//! Queues between threads: first in first out, last in first out, smallest first, and a simple one.
//!
//! Each operation comes as a family: `try_x` never waits, `x` waits as long as it takes, `x_until`
//! waits until a deadline. What does not succeed says why with a small error ([`PutError`],
//! [`GetError`], [`JoinError`]), and an item that was not put comes back in it.

#![forbid(unsafe_code)]

mod error;
mod fifo;
mod heap;
mod lifo;
mod methods;
mod priority;
mod shared;
mod simple;
mod state;

pub use error::{GetError, JoinError, PutError, TooManyTasksDone};
pub use fifo::Queue;
pub use heap::{Natural, Order};
pub use lifo::LifoQueue;
pub use priority::PriorityQueue;
pub use simple::SimpleQueue;
pub use state::Contents;
