//! Many threads that are woken at once, on a host with one lock.
//!
//! All of them want the host's lock next, and only one can have it. Hundreds that wait for it together
//! cost more than what they do with it: each is woken to find it taken, and asks for it again every
//! few milliseconds. So a few are woken, and each wakes the next when it has the lock. If none has come
//! for some time, as somebody keeps the lock, the bailiff (`owed.rs`) wakes one more: of threads that
//! compute, each for CPython's turn of five milliseconds, more should stand in line than of those that
//! are done in some microseconds. Each time it waits a little longer: on a busy machine a thread with
//! the lock may not run for long, and to wake more is no help then.
//!
//! Invariants:
//! 1. Who is in `REST` was notified; only the system call is put off.
//! 2. All of a herd are marked (`ThreadInfo::in_herd`), and each wakes one of `REST` when a wait of its
//!    own ends, once. So while `REST` is not empty there is one that is awake, or has a wake coming, and
//!    has not done so yet; also if some end their wait by themselves before their turn. (Whoever ends
//!    it before it is marked, is marked again before that, panics or is ended by the host wakes none;
//!    there are others, and the bailiff.)

use std::collections::VecDeque;

use super::owed;
use super::runtime::sched;
use super::thread::{ThreadInfo, ThreadRef};
use crate::primitive::{AtomicBool, AtomicU32, Ordering, ShortGuard, ShortLock};

/// So many are woken by the waker.
const AT_ONCE: usize = 8;
/// After so many looks at which nothing moved the bailiff wakes one: the first time, and one more each
/// further time.
const PATIENCE: u32 = 5;

static REST: ShortLock<VecDeque<ThreadRef>> = ShortLock::new(VecDeque::new());
/// Whether somebody is in `REST`.
static ANY: AtomicBool = AtomicBool::new(false);
/// How many looks of the bailiff there were since one of the herd woke the next.
static STILL: AtomicU32 = AtomicU32::new(0);
/// How many the bailiff has woken since `REST` was empty.
static HELPED: AtomicU32 = AtomicU32::new(0);

/// Leaves those whom the caller is to wake now, and puts the wakes of the others off.
pub(super) fn keep_a_few(threads: &mut Vec<ThreadRef>) {
    if threads.len() <= AT_ONCE || !owed::can_put_off() {
        return;
    }
    // First: a thread without the host's lock may end its wait at once.
    let mut rest = REST.lock();
    for thread in &*threads {
        thread.in_herd.store(true, Ordering::Relaxed);
    }
    if rest.is_empty() {
        HELPED.store(0, Ordering::Relaxed);
    }
    rest.extend(threads.drain(AT_ONCE..));
    ANY.store(true, Ordering::Relaxed);
    drop(rest);
    owed::look_after_herd();
}

/// A wait of the calling thread is over, and it has the host's lock: if it was woken with others, it
/// wakes the next one.
#[inline]
pub(super) fn next(me: &ThreadInfo) {
    // Relaxed, all of them: whoever is woken sees what its waker did before.
    if me.in_herd.load(Ordering::Relaxed) {
        me.in_herd.store(false, Ordering::Relaxed);
        STILL.store(0, Ordering::Relaxed);
        wake_one();
    }
}

/// Whether some wake was put off.
pub(super) fn is_any() -> bool {
    !REST.lock().is_empty()
}

/// A look of the bailiff's: whether it must look again.
pub(super) fn look() -> bool {
    if !ANY.load(Ordering::Relaxed) {
        return false;
    }
    let helped = HELPED.load(Ordering::Relaxed);
    if STILL.fetch_add(1, Ordering::Relaxed) >= PATIENCE + helped {
        STILL.store(0, Ordering::Relaxed);
        HELPED.store(helped + 1, Ordering::Relaxed);
        wake_one();
    }
    true
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

/// There is no bailiff: wakes all.
#[cold]
pub(super) fn wake_all() {
    while ANY.load(Ordering::Relaxed) {
        wake_one();
    }
}

/// What keeps the list whole during a fork.
pub(super) fn lock() -> ShortGuard<'static, VecDeque<ThreadRef>> {
    REST.lock()
}

/// In the child of a fork: nobody is there to be woken.
pub(super) fn after_fork_in_child() {
    let gone = std::mem::take(&mut *REST.lock());
    ANY.store(false, Ordering::Relaxed);
    drop(gone);
}
