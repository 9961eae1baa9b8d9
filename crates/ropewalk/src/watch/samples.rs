//! How much is in queues and pools, as counters of a trace.

#![forbid(unsafe_code)]

use super::events::{Text, Title, counter};
use super::pools::pools_by_id;
use crate::primitive::{AtomicU64, Ordering, ShortLock, WordMap};
use crate::wait::{ObjectInfo, objects};

const SAMPLE_NS: u64 = 10_000_000;

/// What the queues and pools were like when all of them were looked at.
#[derive(Debug)]
pub(super) struct Samples {
    /// When that was.
    at: AtomicU64,
    last: ShortLock<Seen>,
}

/// How much was in each of them and how often it had been waited for, by the address of its record.
type Seen = WordMap<(usize, u64)>;

impl Samples {
    pub(super) fn new() -> Self {
        Self { at: AtomicU64::new(0), last: ShortLock::new(Seen::default()) }
    }

    /// Writes how much is in the queue that was waited for, and now and then in all that have changed.
    pub(super) fn write(&self, text: &mut Text<'_>, object: &ObjectInfo, at: u64) {
        if let Some(depth) = depth(object) {
            count(text, object, depth, at);
        }
        let before = self.at.load(Ordering::Relaxed);
        if at.saturating_sub(before) > SAMPLE_NS
            && self.at.compare_exchange(before, at, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            let last = std::mem::take(&mut *self.last.lock());
            let seen = write_all(text, &last, at);
            // Not empty if another thread has done the same meanwhile.
            let other = std::mem::replace(&mut *self.last.lock(), seen);
            drop(other);
        }
    }
}

/// Writes how much is in the queues and pools that are not as they were; returns how all of them are.
fn write_all(text: &mut Text<'_>, last: &Seen, at: u64) -> Seen {
    let mut seen = Seen::default();
    // A viewer draws the last value on. Who has waited since has written another one.
    let mut is_new = |id: usize, depth: usize, waits: u64| {
        seen.insert(id, (depth, waits));
        last.get(&id) != Some(&(depth, waits))
    };
    // Keeps forks away, whose child must find no record locked.
    let _looking = super::deadlock::no_looks();
    for object in objects() {
        if let Some(depth) = depth(&object)
            && is_new(std::ptr::from_ref(&*object) as usize, depth, object.waits().count())
        {
            count(text, &object, depth, at);
        }
    }
    for (id, pool) in pools_by_id() {
        if is_new(id, pool.queued, 0) {
            let title = Title { kind: "pool", name: Some(&pool.name), quoted: true };
            counter(text, title, id, pool.queued, at);
        }
    }
    seen
}

fn depth(object: &ObjectInfo) -> Option<usize> {
    Some(object.look()?.depth?.now)
}

fn count(text: &mut Text<'_>, object: &ObjectInfo, depth: usize, at: u64) {
    Title::of(object, |title| counter(text, title, object.id(), depth, at));
}
