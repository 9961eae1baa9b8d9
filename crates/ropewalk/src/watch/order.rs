//! Possible deadlocks: two locks that are taken in both orders, at different times.
//!
//! There is one table of pairs: which lock was taken while which was held, and where. A pair that
//! comes up in both orders is told, once for all pairs that are called the same: those of locks that
//! were made at the same lines. A wait for a lock counts when it begins: in a deadlock it never ends.
//! A lock that is only tried (`acquire(blocking=False)`) waits for nobody: it is held afterwards, but
//! to take it makes no pair.
//!
//! A pair that is always taken under a third lock cannot deadlock and is told all the same; so are
//! longer cycles not. Both are what users of such checks are used to.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::held::{self, Held};
use crate::primitive::{ShortLock, WordMap, WordSet};

static TABLE: ShortLock<Table> = ShortLock::new(Table { pairs: None, told: BTreeSet::new() });

struct Table {
    pairs: Option<Pairs>,
    /// The names of two locks whose inversion was told, the smaller one first.
    told: BTreeSet<(String, String)>,
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
        let (a, b) = (clean(&self.now.outer.name), clean(&self.now.inner.name));
        let same = a == b;
        let what = if same { two_of(&a) } else { "two locks".to_owned() };
        let mut lines = vec![format!("possible deadlock: {what} are taken in both orders")];
        for (Pair { outer, inner }, [first, second]) in
            [(&self.now, ["the first", "the second"]), (&self.before, ["the second", "the first"])]
        {
            let name_of = |taken: &Taken, place: &str| {
                if same { place.to_owned() } else { clean(&taken.name) }
            };
            lines.push(format!(
                "  thread {} takes {}",
                clean(&inner.thread),
                name_of(outer, first)
            ));
            lines.push(format!("    at {}", clean(&outer.at)));
            lines.push(format!("  and then {}", name_of(inner, second)));
            lines.push(format!("    at {}", clean(&inner.at)));
        }
        let all = if same { "all such locks".to_owned() } else { format!("{a} and {b}") };
        lines.push(format!("  take {all} in one order everywhere"));
        lines.join("\n")
    }
}

/// Two locks with this name: `two Locks made at app.py:3`.
fn two_of(name: &str) -> String {
    let (kind, rest) = name.split_at(name.find(' ').unwrap_or(name.len()));
    format!("two {kind}s{rest}")
}

/// Each lock that was taken while another one was held, or the other way round.
type Pairs = WordMap<Others>;

/// What a lock makes pairs with.
#[derive(Default)]
struct Others {
    /// What was taken while it was held.
    inner: WordMap<Pair>,
    /// What was held while it was taken.
    outer: WordSet,
}

/// Switches the check on or off, from the next lock on that it is told of. The locks of this crate
/// tell nobody, so that to take one costs nothing more: whoever wants the check, as a host does, says
/// [`lock_taken`](super::lock_taken) and [`lock_released`](super::lock_released) for each, and
/// [`lock_wanted`](super::lock_wanted) or [`lock_wanted_again`](super::lock_wanted_again) before a wait.
pub fn set_lock_order(on: bool) {
    held::set(held::ORDER, on);
}

/// Whether the check is on.
#[inline]
#[must_use]
pub fn checks_lock_order() -> bool {
    held::notes(held::ORDER)
}

/// The calling thread has taken a lock while it `held` others, or is about to wait for it; returns the
/// inversions that this showed.
pub(super) fn taken(held: &[Held], inner: &Arc<Taken>) -> Vec<Inversion> {
    // A lock that is taken again is no pair with anything that came in between.
    if held.iter().any(|outer| outer.lock == inner.lock) {
        return Vec::new();
    }
    taken_anew(held, inner)
}

/// As [`taken`], of a lock that it does not hold any more when it waits for it.
pub(super) fn taken_anew(held: &[Held], inner: &Arc<Taken>) -> Vec<Inversion> {
    let mut found = Vec::new();
    // What did not wait makes no order.
    if held.is_empty() || !inner.waits {
        return found;
    }
    let mut table = TABLE.lock();
    let Table { pairs, told } = &mut *table;
    let pairs = pairs.get_or_insert_default();
    for outer in held.iter().filter_map(|held| held.taken.as_ref()) {
        let (a, b) = (outer.lock, inner.lock);
        if a == b || pairs.get(&a).is_some_and(|others| others.inner.contains_key(&b)) {
            continue;
        }
        let now = Pair { outer: outer.clone(), inner: inner.clone() };
        let before = pairs.get(&b).and_then(|others| others.inner.get(&a));
        if let Some(before) = before.filter(|_| told.insert(names_of(&now))) {
            found.push(Inversion { before: before.clone(), now: now.clone() });
        }
        pairs.entry(a).or_default().inner.insert(b, now);
        pairs.entry(b).or_default().outer.insert(a);
    }
    found
}

/// In the same order for both orders of the locks.
fn names_of(pair: &Pair) -> (String, String) {
    let (a, b) = (pair.outer.name.clone(), pair.inner.name.clone());
    if a < b { (a, b) } else { (b, a) }
}

/// Says that a lock is gone: another may get its address.
pub fn lock_gone(lock: usize) {
    let mut table = TABLE.lock();
    let Some(pairs) = &mut table.pairs else { return };
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
