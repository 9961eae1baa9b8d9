//! What is known of each thread pool: its threads, what waits in it, what it has done.
//!
//! A pool tells of each change while it holds its own lock, so a load and a store will do. Who looks
//! may see one number before the change and another after it.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::primitive::{ShortLock, now, now_coarse};
use crate::wait::keeps_ended;

/// The time of so many jobs of a pool is measured exactly.
const EXACT: u64 = 1_000;

/// What a pool looks like at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PoolState {
    /// So many threads may be there.
    pub(crate) most: usize,
    /// Those that are there or being started.
    pub(crate) threads: usize,
    /// Those that do a job.
    pub(crate) busy: usize,
    /// Jobs that wait for their turn.
    pub(crate) queued: usize,
}

/// What is known of a pool.
#[derive(Debug)]
pub(crate) struct PoolInfo {
    name: ShortLock<Arc<str>>,
    most: AtomicUsize,
    threads: AtomicUsize,
    busy: AtomicUsize,
    queued: AtomicUsize,
    threads_peak: AtomicUsize,
    queued_peak: AtomicUsize,
    taken: AtomicU64,
    not_run: AtomicU64,
    cancelled: AtomicU64,
    /// When the numbers of threads changed, and how long threads worked and were there until then:
    /// measured only for a report.
    changed: AtomicU64,
    busy_ns: AtomicU64,
    there_ns: AtomicU64,
}

/// A pool, or pools whose names differ in a number at their end only and which are gone. If very many
/// names are gone, all others are told of together, without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolLook {
    /// Its name.
    pub name: Arc<str>,
    /// How many there were.
    pub count: usize,
    /// How many threads it may have.
    pub most: usize,
    /// How many it has.
    pub threads: usize,
    /// How many of them do a job.
    pub busy: usize,
    /// How many jobs wait for their turn.
    pub queued: usize,
    /// The most threads that it ever had.
    pub threads_peak: usize,
    /// The most jobs that ever waited.
    pub queued_peak: usize,
    /// How many jobs were begun.
    pub tasks: u64,
    /// How many were called off before they began.
    pub cancelled: u64,
    /// How long its threads did jobs, all together, since [`keep_ended`](crate::wait::keep_ended).
    pub worked: Duration,
    /// How long they were there without a job.
    pub idle: Duration,
}

/// From so many names of pools that are gone on, new ones are told of together: a program may name each
/// of its pools, and make millions.
const NAMED: usize = 10_000;

static POOLS: ShortLock<Vec<Weak<PoolInfo>>> = ShortLock::new(Vec::new());
static GONE: ShortLock<Option<Gone>> = ShortLock::new(None);

/// Pools that are gone, by name.
type Gone = HashMap<Arc<str>, PoolLook>;

fn set(cell: &AtomicUsize, value: usize, peak: Option<&AtomicUsize>) {
    cell.store(value, Ordering::Relaxed);
    if let Some(peak) = peak
        && peak.load(Ordering::Relaxed) < value
    {
        peak.store(value, Ordering::Relaxed);
    }
}

