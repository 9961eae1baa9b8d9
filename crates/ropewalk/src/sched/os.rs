//! Sleeping on the operating system. The only file of the core that puts a thread to sleep.

use crate::primitive::Parker;
use crate::wait::{Sched, SleepEnd};

/// The operating system's scheduler.
#[derive(Debug)]
pub(crate) struct Os;

/// Its one instance.
pub(crate) static OS: Os = Os;

impl Sched for Os {
    fn sleep(&self, parker: &Parker, deadline: Option<u64>) -> SleepEnd {
        parker.park(deadline)
    }

    fn wake(&self, parker: &Parker) {
        parker.unpark();
    }
}
