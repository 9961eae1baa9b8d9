//! Tells of suspected deadlocks, once each, after a grace period.
//!
//! A suspected deadlock may dissolve: a thread outside it may release the lock. So a suspicion only
//! arms the monitor, a background thread that is started with the first one. When the grace period
//! is over it looks at all threads, and reports what has lasted that long. A program in which
//! threads hand each other locks arms it again and again, which is one look at the clock each time.
//!
//! In a process that ends with its last thread the monitor must not be that: there it looks now and
//! then whether the others are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::deadlock::{DETECTOR, Everybody, Mode, mode, youngest_wait};
use crate::platform;
#[cfg(not(loom))]
use crate::primitive::ShortGuard;
use crate::primitive::{OnceLock, ShortLock, WordSet, global, now, now_coarse};
#[cfg(not(loom))]
use crate::wait::WaitList;
use crate::wait::{
    Deadline, Deadlock, Link, NORMAL, Park, Resource, ResourceKind, WaitQueue, WaitView,
    blocked_threads, current, ends_with_last_thread, find_by_word, host, live_threads, park,
    survives, threads,
};

/// The monitor's thread, and when it looks next.
#[derive(Debug)]
struct Monitor {
    /// When the next look is due; `NEVER` if there is no reason for one.
    due: AtomicU64,
    /// How long it sleeps before it looks again whether a thread that it does not know is gone.
    pause: AtomicU64,
    /// The youngest wait there was when all threads were last seen waiting; 0 if they were not.
    seen: AtomicU64,
    running: ShortLock<bool>,
    is_to_end: AtomicBool,
    /// Whether it looks, for which it may wait for the host.
    looks: AtomicBool,
    /// Those that last, which are to be told only once.
    known: ShortLock<Known>,
    queue: WaitQueue,
}

/// The deadlocks that the reporter was asked to tell of, by their waits, sorted; `None` if it did not:
/// a lock may stand for a message.
type Known = BTreeMap<Vec<Wait>, Option<Deadlock>>;

/// A thread, what it waits for, and since when: it may wait for the same once more.
type Wait = (usize, usize, u64);

const NEVER: u64 = u64::MAX;
const SHORTEST_PAUSE: u64 = 100_000_000;
const LONGEST_PAUSE: u64 = 60_000_000_000;

global! {
    static MONITOR: Monitor = Monitor {
        due: AtomicU64::new(NEVER),
        pause: AtomicU64::new(SHORTEST_PAUSE),
        seen: AtomicU64::new(0),
        running: ShortLock::new(false),
        is_to_end: AtomicBool::new(false),
        looks: AtomicBool::new(false),
        known: ShortLock::new(Known::new()),
        queue: WaitQueue::new(),
    };
}

static GRACE_NS: AtomicU64 = AtomicU64::new(10_000_000_000);
static REPORTER: OnceLock<Reporter> = OnceLock::new();

/// Tells of a deadlock; `false` if it does not, as what is suspected is a way to use a lock.
pub type Reporter = fn(&Deadlock) -> bool;

/// Sets how long a suspected deadlock must last before it is reported. The default is 10 seconds.
pub fn set_grace(grace: Duration) {
    let nanos = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4);
    GRACE_NS.store(nanos, Ordering::Relaxed);
}

/// Sets who is told of suspected deadlocks; the first one stays. It is called on the monitor's own
/// thread, attached to the host. Without one, nobody is told.
pub fn set_reporter(reporter: Reporter) {
    let _ = REPORTER.set(reporter);
}

impl Resource for Monitor {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Idle
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

/// Has the monitor look at a suspected deadlock when the grace period is over, at a certain one at
/// once.
pub(super) fn suspect(certain: bool) {
    if REPORTER.get().is_some() {
        let grace = if certain { 0 } else { GRACE_NS.load(Ordering::Relaxed) };
        // Threads that hand each other locks come here all the time: a clock that costs little, and
        // is late, is enough to see that a look is due early enough.
        if MONITOR.due.load(Ordering::Relaxed) > now_coarse().saturating_add(grace) {
            look_in(grace);
        }
    }
}

/// Has the monitor look whether all threads wait for each other: the thread that should do so itself
/// saw one that it did not know, which may be about to end.
pub(super) fn look_soon() {
    look_in(MONITOR.pause.load(Ordering::Relaxed));
}

/// Has the monitor look at once: all threads wait, `youngest` being the wait that began last. Not if
/// it has looked at just that already.
pub(super) fn look_unless_seen(youngest: u64) {
    if MONITOR.seen.load(Ordering::Relaxed) != youngest {
        look_in(0);
    }
}

fn look_in(nanos: u64) {
    let due = now().saturating_add(nanos);
    if MONITOR.due.load(Ordering::Relaxed) <= due
        || MONITOR.due.fetch_min(due, Ordering::AcqRel) <= due
    {
        return;
    }
    let start = !std::mem::replace(&mut *MONITOR.running.lock(), true);
    if start {
        let thread = std::thread::Builder::new().name("ropewalk-monitor".into());
        let started = platform::without_signals(|| thread.spawn(|| MONITOR.run()));
        if started.is_err() {
            *MONITOR.running.lock() = false;
            MONITOR.due.store(NEVER, Ordering::Release);
        }
    }
    MONITOR.queue.notify_one(NORMAL);
}

impl Monitor {
    /// Says that the monitor is gone, unless there is a new reason for a look.
    fn ends(&self, due: u64) -> bool {
        let mut running = self.running.lock();
        // AcqRel, as in `look_in`: a reason that comes after this one finds no monitor running.
        let same = self.due.compare_exchange(due, NEVER, Ordering::AcqRel, Ordering::Acquire);
        if same.is_ok() {
            platform::note_own_leaving();
            // What it knew goes with it.
            self.known.lock().clear();
            *running = false;
        }
        same.is_ok()
    }

