//! Keeps the detector and the monitor whole in the child of a fork.

use super::{deadlock, monitor, pools};
use crate::primitive::{ShortGuard, ShortLock};

/// What keeps detector and monitor where they are during a fork.
type Stopped = (ShortGuard<'static, ()>, monitor::Stopped, pools::Kept);

static STOPPED: ShortLock<Option<Stopped>> = ShortLock::new(None);

/// Right before a fork, on the forking thread, before
/// [`wait::before_fork`](crate::wait::before_fork): keeps the detector whole.
///
/// [`after_fork`] must follow, and no wait in between.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn before_fork() {
    let stopped = (deadlock::no_looks(), monitor::no_looks(), pools::no_changes());
    *STOPPED.lock() = Some(stopped);
}

/// After [`before_fork`] and a fork: in the child, and in the parent also when the fork failed. Before
/// the calls of the same kind to `wait`.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn after_fork() {
    let stopped = STOPPED.lock().take();
    drop(stopped);
}

/// In the child of a fork after [`after_fork`] and
/// [`wait::after_fork_in_child`](crate::wait::after_fork_in_child): the monitor's thread is not
/// there, and the next suspicion starts a new one.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
pub(crate) fn after_fork_in_child() {
    monitor::after_fork_in_child();
    deadlock::after_fork_in_child();
    pools::after_fork_in_child();
    #[cfg(unix)]
    super::trace::after_fork_in_child();
}
