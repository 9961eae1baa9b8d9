//! What runs around a fork.

/// Has the C library call these around each fork, on the forking thread: `before`, and afterwards
/// one of the others.
pub(crate) fn on_fork(
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
) {
    // SAFETY: the three are functions that live as long as the program. It fails only for want of
    // memory at start-up, and then forks are as unsafe as they are without us.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}
