//! Sums of what was waited for, by the line where it was made or by its name.

use std::collections::HashMap;
use std::sync::Arc;

use super::object::ObjectInfo;
use super::runtime::ResourceKind;
use super::tally::Waits;

/// All things of one kind that were made at one line, or have one name.
#[derive(Debug, Clone)]
pub struct Site {
    /// What they are.
    pub kind: ResourceKind,
    /// Their name, if they were given one.
    pub name: Option<Arc<str>>,
    /// Where they were made, as `file:line`.
    pub made_at: Option<Arc<str>>,
    /// How many there are or were, of those that were waited for.
    pub count: usize,
    /// The most that ever was in one of them, for queues.
    pub peak: Option<usize>,
    /// How often and how long they were waited for.
    pub waits: Waits,
}

type Key = (ResourceKind, Option<Arc<str>>, Option<Arc<str>>);

/// The sums, one for each kind, name and line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sites(HashMap<Key, Site>);

impl Sites {
    /// Adds a thing, if it was ever waited for. `peak`: the most that ever was in it, for a queue.
    pub(crate) fn add(&mut self, object: &ObjectInfo, peak: Option<usize>) {
        let waits = object.waits();
        if waits.count() == 0 {
            return;
        }
        let key = (object.kind(), object.name(), object.made_at());
        let (kind, name, made_at) = key.clone();
        let new = Site { kind, name, made_at, count: 0, peak: None, waits: Waits::default() };
        let site = self.0.entry(key).or_insert(new);
        site.count += 1;
        site.peak = site.peak.max(peak);
        site.waits.merge(&waits);
    }

    /// What was waited for the longest in all comes first.
    pub(crate) fn into_sorted(self) -> Vec<Site> {
        let mut sites: Vec<Site> = self.0.into_values().collect();
        sites.sort_by_key(|site| std::cmp::Reverse((site.waits.total, site.waits.count())));
        sites
    }
}
