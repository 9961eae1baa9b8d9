//! The wait point: the one place where a thread of the runtime goes to sleep.
//!
//! Rank 2. Every primitive is a state word, a `WaitQueue` and a rule; all of them block by
//! calling `park`. The protocol, its states, races and numbered invariants are in `README.md`
//! beside this file; comments that say "invariant 3" mean that list.

mod deadline;
mod ended;
mod fair;
#[cfg(not(loom))]
mod herd;
#[cfg(loom)]
#[path = "herd_model.rs"]
mod herd;
mod object;
#[cfg(not(loom))]
mod owed;
// A model has no host whose lock a woken thread could want.
#[cfg(loom)]
#[path = "owed_model.rs"]
mod owed;
mod panics;
mod park;
mod queue;
mod registry;
#[cfg(all(unix, not(loom)))]
mod released;
mod report;
mod runtime;
mod sampling;
mod site;
#[cfg(not(loom))]
mod spin;
#[cfg(loom)]
#[path = "spin_model.rs"]
mod spin;
mod tally;
mod task;
mod thread;
mod wakes;

pub use deadline::Deadline;
pub use ended::{EndedThreads, keep_ended};
pub use object::{Look, ObjectInfo, ObjectRef, objects};
pub use owed::{let_go, owing};
pub use registry::{blocked_threads, current, find, threads};
pub use report::{Deadlock, Link};
pub use runtime::{
    Depth, Host, HostSite, Observer, Origin, Resource, ResourceKind, Verdict, WaitError, set_host,
    set_observer,
};
pub use site::Site;
pub use tally::{WaitedFor, Waits};
pub use thread::{ThreadInfo, ThreadRef, WaitView};

#[cfg(not(loom))]
pub(crate) use ended::ended_threads;
#[cfg(not(loom))]
pub(crate) use ended::keeps as keeps_ended;
#[cfg(all(unix, not(loom)))]
pub(crate) use ended::measure_exactly;
pub(crate) use fair::starved;
#[cfg(not(loom))]
pub(crate) use object::gone_objects;
#[cfg(all(unix, not(loom)))]
pub(crate) use owed::end_if_idle;
pub(crate) use owed::is_about_to_sleep;
pub(crate) use panics::survives;
pub(crate) use park::{NextLock, Park, Parked, Since, park, park_and_take};
pub(crate) use queue::{HANDOFF, List as WaitList, NORMAL, Token, WaitQueue};
#[cfg(all(unix, not(loom)))]
pub(crate) use registry::{after_fork_in_child, after_fork_in_parent, before_fork};
pub(crate) use registry::{ends_with_last_thread, find as find_by_word, live_threads};
pub(crate) use runtime::{Sched, SleepEnd, host};
pub(crate) use task::TaskWait;
pub(crate) use thread::queued_threads;
pub(crate) use wakes::WakeList;
