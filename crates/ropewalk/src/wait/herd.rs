//! Many threads that are woken at once, on a host with one lock.
//!
//! All of them want the host's lock next, and only one can have it. Hundreds that wait for it together
//! cost more than what they do with it: each is woken to find it taken, and asks for it again every
//! few milliseconds. So a few are woken, and each thread whose wait ends wakes the next: by then it has
//! the lock. If none has come for some time, as somebody keeps the lock, the bailiff (`owed.rs`) wakes
//! one more, up to a limit: threads that compute take turns of five milliseconds (CPython's), and more
//! should stand in line than where each is done in some microseconds.
//!
//! Invariants:
//! 1. Who is in `REST` was notified; only the system call is put off.
//! 2. While `REST` is not empty, there is a thread that was woken and has not come to `next` yet: each
//!    that comes takes one out and wakes it, and `AT_ONCE` were woken to begin with. A thread that
//!    ends its wait by itself before its turn comes to `next` as well, so that the wake that it does
//!    not need any more is made up for. (One that never comes is one that the host ends at its exit.)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::runtime::sched;
use super::thread::ThreadRef;
#[cfg(not(loom))]
use crate::primitive::ShortGuard;
use crate::primitive::{ShortLock, global};

/// So many are woken by the waker.
pub(super) const AT_ONCE: usize = 8;

global! { static REST: ShortLock<VecDeque<ThreadRef>> = ShortLock::new(VecDeque::new()); }

/// Whether `REST` may have somebody. Not one of a model's atomics: no model has a host's lock.
static ANY: AtomicBool = AtomicBool::new(false);

/// How many looks of the bailiff there were since somebody came to `next`.
static STILL: AtomicU32 = AtomicU32::new(0);

/// After so many the bailiff wakes one.
const PATIENCE: u32 = 5;

/// How many it has woken since `REST` was empty.
static HELPED: AtomicU32 = AtomicU32::new(0);

/// So many it may. Without a limit it would wake all of them on a machine so busy that a thread with
/// the lock does not run for long.
const MOST_HELPED: u32 = 32;

/// Puts the wakes of these threads off.
pub(super) fn put_off(threads: impl Iterator<Item = ThreadRef>) {
    let mut rest = REST.lock();
    if rest.is_empty() {
        HELPED.store(0, Ordering::Relaxed);
    }
    rest.extend(threads);
    // Relaxed: whoever is woken after this sees it.
    ANY.store(!rest.is_empty(), Ordering::Relaxed);
}

fn is_empty() -> bool {
    !ANY.load(Ordering::Relaxed)
}

/// The wait of the calling thread is over, and it has the host's lock: wakes the next one.
#[inline]
pub(super) fn next() {
    if !is_empty() {
        STILL.store(0, Ordering::Relaxed);
        wake_one();
    }
}

#[cold]
fn wake_one() {
    let thread = {
        let mut rest = REST.lock();
        let thread = rest.pop_front();
        ANY.store(!rest.is_empty(), Ordering::Relaxed);
        thread
    };
    if let Some(thread) = thread {
        sched().wake(&thread.parker);
    }
}

/// A look of the bailiff's: whether it must look again.
#[cfg(not(loom))]
pub(super) fn look() -> bool {
    if is_empty() {
        return false;
    }
    if STILL.fetch_add(1, Ordering::Relaxed) >= PATIENCE
        && HELPED.load(Ordering::Relaxed) < MOST_HELPED
    {
        STILL.store(0, Ordering::Relaxed);
        HELPED.fetch_add(1, Ordering::Relaxed);
        wake_one();
    }
    true
}

/// What keeps the list whole during a fork.
#[cfg(not(loom))]
pub(super) fn lock() -> ShortGuard<'static, VecDeque<ThreadRef>> {
    REST.lock()
}

/// In the child of a fork: nobody is there to be woken.
#[cfg(not(loom))]
pub(super) fn after_fork_in_child() {
    let gone = std::mem::take(&mut *REST.lock());
    ANY.store(false, Ordering::Relaxed);
    drop(gone);
}