fn add(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl PoolInfo {
    /// Of a new pool.
    pub(crate) fn new(name: &str) -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        let none = || AtomicUsize::new(0);
        let pool = Arc::new(Self {
            name: ShortLock::new(name.into()),
            most: none(),
            threads: none(),
            busy: none(),
            queued: none(),
            threads_peak: none(),
            queued_peak: none(),
            taken: zero(),
            not_run: zero(),
            cancelled: zero(),
            changed: zero(),
            busy_ns: zero(),
            there_ns: zero(),
        });
        let mut all = POOLS.lock();
        if all.len() == all.capacity() {
            // Not more often than it grows.
            all.retain(|pool| pool.strong_count() > 0);
        }
        all.push(Arc::downgrade(&pool));
        pool
    }

    pub(crate) fn name(&self) -> Arc<str> {
        self.name.lock().clone()
    }

    pub(crate) fn set_name(&self, name: &str) {
        let new: Arc<str> = name.into();
        let old = std::mem::replace(&mut *self.name.lock(), new);
        drop(old);
    }

    /// The pool has changed; under its lock.
    #[inline]
    pub(crate) fn note(&self, state: PoolState) {
        if keeps_ended() && self.differs(state) {
            self.measure();
        }
        set(&self.most, state.most, None);
        set(&self.threads, state.threads, Some(&self.threads_peak));
        set(&self.busy, state.busy, None);
        set(&self.queued, state.queued, Some(&self.queued_peak));
    }

    /// A job was taken by a thread; under the pool's lock.
    #[inline]
    pub(crate) fn note_taken(&self) {
        add(&self.taken, 1);
    }

    /// A job that was taken turned out to be called off; under the pool's lock.
    pub(crate) fn note_not_run(&self) {
        add(&self.not_run, 1);
    }

    /// Jobs were called off; under the pool's lock.
    pub(crate) fn note_cancelled(&self, jobs: usize) {
        add(&self.cancelled, jobs as u64);
    }

    /// Whether its threads are others, or do others' work, than were told of last.
    fn differs(&self, state: PoolState) -> bool {
        self.busy.load(Ordering::Relaxed) != state.busy
            || self.threads.load(Ordering::Relaxed) != state.threads
    }

    /// By which clock the threads' time is measured. From some number of jobs on it is one that
    /// moves every few milliseconds: a better one costs as much as a short job does, and the errors
    /// of many cancel out.
    fn clock(&self) -> u64 {
        if self.taken.load(Ordering::Relaxed) < EXACT { now() } else { now_coarse() }
    }

    /// Adds the time since the last change.
    fn measure(&self) {
        let at = self.clock();
        let (worked, there) = self.since_change(at);
        add(&self.busy_ns, worked);
        add(&self.there_ns, there);
        self.changed.store(at, Ordering::Relaxed);
    }

    fn since_change(&self, at: u64) -> (u64, u64) {
        let passed = at.saturating_sub(self.changed.load(Ordering::Relaxed));
        let times = |cell: &AtomicUsize| passed.saturating_mul(cell.load(Ordering::Relaxed) as u64);
        (times(&self.busy), times(&self.threads))
    }

    fn look(&self) -> PoolLook {
        let number = |cell: &AtomicUsize| cell.load(Ordering::Relaxed);
        let count = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let (more_worked, more_there) =
            if count(&self.changed) == 0 { (0, 0) } else { self.since_change(self.clock()) };
        let worked = count(&self.busy_ns).saturating_add(more_worked);
        let there = count(&self.there_ns).saturating_add(more_there);
        let not_run = count(&self.not_run);
        PoolLook {
            name: self.name(),
            count: 1,
            most: number(&self.most),
            threads: number(&self.threads),
            busy: number(&self.busy),
            queued: number(&self.queued),
            threads_peak: number(&self.threads_peak),
            queued_peak: number(&self.queued_peak),
            tasks: count(&self.taken).saturating_sub(not_run),
            cancelled: count(&self.cancelled) + not_run,
            worked: Duration::from_nanos(worked),
            idle: Duration::from_nanos(there.saturating_sub(worked)),
        }
    }
}

impl PoolLook {
    /// Whether anybody ever used it.
    fn was_used(&self) -> bool {
        self.threads_peak > 0 || self.queued_peak > 0
    }

    /// Adds another pool, of which it is told together with this one.
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.most = self.most.max(other.most);
        self.threads += other.threads;
        self.busy += other.busy;
        self.queued += other.queued;
        self.threads_peak = self.threads_peak.max(other.threads_peak);
        self.queued_peak = self.queued_peak.max(other.queued_peak);
        self.tasks += other.tasks;
        self.cancelled += other.cancelled;
        self.worked += other.worked;
        self.idle += other.idle;
    }
}

impl Drop for PoolInfo {
    fn drop(&mut self) {
        let look = self.look();
        if !keeps_ended() || !look.was_used() {
            return;
        }
        add_gone(GONE.lock().get_or_insert_default(), look);
    }
}

