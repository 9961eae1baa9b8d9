//! Possible deadlocks: two locks that are taken in both orders, at different times.
//!
//! Nothing is recorded unless it is switched on; a lock then asks one flag. Switched on, each thread
//! has the list of the locks that it holds, and there is one table of pairs: which lock was taken
//! while which was held, and where. A pair that comes up in both orders is told once.
//!
//! A pair that is always taken under a third lock cannot deadlock and is told all the same; so are
//! longer cycles not. Both are what users of such checks are used to.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::primitive::{AtomicU32, Ordering, ShortLock, thread_local};

/// Who wants to know of each lock that is taken or released: a lock asks once for all of them.
static NOTED: AtomicU32 = AtomicU32::new(0);
/// This check.
const ORDER: u32 = 1;
/// A trace.
pub(super) const TRACE: u32 = 2;
static PAIRS: ShortLock<Option<Pairs>> = ShortLock::new(None);

thread_local! {
    static HELD: RefCell<Vec<Taken>> = const { RefCell::new(Vec::new()) };
}

/// A lock that was taken, and where.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The identity of the lock.
    pub lock: usize,
    /// What it is called in a report.
    pub name: String,
    /// Where it was taken.
    pub at: String,
    /// The thread that took it.
    pub thread: String,
}

/// Two locks, the second taken while the first was held.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What was held.
    pub outer: Taken,
    /// What was taken then.
    pub inner: Taken,
}

/// Two locks that were taken in both orders.
#[derive(Debug, Clone)]
pub struct Inversion {
    /// How they were taken before.
    pub before: Pair,
    /// How they were taken now.
    pub now: Pair,
}

impl std::fmt::Display for Inversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (a, b) = (&self.now.outer.name, &self.now.inner.name);
        writeln!(f, "possible deadlock: two locks are taken in both orders")?;
        for pair in [&self.now, &self.before] {
            writeln!(f, "  thread {} takes {}", pair.inner.thread, pair.outer.name)?;
            writeln!(f, "    at {}", pair.outer.at)?;
            writeln!(f, "  and then {}", pair.inner.name)?;
            writeln!(f, "    at {}", pair.inner.at)?;
        }
        write!(f, "  take {a} and {b} in one order everywhere")
    }
}

#[derive(Default)]
struct Pairs {
    seen: HashMap<(usize, usize), Pair>,
    told: HashSet<(usize, usize)>,
}

/// Switches the check on or off, from the next acquire on.
pub fn set_lock_order(on: bool) {
    set(ORDER, on);
}

/// Sets what somebody wants to know; returns whether it was set before.
pub(super) fn set(what: u32, on: bool) -> bool {
    // Relaxed (all of them): nothing else is published by it.
    let before = if on {
        NOTED.fetch_or(what, Ordering::Relaxed)
    } else {
        NOTED.fetch_and(!what, Ordering::Relaxed)
    };
    before & what != 0
}

#[inline]
pub(super) fn notes(what: u32) -> bool {
    NOTED.load(Ordering::Relaxed) & what != 0
}

/// Whether anybody wants to know of locks that are taken and released.
#[inline]
#[must_use]
pub fn notes_locks() -> bool {
    NOTED.load(Ordering::Relaxed) != 0
}

/// Whether the check is on.
#[inline]
#[must_use]
pub fn checks_lock_order() -> bool {
    notes(ORDER)
}

/// Says that the calling thread has taken a lock; returns the inversions that this showed.
pub fn lock_taken(taken: &Taken) -> Vec<Inversion> {
    let held: Vec<Taken> = HELD.with_borrow_mut(|held| {
        let before = held.clone();
        held.push(taken.clone());
        before
    });
    // A lock that is taken again is no pair with anything that came in between.
    if held.iter().any(|outer| outer.lock == taken.lock) {
        return Vec::new();
    }
    let mut table = PAIRS.lock();
    let pairs = table.get_or_insert_default();
    let mut found = Vec::new();
    for outer in held {
        let (a, b) = (outer.lock, taken.lock);
        let now = Pair { outer, inner: taken.clone() };
        if let Some(before) = pairs.seen.get(&(b, a))
            && pairs.told.insert((a.min(b), a.max(b)))
        {
            found.push(Inversion { before: before.clone(), now: now.clone() });
        }
        pairs.seen.entry((a, b)).or_insert(now);
    }
    found
}

/// Says that a lock was released. Any thread may release some locks: one that the calling thread
/// does not hold is left out.
pub fn lock_released(lock: usize) {
    HELD.with_borrow_mut(|held| {
        if let Some(index) = held.iter().rposition(|taken| taken.lock == lock) {
            held.remove(index);
        }
    });
}

/// Says that a lock is gone: another may get its address.
pub fn lock_gone(lock: usize) {
    if let Some(pairs) = &mut *PAIRS.lock() {
        pairs.seen.retain(|(a, b), _| *a != lock && *b != lock);
        pairs.told.retain(|(a, b)| *a != lock && *b != lock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(lock: usize) -> Vec<Inversion> {
        let text = |what: &str| format!("{what} {lock}");
        let (name, at, thread) = (text("lock"), text("line"), "t".into());
        lock_taken(&Taken { lock, name, at, thread })
    }

    #[test]
    fn a_pair_in_both_orders_is_told_once_and_forgotten_with_its_lock() {
        assert!(take(1).is_empty());
        assert!(take(2).is_empty());
        lock_released(2);
        lock_released(1);
        assert!(take(2).is_empty());
        let found = take(1);
        assert_eq!(found.len(), 1);
        let text = found[0].to_string();
        assert!(text.contains("lock 1") && text.contains("lock 2"), "{text}");
        lock_released(1);
        assert!(take(1).is_empty(), "it is told once");
        lock_released(1);
        lock_gone(1);
        assert!(take(1).is_empty());
        lock_released(1);
        lock_released(2);
        // In the other order again: the first order was forgotten with the lock, this one is kept.
        assert!(take(2).is_empty());
        assert!(take(1).is_empty());
        assert!(take(1).is_empty(), "taken again");
        lock_released(1);
        lock_released(1);
        lock_released(2);
    }
}