    fn run(&self) {
        current().set_background("ropewalk-monitor");
        loop {
            let due = self.due.load(Ordering::Acquire);
            if self.is_to_end.swap(false, Ordering::Relaxed) && self.ends(due) {
                return;
            }
            let mut wakes_at = due;
            if ends_with_last_thread() {
                if live_threads() <= 1 && self.ends(due) {
                    return;
                }
                wakes_at = due.min(now().saturating_add(SHORTEST_PAUSE));
            }
            let deadline = match wakes_at {
                NEVER => Deadline::NEVER,
                due => Deadline::after(Duration::from_nanos(due.saturating_sub(now()))),
            };
            let request =
                Park { queue: &self.queue, what: self, deadline, since: None, next: None };
            let unchanged = |_: &mut _| {
                self.due.load(Ordering::Acquire) == due && !self.is_to_end.load(Ordering::Relaxed)
            };
            // Whatever ends it: see what is due.
            let _ = park(&request, unchanged, || true, |_| {});
            if self.due.load(Ordering::Acquire) <= now() {
                // First: who forks then sees one of the two.
                self.looks.store(true, Ordering::Relaxed);
                self.due.store(NEVER, Ordering::Release);
                // It may run code of a Rust user (`exec::Futures`): a panic there is told, and ends
                // this look only.
                survives(|| host().attached(&mut look));
                self.looks.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// Ends a certain deadlock of all threads. Reports each other one that has lasted for the grace
/// period, or is certain, and was not reported yet.
fn look() {
    let me = current();
    let grace = GRACE_NS.load(Ordering::Relaxed);
    if mode() == Mode::Off {
        return;
    }
    // Before the look: a wait that begins meanwhile is younger.
    MONITOR.seen.store(youngest_wait(Some(&me)).unwrap_or(0), Ordering::Relaxed);
    let mut all = Vec::new();
    match DETECTOR.find_all(&me, Some(&me)) {
        Everybody::Waits { deadlock, victim } if deadlock.certain && mode() == Mode::Raise => {
            return victim.refuse(deadlock);
        }
        Everybody::Waits { deadlock, .. } => all.push(deadlock),
        Everybody::WaitsUnlessAStrangerHelps => {
            let pause = MONITOR.pause.load(Ordering::Relaxed).saturating_mul(2).min(LONGEST_PAUSE);
            MONITOR.pause.store(pause, Ordering::Relaxed);
            look_in(pause);
        }
        Everybody::MayGoOn => MONITOR.pause.store(SHORTEST_PAUSE, Ordering::Relaxed),
    }
    MONITOR.known.lock().retain(|waits, _| goes_on(waits));
    for deadlock in with_others(all) {
        let (waits, age) = (waits_of(&deadlock), age_of(&deadlock));
        if age < grace && !deadlock.certain {
            look_in(grace - age);
        } else if verdict(&waits).is_none()
            && let Some(reporter) = REPORTER.get()
        {
            let told = reporter(&deadlock).then_some(deadlock);
            MONITOR.known.lock().insert(waits, told);
        }
    }
}

/// These, and the cycles and knots of other threads.
fn with_others(mut found: Vec<Deadlock>) -> Vec<Deadlock> {
    let members = |found: &[Deadlock]| -> WordSet {
        found.iter().flat_map(|each| &each.links).map(|link| link.thread.word()).collect()
    };
    let known = members(&found);
    let is_new =
        |cycle: &Deadlock| !cycle.links.iter().all(|link| known.contains(&link.thread.word()));
    found.extend(DETECTOR.find_cycles().into_iter().filter(is_new));
    let known = members(&found);
    // Each thread of a knot finds it.
    let mut knots = BTreeSet::new();
    let others = threads().into_iter().filter(|thread| !known.contains(&thread.word()));
    found.extend(
        others
            .filter_map(|thread| DETECTOR.find_knot_of(&thread, false))
            .filter(|knot| knots.insert(waits_of(knot))),
    );
    found
}

fn wait_of(link: &Link) -> Wait {
    (link.thread.word(), link.resource, link.since)
}

fn waits_of(deadlock: &Deadlock) -> Vec<Wait> {
    let mut waits: Vec<Wait> = deadlock.links.iter().map(wait_of).collect();
    waits.sort_unstable();
    waits
}

/// For how long all of it has been there.
fn age_of(deadlock: &Deadlock) -> u64 {
    deadlock.links.iter().map(|link| link.waited_ns).min().unwrap_or(0)
}

/// Whether each of these threads still waits for the same, or runs handlers meanwhile. A deadlock of
/// all threads lasts as well while one that is not in it runs for a moment: one that answers who looks
/// at the program.
fn goes_on(waits: &[Wait]) -> bool {
    waits.iter().all(|wait| is_waiting(*wait, |_| true))
}

fn is_waiting((word, resource, since): Wait, is_it: impl Fn(WaitView<'_>) -> bool) -> bool {
    let same =
        |wait: WaitView<'_>| wait.what.id() == resource && wait.since == since && is_it(wait);
    find_by_word(word).is_some_and(|thread| thread.is_in_wait(same))
}

/// Whether the reporter told of the deadlock with these waits; `None` if it was not asked.
fn verdict(waits: &[Wait]) -> Option<bool> {
    MONITOR.known.lock().get(waits).map(Option::is_some)
}

/// Whether the monitor tells of deadlocks.
#[cfg(not(loom))]
pub(super) fn tells() -> bool {
    mode() != Mode::Off && REPORTER.get().is_some()
}

/// What somebody who looks is to be shown: what was told and goes on, `more`, and what the monitor would
/// tell of the others by now.
#[cfg(not(loom))]
pub(super) fn to_be_shown(more: Option<Deadlock>) -> Vec<Deadlock> {
    let mut told: Vec<Deadlock> = MONITOR.known.lock().values().flatten().cloned().collect();
    told.retain_mut(|deadlock| deadlock.links.iter_mut().all(lasts));
    told.extend(more);
    let mut shown = with_others(told);
    shown.retain(is_to_be_shown);
    shown
}

/// Whether its thread waits for the same, and nobody has ended that: it may not have seen it yet.
#[cfg(not(loom))]
fn lasts(link: &mut Link) -> bool {
    link.waited_ns = now().saturating_sub(link.since);
    let same = |wait: WaitView<'_>| !wait.is_over && wait.what.owner() == link.owner;
    is_waiting(wait_of(link), same)
}

/// Whether somebody who looks is to be shown a deadlock: as soon as the monitor would tell of it. Of a
/// thread that waits for itself only the reporter knows whether its lock stands for a message.
#[cfg(not(loom))]
fn is_to_be_shown(deadlock: &Deadlock) -> bool {
    deadlock.certain
        || age_of(deadlock) >= GRACE_NS.load(Ordering::Relaxed)
            && (deadlock.links.len() > 1 || !tells() || verdict(&waits_of(deadlock)) == Some(true))
}

/// Has the monitor end if it sleeps and has nothing to look at: before a fork, where CPython from 3.12 on
/// warns of each thread that there is. The next suspicion starts a new one.
#[cfg_attr(not(unix), expect(dead_code, reason = "nobody forks there"))]
#[cfg(not(loom))]
pub(crate) fn end_if_idle() {
    if !*MONITOR.running.lock() || MONITOR.looks.load(Ordering::Relaxed) {
        return;
    }
    let suspects = MONITOR.due.load(Ordering::Acquire) != NEVER || !MONITOR.known.lock().is_empty();
    let me = current().word();
    // A suspicion may be over, without anybody who has said so.
    if suspects && blocked_threads().iter().any(|thread| *thread != me) {
        return;
    }
    MONITOR.is_to_end.store(true, Ordering::Relaxed);
    MONITOR.queue.wake_one_now();
    platform::wait_a_moment_until(|| !*MONITOR.running.lock());
    MONITOR.is_to_end.store(false, Ordering::Relaxed);
}

/// What keeps the monitor where it is during a fork.
#[cfg(not(loom))]
pub(super) type Stopped =
    (ShortGuard<'static, bool>, ShortGuard<'static, WaitList>, ShortGuard<'static, Known>);

/// Keeps it there.
#[cfg(not(loom))]
pub(super) fn no_looks() -> Stopped {
    (MONITOR.running.lock(), MONITOR.queue.lock(), MONITOR.known.lock())
}

/// In the child of a fork: the thread is not there, and the next suspicion starts a new one.
#[cfg(not(loom))]
pub(super) fn after_fork_in_child() {
    MONITOR.due.store(NEVER, Ordering::Relaxed);
    MONITOR.is_to_end.store(false, Ordering::Relaxed);
    MONITOR.known.lock().clear();
    MONITOR.looks.store(false, Ordering::Relaxed);
    *MONITOR.running.lock() = false;
}