fn add_gone(gone: &mut Gone, look: PoolLook) {
    // A program may make a pool for each of its steps, numbered.
    let mut key = without_number(&look.name);
    if gone.len() >= NAMED && !gone.contains_key(key) {
        key = "";
    }
    match gone.entry(key.into()) {
        Entry::Vacant(place) => {
            place.insert(look);
        }
        Entry::Occupied(mut place) => {
            let key = place.key().clone();
            let sum = place.get_mut();
            sum.merge(&look);
            sum.name = key;
        }
    }
}

/// The name without a number at its end.
fn without_number(name: &str) -> &str {
    name.trim_end_matches(|letter: char| letter.is_ascii_digit())
}

/// All pools that exist and were ever used, in the order of their making.
#[must_use]
pub fn pools() -> Vec<PoolLook> {
    pools_by_id().map(|(_, look)| look).collect()
}

/// The same, each with a number that no other one has as long as it exists.
pub(super) fn pools_by_id() -> impl Iterator<Item = (usize, PoolLook)> {
    let all: Vec<Arc<PoolInfo>> = POOLS.lock().iter().filter_map(Weak::upgrade).collect();
    all.into_iter()
        .map(|pool| (Arc::as_ptr(&pool) as usize, pool.look()))
        .filter(|(_, look)| look.was_used())
}

/// Those, and the ones that are gone, since [`keep_ended`](crate::wait::keep_ended): what worked
/// longest comes first.
pub(super) fn all_pools() -> Vec<PoolLook> {
    let mut all: Vec<PoolLook> =
        GONE.lock().iter().flatten().map(|(_, look)| look.clone()).collect();
    all.extend(pools());
    all.sort_by_key(|look| std::cmp::Reverse((look.worked, look.tasks)));
    all
}

/// What keeps the lists whole during a fork.
pub(super) type Kept = (
    crate::primitive::ShortGuard<'static, Vec<Weak<PoolInfo>>>,
    crate::primitive::ShortGuard<'static, Option<Gone>>,
);

/// Keeps the lists whole.
pub(super) fn no_changes() -> Kept {
    (POOLS.lock(), GONE.lock())
}

/// In the child of a fork: what was kept is the parent's to tell.
pub(super) fn after_fork_in_child() {
    let gone = GONE.lock().take();
    drop(gone);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_and_counts_are_exact() {
        let pool = PoolInfo::new("pool of this test-7");
        let found = || pools().into_iter().find(|look| &*look.name == "pool of this test-7");
        assert_eq!(found(), None);
        let mut state = PoolState { most: 4, threads: 1, busy: 0, queued: 3 };
        pool.note(state);
        state = PoolState { threads: 2, busy: 1, queued: 2, ..state };
        pool.note_taken();
        pool.note(state);
        pool.note_taken();
        pool.note_not_run();
        pool.note_cancelled(2);
        let look = found().unwrap();
        assert_eq!((look.most, look.threads, look.busy, look.queued), (4, 2, 1, 2));
        assert_eq!((look.threads_peak, look.queued_peak), (2, 3));
        assert_eq!((look.tasks, look.cancelled), (1, 3));
        pool.set_name("another");
        assert_eq!(found(), None);
        drop(pool);
        assert!(pools().iter().all(|look| &*look.name != "another"));
    }

    #[test]
    fn names_beyond_a_number_are_told_together() {
        let mut gone = Gone::new();
        let mut add = |name: &str| {
            let look = PoolLook { name: name.into(), count: 1, tasks: 2, ..PoolLook::default() };
            add_gone(&mut gone, look);
        };
        for number in 0..NAMED + 5 {
            add(&format!("{number} of many"));
        }
        add("0 of many");
        assert_eq!(gone.len(), NAMED + 1);
        assert_eq!((gone[""].count, gone[""].tasks, &*gone[""].name), (5, 10, ""));
        assert_eq!(gone["0 of many"].count, 2);
    }

    #[test]
    fn numbered_pools_are_told_together() {
        assert_eq!(without_number("ThreadPoolExecutor-12"), "ThreadPoolExecutor-");
        assert_eq!(without_number("web"), "web");
    }
}
