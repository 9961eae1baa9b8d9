//! The waits of threads that have ended: kept only if somebody wants a report.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::tally::WaitedFor;
use super::thread::{ThreadInfo, ThreadRef};
use crate::platform;
use crate::primitive::{ShortLock, global};

static KEEPS: AtomicBool = AtomicBool::new(false);
static EXACT: AtomicBool = AtomicBool::new(false);
global! { static ENDED: ShortLock<Option<EndedThreads>> = ShortLock::new(None); }

/// What was kept of threads that have ended.
#[derive(Debug, Clone, Default)]
pub struct EndedThreads {
    /// How many there were, without the background threads of the runtime.
    pub count: usize,
    /// How long they ran on a core, where the kernel says so.
    pub ran: Duration,
    /// What they waited for.
    pub waited: Vec<WaitedFor>,
    /// How long they waited, after they were woken, for the host's own lock.
    pub waited_for_host: Duration,
}

impl EndedThreads {
    /// Adds what a thread did.
    pub(crate) fn add(&mut self, thread: &ThreadInfo, ran: Duration, waited: &[WaitedFor]) {
        self.count += usize::from(!thread.is_background());
        self.ran += ran;
        self.waited_for_host += thread.waited_for_host();
        for each in waited {
            match self.waited.iter_mut().find(|sum| sum.kind == each.kind) {
                Some(sum) => {
                    sum.count += each.count;
                    sum.total += each.total;
                }
                None => self.waited.push(*each),
            }
        }
    }
}

impl ThreadInfo {
    /// Names a background thread of the runtime: it is not counted with the program's.
    pub(crate) fn set_background(&self, name: &str) {
        self.set_name(name);
        // Relaxed: no more depends on it than a count.
        self.role.store(2, Ordering::Relaxed);
    }

    /// Whether it is a background thread of the runtime.
    pub(crate) fn is_background(&self) -> bool {
        // Relaxed: as above.
        self.role.load(Ordering::Relaxed) == 2
    }
}

/// Has the waits of threads that end and for things that go be kept from now on, and the time be
/// measured that threads wait for the host's own lock.
pub fn keep_ended() {
    KEEPS.store(true, Ordering::Relaxed);
    measure_exactly();
}

/// Has waits be measured until the thread has the host's lock again, from now on.
pub(crate) fn measure_exactly() {
    EXACT.store(true, Ordering::Relaxed);
}

/// Whether somebody wants to know how long threads wait for the host's lock.
pub(super) fn is_exact() -> bool {
    // Relaxed: it is switched on before the program begins.
    EXACT.load(Ordering::Relaxed)
}

/// Whether they are kept.
pub(crate) fn keeps() -> bool {
    // Relaxed: it is switched on before the program begins.
    KEEPS.load(Ordering::Relaxed)
}

/// What was kept of the threads that have ended, since [`keep_ended`]. Those that are in it are taken
/// out of `others`, the threads that were registered before the call: they may end at any time.
pub(crate) fn ended_threads(others: &mut Vec<ThreadRef>) -> EndedThreads {
    let ended = ENDED.lock();
    // Relaxed: written under the lock.
    others.retain(|thread| !thread.is_summed_up.load(Ordering::Relaxed));
    ended.clone().unwrap_or_default()
}

/// A thread ends; on that thread.
pub(super) fn thread_ends(thread: &ThreadInfo) {
    if keeps() {
        let ran =
            platform::task_cpu_ns(thread.native_id()).map_or(Duration::ZERO, Duration::from_nanos);
        let waited = thread.waited_for();
        let mut ended = ENDED.lock();
        ended.get_or_insert_default().add(thread, ran, &waited);
        thread.is_summed_up.store(true, Ordering::Relaxed);
    }
}

/// Keeps the sums whole during a fork.
pub(super) fn before_fork() {
    std::mem::forget(ENDED.lock());
}

/// After a fork, in both processes.
pub(super) fn after_fork() {
    // SAFETY: `before_fork` holds it on this thread's behalf; nothing was left half done.
    unsafe { ENDED.reset() };
}

/// In the child of a fork: the report is the parent's.
pub(super) fn after_fork_in_child() {
    KEEPS.store(false, Ordering::Relaxed);
    let sums = ENDED.lock().take();
    drop(sums);
}
