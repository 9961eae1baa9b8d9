//! What the runtime knows of its threads: who waits for what, deadlocks, the order of locks, traces.
//!
//! A wait that can never end fails with [`WaitError::Deadlock`](crate::wait::WaitError::Deadlock):
//! one that closes a cycle of waits for what only its owner can release (an
//! [`RLock`](crate::sync::RLock), a thread's end, a task), and one after which every thread of the
//! process would wait for ever, where the system lists them (Linux). What else may be a deadlock, such as a cycle with a
//! [`Lock`](crate::sync::Lock) in it while some thread runs, is told once to the reporter
//! ([`set_reporter`]).
//!
//! Only waits for things of this crate are seen:
//!
//! - A thread that waits for something else, std's `JoinHandle::join` or a channel, say, counts as one
//!   that runs, and so as one that may help. Have threads joined by a
//!   [`ThreadLife`](crate::sync::ThreadLife) or be those of a pool, where that matters.
//! - The main thread in [`Event::wait`](crate::sync::Event::wait) is how programs wait for Ctrl-C: if
//!   all others wait for ever as well, that is told, and nothing is refused.
//!
//! Rank 2. It meets the wait point through the traits in `wait`.

#![forbid(unsafe_code)]

mod deadlock;
#[cfg(all(unix, not(loom)))]
mod events;
// There is no fork in a model.
#[cfg(not(loom))]
mod fork;
#[cfg(all(unix, not(loom)))]
mod held;
mod knot;
mod monitor;
#[cfg(not(loom))]
mod on_wait;
#[cfg(all(unix, not(loom)))]
mod order;
#[cfg(not(loom))]
mod pools;
#[cfg(not(loom))]
mod report;
#[cfg(all(unix, not(loom)))]
mod samples;
#[cfg(not(loom))]
mod snapshot;
#[cfg(all(unix, not(loom)))]
mod trace;

pub(crate) use deadlock::detector;
#[cfg(all(unix, not(loom)))]
pub(crate) use deadlock::thread_helps_nobody;
pub use deadlock::{
    Mode, mode, set_mode, starting_threads, thread_has_started, thread_is_leaving,
    thread_is_starting,
};
#[cfg(all(unix, not(loom)))]
pub(crate) use fork::{after_fork, after_fork_in_child, before_fork};
#[cfg(all(unix, not(loom)))]
pub use held::{
    Taking, lock_given_up, lock_released, lock_taken, lock_wanted, lock_wanted_again, notes_locks,
};
pub(crate) use knot::pool_was_made;
#[cfg(all(unix, not(loom)))]
pub(crate) use monitor::end_if_idle;
pub use monitor::{Reporter, set_grace, set_reporter};
#[cfg(not(loom))]
pub(crate) use on_wait::once_on_wait;
#[cfg(all(unix, not(loom)))]
pub use order::{Inversion, Pair, Taken, checks_lock_order, lock_gone, set_lock_order};
#[cfg(not(loom))]
pub(crate) use pools::{PoolInfo, PoolState};
#[cfg(not(loom))]
pub use pools::{PoolLook, pools};
#[cfg(not(loom))]
pub use report::{Report, report};
#[cfg(not(loom))]
pub use snapshot::{
    ObjectLook, Snapshot, ThreadLook, ThreadState, WaitLook, find_deadlocks, snapshot,
};
#[cfg(all(unix, not(loom)))]
pub use trace::{is_tracing, start_trace, stop_trace};
