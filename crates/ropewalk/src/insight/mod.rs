//! Answers from a running program: a socket at which the user can ask who waits for what.
//!
//! Rank 3. What is answered comes from [`crate::watch::snapshot`]; here are its form and the way
//! out. Only on systems with Unix sockets.

#![forbid(unsafe_code)]

mod client;
mod folder;
mod json;
mod server;

pub use folder::folder;
pub use json::{report_rows, rows, to_json};
pub use server::{Questions, serve, serve_when_needed, stop};
pub(crate) use server::{after_fork, before_fork};
