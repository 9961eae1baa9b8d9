//! Locks, conditions, semaphores, events and barriers.
//!
//! Rank 3. Each primitive is a state word, a wait queue and a rule; none of them sleeps by itself.
//! What blocks comes as a family: `x` waits, `x_until` waits until a
//! [`Deadline`](crate::wait::Deadline), and `try_x` takes what is there and never waits (an event is
//! asked whether it [`is_set`](Event::is_set); a condition has nothing to be taken). What can end a
//! wait early is a [`WaitError`](crate::wait::WaitError): a deadlock, or an exception of the host's
//! signal handler.
//!
//! Async tasks can wait for a [`Lock`], a semaphore and an [`Event`]. An [`RLock`] belongs to a thread.

#![forbid(unsafe_code)]

mod barrier;
mod condition;
mod event;
mod held;
mod lock;
mod raw;
mod rlock;
mod semaphore;
mod task;
mod thread_life;

pub use barrier::{Barrier, BarrierError};
pub use condition::{Condition, ConditionError};
pub use event::Event;
pub use held::Held;
pub use lock::{Hold, Lock, NotLocked};
pub use rlock::{NotOwner, RLock, RLockHold, Saved};
pub use semaphore::{BoundedSemaphore, Semaphore, TooManyReleases};
pub use task::{Acquire, Awaitable};
pub use thread_life::ThreadLife;
