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
    /// How many there are or were, of those that were waited for or, being queues that have a name,
    /// ever had anything in them.
    pub count: usize,
    /// The most that ever was in one of them, for queues.
    pub peak: Option<usize>,
    /// How often and how long they were waited for.
    pub waits: Waits,
}

type Key = (ResourceKind, Option<Arc<str>>, Option<Arc<str>>);

/// From so many sums on, what has a name of its own is summed up with all that were made at its
/// line: a program may name each of its locks, and make millions.
const NAMED: usize = 10_000;

/// The sums, one for each kind, name and line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sites(HashMap<Key, Site>);

impl Sites {
    /// Adds a thing of the program, if it was ever waited for or had anything in it. `peak`: the most
    /// that ever was in it, for a queue.
    pub(crate) fn add(&mut self, object: &ObjectInfo, peak: Option<usize>) {
        let waits = object.waits();
        if object.is_own() || waits.count() == 0 && peak.unwrap_or(0) == 0 {
            return;
        }
        let mut key = (object.kind(), object.name(), object.made_at());
        if self.0.len() >= NAMED && !self.0.contains_key(&key) {
            key.1 = None;
        }
        let (kind, name, made_at) = key.clone();
        let new = Site { kind, name, made_at, count: 0, peak: None, waits: Waits::default() };
        let site = self.0.entry(key).or_insert(new);
        site.count += 1;
        site.peak = site.peak.max(peak);
        site.waits.merge(&waits);
    }

    /// What was waited for the longest in all comes first; of what was not, the fullest.
    pub(crate) fn into_sorted(self) -> Vec<Site> {
        let mut sites: Vec<Site> = self.0.into_values().collect();
        let rank = |site: &Site| (site.waits.total, site.waits.count(), site.peak);
        sites.sort_by_key(|site| std::cmp::Reverse(rank(site)));
        sites
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::object::{make, rename};
    use super::*;

    #[derive(Debug)]
    struct Thing;

    impl super::super::Resource for Thing {
        fn kind(&self) -> ResourceKind {
            ResourceKind::Lock
        }
        fn id(&self) -> usize {
            std::ptr::from_ref(self) as usize
        }
    }

    #[test]
    fn names_beyond_a_number_are_summed_up_by_line() {
        let mut sites = Sites::default();
        let add = |sites: &mut Sites, name: &str| {
            let object = make(&Thing);
            rename(&object, name);
            object.tally().add(1, None, 1);
            sites.add(&object, None);
        };
        for number in 0..NAMED + 5 {
            add(&mut sites, &number.to_string());
        }
        add(&mut sites, "0");
        let sites = sites.into_sorted();
        assert_eq!(sites.len(), NAMED + 1);
        let count_of = |name: Option<&str>| {
            sites.iter().find(|site| site.name.as_deref() == name).map(|site| site.count)
        };
        assert_eq!(count_of(None), Some(5));
        assert_eq!(count_of(Some("0")), Some(2));
    }
}
