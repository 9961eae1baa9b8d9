//! Queues between threads: first in first out, last in first out, smallest first, and a simple one.
//!
//! To put, to get and to join wait as long as it takes, or until a deadline: `put_until` and so on.
//! `try_put` and `try_get` wait for no place and no item; with a [`PriorityQueue`] they wait for
//! another thread's comparison all the same. What does not succeed says why with a small error ([`PutError`],
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
