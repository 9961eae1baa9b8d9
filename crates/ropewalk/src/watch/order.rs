//! Possible deadlocks: two locks that are taken in both orders, at different times.
//!
//! There is one table of pairs: which lock was taken while which was held, and where. A pair that
//! comes up in both orders is told once. A lock that is only tried (`acquire(blocking=False)`) waits
//! for nobody: it is held afterwards, but to take it makes no pair.
//!
//! A pair that is always taken under a third lock cannot deadlock and is told all the same; so are
//! longer cycles not. Both are what users of such checks are used to.

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::held::{self, Held};
use crate::primitive::{ShortLock, WordMap, WordSet};

static PAIRS: ShortLock<Option<Pairs>> = ShortLock::new(None);

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
    /// Whether it would have waited for the lock.
    pub waits: bool,
}

/// Two locks, the second taken while the first was held.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What was held.
    pub outer: Arc<Taken>,
    /// What was taken then.
    pub inner: Arc<Taken>,
}

/// Two locks that were taken in both orders.
#[derive(Debug, Clone)]
pub struct Inversion {
    /// How they were taken before.
    pub before: Pair,
    /// How they were taken now.
    pub now: Pair,
}

impl Inversion {
    /// What is said about it. Names come from the program: `clean` takes out of them what a terminal
    /// would obey.
    #[must_use]
    pub fn describe(&self, clean: impl Fn(&str) -> String) -> String {
        let mut lines = vec!["possible deadlock: two locks are taken in both orders".to_owned()];
        for Pair { outer, inner } in [&self.now, &self.before] {
            lines.push(format!("  thread {} takes {}", clean(&inner.thread), clean(&outer.name)));
            lines.push(format!("    at {}", clean(&outer.at)));
            lines.push(format!("  and then {}", clean(&inner.name)));
            lines.push(format!("    at {}", clean(&inner.at)));
        }
        let (a, b) = (clean(&self.now.outer.name), clean(&self.now.inner.name));
        lines.push(format!("  take {a} and {b} in one order everywhere"));
        lines.join("\n")
    }
}

/// Each lock that was taken while another one was held, or the other way round.
type Pairs = WordMap<Others>;

/// What a lock makes pairs with.
#[derive(Default)]
struct Others {
    /// What was taken while it was held.
    inner: WordMap<Seen>,
    /// What was held while it was taken.
    outer: WordSet,
}

struct Seen {
    pair: Pair,
    /// It was told, or its inversion was.
    told: bool,
}

/// Switches the check on or off, from the next lock on that it is told of. The locks of this crate
/// tell nobody, so that to take one costs nothing more: whoever wants the check, as a host does, says
/// [`lock_taken`](super::lock_taken) and [`lock_released`](super::lock_released) for each.
pub fn set_lock_order(on: bool) {
    held::set(held::ORDER, on);
}

/// Whether the check is on.
#[inline]
#[must_use]
pub fn checks_lock_order() -> bool {
    held::notes(held::ORDER)
}

/// The calling thread has taken a lock while it `held` others; returns the inversions that this
/// showed.
pub(super) fn taken(held: &[Held], inner: &Arc<Taken>) -> Vec<Inversion> {
    let mut found = Vec::new();
    // What did not wait makes no order. A lock that is taken again is no pair with anything that
    // came in between.
    if held.is_empty() || !inner.waits || held.iter().any(|outer| outer.lock == inner.lock) {
        return found;
    }
    let mut table = PAIRS.lock();
    let pairs = table.get_or_insert_default();
    for outer in held.iter().filter_map(|held| held.taken.as_ref()) {
        let (a, b) = (outer.lock, inner.lock);
        if pairs.get(&a).is_some_and(|others| others.inner.contains_key(&b)) {
            continue;
        }
        let pair = Pair { outer: outer.clone(), inner: inner.clone() };
        let before = pairs.get_mut(&b).and_then(|others| others.inner.get_mut(&a));
        let told = before.is_some();
        if let Some(before) = before
            && !std::mem::replace(&mut before.told, true)
        {
            found.push(Inversion { before: before.pair.clone(), now: pair.clone() });
        }
        pairs.entry(a).or_default().inner.insert(b, Seen { pair, told });
        pairs.entry(b).or_default().outer.insert(a);
    }
    found
}

/// Says that a lock is gone: another may get its address.
pub fn lock_gone(lock: usize) {
    let mut table = PAIRS.lock();
    let Some(pairs) = &mut *table else { return };
    let Some(others) = pairs.remove(&lock) else { return };
    for inner in others.inner.keys() {
        forget(pairs, *inner, |others| {
            others.outer.remove(&lock);
        });
    }
    for outer in &others.outer {
        forget(pairs, *outer, |others| {
            others.inner.remove(&lock);
        });
    }
}

/// Takes something away from what is known of a lock, which may be all.
fn forget(pairs: &mut Pairs, lock: usize, what: impl FnOnce(&mut Others)) {
    if let Some(others) = pairs.get_mut(&lock) {
        what(others);
        if others.inner.is_empty() && others.outer.is_empty() {
            pairs.remove(&lock);
        }
    }
}
