//! Waiting for a client: the one wait that is for the outside world and not for another thread.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Waits until one of two files can be read or was closed at its other end, at most for `limit`;
/// says which.
pub(crate) fn wait_readable(files: [BorrowedFd<'_>; 2], limit: Option<Duration>) -> [bool; 2] {
    let each = |file: BorrowedFd<'_>| libc::pollfd {
        fd: file.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut polled = files.map(each);
    let millis = limit
        .map_or(-1, |limit| libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX));
    // SAFETY: two valid entries. An error, such as a signal, leaves both as not readable.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, millis) };
    polled.map(|file| file.revents != 0)
}

/// The number of the user that this process acts for.
pub(crate) fn user_id() -> u32 {
    // SAFETY: no arguments, and it cannot fail.
    unsafe { libc::geteuid() }
}
