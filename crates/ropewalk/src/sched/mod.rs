//! Who sleeps how: the operating system now, an explorer of schedules later.

#![forbid(unsafe_code)]

mod os;

pub(crate) use os::OS;
