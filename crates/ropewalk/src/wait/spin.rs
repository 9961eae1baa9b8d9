//! Adaptive spinning before the sleep: to wake a thread that sleeps on another core takes tens of
//! microseconds, and one that spins sees its wake at once.
//!
//! It pays where threads hand things to each other in turns, if the other one runs meanwhile, on
//! another core. Elsewhere it is waste, and on a single core the other one would never run. So a
//! thread spins
//!
//! - for [`LONGEST_NS`] at most: about what two wakes across cores take, one for whoever will wake it
//!   and one for itself;
//! - for one thing that another thread hands over;
//! - while it has credit, which it gets for wakes that came soon. Two threads that sleep each time
//!   would never see that they need not, so all try it for a moment now and then, at the same time;
//! - if the process may use more than one core, and has as many for those that spin.
//!
//! Invariant: to spin changes nothing but when a wake is seen. The thread stands in the queue and is
//! published like one that sleeps, and holds no lock, nor the host's.

use std::cell::Cell;

use super::runtime::ResourceKind;
use crate::platform;
use crate::primitive::{AtomicU32, AtomicU64, AtomicUsize, Ordering, Parker, now, thread_local};

/// How long a thread may spin.
const LONGEST_NS: u64 = 100_000;
/// A wake came soon if the thread goes on within this time: before one that slept would have.
const SOON_NS: u64 = 20_000;
/// The most credit that a thread has, what a wake that came soon adds to it, and what is lost with
/// one that came late, and with none.
const MOST: u32 = 16;
const SOON: u32 = 2;
const LATE: u32 = 2;
const IN_VAIN: u32 = 4;
/// What a new thread begins with, if the last thread that gained its first credit or lost its last
/// gained it.
const OF_NEW: u32 = 4;
/// Those without credit try at the beginning of each of these, for so long.
const TRIES_NS: u64 = 16_000_000;
const TRY_NS: u64 = 500_000;
/// How long the number of cores is believed.
const CORES_NS: u64 = 10_000_000;

thread_local! {
    /// The credit of the calling thread; `NEW` before its first wait.
    static CREDIT: Cell<u32> = const { Cell::new(NEW) };
}

const NEW: u32 = u32::MAX;
static FOR_NEW: AtomicU32 = AtomicU32::new(0);

/// How many threads spin.
static SPINNING: AtomicUsize = AtomicUsize::new(0);
/// How many cores the process may use, and until when that is believed.
static CORES: AtomicUsize = AtomicUsize::new(1);
static CORES_UNTIL: AtomicU64 = AtomicU64::new(0);

/// A spin that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spin {
    began: u64,
    /// Whether the permit came.
    seen: bool,
}

impl Spin {
    /// Spins until there is a permit, which it takes, where that makes sense, and not beyond the
    /// deadline. The wait began at `since`.
    pub(super) fn for_permit(
        parker: &Parker,
        what: ResourceKind,
        deadline: Option<u64>,
        since: u64,
    ) -> Option<Self> {
        if !may_come_soon(what) {
            return None;
        }
        if CREDIT.get() == NEW {
            CREDIT.set(FOR_NEW.load(Ordering::Relaxed));
        }
        if CREDIT.get() == 0 && since % TRIES_NS >= TRY_NS {
            return None;
        }
        let began = now();
        let cores = cores(began);
        // Relaxed: one too many or too few does no harm.
        let makes_sense = SPINNING.fetch_add(1, Ordering::Relaxed) < cores && cores > 1;
        let spin = makes_sense.then(|| {
            let until = began.saturating_add(LONGEST_NS).min(deadline.unwrap_or(u64::MAX));
            Self { began, seen: spin_until(parker, until) }
        });
        SPINNING.fetch_sub(1, Ordering::Relaxed);
        spin
    }

    /// Learns from it. Called when the thread has the host's lock again: if its waker kept that, a
    /// thread that was asleep would go on as soon, and would have slept once and not twice.
    pub(super) fn learn(self) {
        let before = CREDIT.get();
        let after = credit_after(before, self.seen.then(|| now() - self.began));
        CREDIT.set(after);
        if (before == 0) != (after == 0) {
            FOR_NEW.store(if after == 0 { 0 } else { OF_NEW }, Ordering::Relaxed);
        }
    }
}

/// Whether it is one thing that another thread hands over. The end of something, or of several
/// things, is far off as a rule.
const fn may_come_soon(what: ResourceKind) -> bool {
    use ResourceKind::{Barrier, Idle, LifoJoin, PriorityJoin, QueueJoin, Thread, Timer};
    !matches!(what, Barrier | Idle | QueueJoin | LifoJoin | PriorityJoin | Thread | Timer)
}

/// The credit of a thread that went on after so many nanoseconds, or that spun in vain.
fn credit_after(before: u32, took: Option<u64>) -> u32 {
    match took {
        Some(took) if took <= SOON_NS => (before + SOON).min(MOST),
        Some(_) => before.saturating_sub(LATE),
        None => before.saturating_sub(IN_VAIN),
    }
}

/// Whether the permit came in time.
fn spin_until(parker: &Parker, until: u64) -> bool {
    loop {
        for _ in 0..8 {
            if parker.try_park() {
                return true;
            }
            std::hint::spin_loop();
        }
        if now() >= until {
            return false;
        }
    }
}

/// How many cores this thread may use, as of a moment ago.
fn cores(now: u64) -> usize {
    if CORES_UNTIL.load(Ordering::Relaxed) <= now {
        CORES_UNTIL.store(now + CORES_NS, Ordering::Relaxed);
        CORES.store(platform::cores(), Ordering::Relaxed);
    }
    CORES.load(Ordering::Relaxed)
}

/// In the child of a fork: nobody spins.
pub(super) fn after_fork_in_child() {
    SPINNING.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_whose_wakes_come_late_or_never_spins_no_more() {
        let soon = (0..100).fold(0, |before, _| credit_after(before, Some(SOON_NS)));
        assert_eq!(soon, MOST);
        let late = (0..MOST / LATE).fold(soon, |before, _| credit_after(before, Some(SOON_NS + 1)));
        assert_eq!(late, 0);
        let in_vain = (0..MOST / IN_VAIN).fold(soon, |before, _| credit_after(before, None));
        assert_eq!(in_vain, 0);
        assert_eq!(credit_after(0, None), 0);
    }

    #[test]
    fn a_spin_takes_the_permit_and_ends_without_one() {
        let parker = Parker::new();
        parker.unpark();
        assert!(spin_until(&parker, 0), "it is seen, however little time there is");
        let began = now();
        assert!(!spin_until(&parker, began + 1000), "it was taken");
        assert!(now() >= began + 1000);
    }

    #[test]
    fn without_credit_there_is_one_only_now_and_then() {
        let parker = Parker::new();
        CREDIT.set(0);
        assert!(Spin::for_permit(&parker, ResourceKind::Lock, None, TRIES_NS + TRY_NS).is_none());
        assert_eq!(SPINNING.load(Ordering::Relaxed), 0);
    }
}
