//! Waiting for a client: the one wait that is for the outside world and not for another thread.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Waits until one of two files can be read or was closed at its other end, at most for `limit`;
/// says which.
pub(crate) fn wait_readable(files: [BorrowedFd<'_>; 2], limit: Option<Duration>) -> [bool; 2] {
    wait(files, [libc::POLLIN; 2], limit)
}

/// As [`wait_readable`], but for the second file to be written to.
pub(crate) fn wait_writable(files: [BorrowedFd<'_>; 2], limit: Option<Duration>) -> [bool; 2] {
    wait(files, [libc::POLLIN, libc::POLLOUT], limit)
}

fn wait(
    files: [BorrowedFd<'_>; 2],
    events: [libc::c_short; 2],
    limit: Option<Duration>,
) -> [bool; 2] {
    let of = |index: usize| libc::pollfd {
        fd: files[index].as_raw_fd(),
        events: events[index],
        revents: 0,
    };
    let mut polled = [of(0), of(1)];
    let millis = limit
        .map_or(-1, |limit| libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX));
    // SAFETY: two valid entries. An error, such as a signal, leaves both as not ready.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, millis) };
    polled.map(|file| file.revents != 0)
}

/// The number of the user that this process acts for.
pub(crate) fn user_id() -> u32 {
    // SAFETY: no arguments, and it cannot fail.
    unsafe { libc::geteuid() }
}
