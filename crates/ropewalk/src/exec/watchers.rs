//! Who is to be told of a future's end, besides those who wait for it.

use std::sync::Arc;

use super::collector::Collector;

/// One who is to be told.
#[derive(Debug)]
pub(super) enum Watcher<C> {
    /// A callback of the host, to be called by whoever ends the future.
    Callback(C),
    /// Somebody who waits for several futures, and which of them this one is.
    Collector(Arc<Collector>, usize),
}

impl<C> Watcher<C> {
    /// Whether nobody needs to be told any more.
    fn is_dead(&self) -> bool {
        matches!(self, Self::Collector(collector, _) if collector.is_closed())
    }
}

/// All of them, in order of registration. Nearly always there is none or one.
#[derive(Debug)]
pub(super) enum Watchers<C> {
    Few(Option<Watcher<C>>),
    Many(Vec<Watcher<C>>),
}

impl<C> Default for Watchers<C> {
    fn default() -> Self {
        Self::Few(None)
    }
}

/// Watchers that are to be dropped outside the future's lock.
#[derive(Debug)]
#[must_use = "to be dropped after unlocking"]
pub(super) struct Swept<C>(
    #[expect(dead_code, reason = "only dropped, at a place of its owner's choice")] Vec<Watcher<C>>,
);

impl<C> Watchers<C> {
    /// Adds one. The list grows only if most of it is alive: collectors that have closed are taken
    /// out first, so that a future that is waited for again and again keeps a short list.
    pub(super) fn push(&mut self, watcher: Watcher<C>) -> Swept<C> {
        let mut swept = Vec::new();
        match self {
            Self::Few(one @ None) => *one = Some(watcher),
            Self::Few(Some(only)) if only.is_dead() => {
                swept.push(std::mem::replace(only, watcher));
            }
            Self::Few(one) => {
                let mut all = Vec::with_capacity(4);
                all.extend(one.take());
                all.push(watcher);
                *self = Self::Many(all);
            }
            Self::Many(all) => {
                if all.len() == all.capacity() {
                    swept.extend(all.extract_if(.., |each| each.is_dead()));
                    if all.len() > all.capacity() / 2 {
                        all.reserve(all.capacity());
                    }
                }
                all.push(watcher);
            }
        }
        Swept(swept)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(super) fn has_callbacks(&self) -> bool {
        self.iter().any(|each| matches!(each, Watcher::Callback(_)))
    }

    pub(super) fn callbacks(&self) -> impl Iterator<Item = &C> {
        self.iter().filter_map(|each| match each {
            Watcher::Callback(callback) => Some(callback),
            Watcher::Collector(..) => None,
        })
    }

    /// Takes the callbacks out and leaves the collectors.
    pub(super) fn take_callbacks(&mut self) -> Fired<C> {
        let (callbacks, mut rest) = std::mem::take(self).split();
        *self = if rest.len() > 1 { Self::Many(rest) } else { Self::Few(rest.pop()) };
        callbacks
    }

    /// The callbacks, and the collectors.
    pub(super) fn split(self) -> (Fired<C>, Vec<Watcher<C>>) {
        let mut fired = Fired::default();
        let mut rest = Vec::new();
        for watcher in self {
            match watcher {
                Watcher::Callback(callback) => fired.push(callback),
                watcher @ Watcher::Collector(..) => rest.push(watcher),
            }
        }
        (fired, rest)
    }

    fn iter(&self) -> std::slice::Iter<'_, Watcher<C>> {
        match self {
            Self::Few(one) => one.as_slice().iter(),
            Self::Many(all) => all.iter(),
        }
    }
}

impl<C> IntoIterator for Watchers<C> {
    type Item = Watcher<C>;
    type IntoIter =
        std::iter::Chain<std::option::IntoIter<Watcher<C>>, std::vec::IntoIter<Watcher<C>>>;

    fn into_iter(self) -> Self::IntoIter {
        match self {
            Self::Few(one) => one.into_iter().chain(Vec::new()),
            Self::Many(all) => None.into_iter().chain(all),
        }
    }
}

/// The callbacks of a future that has just ended, in order of registration: whoever ended it calls
/// each of them once.
#[derive(Debug)]
#[must_use = "callbacks that are not called are lost"]
pub struct Fired<C> {
    first: Option<C>,
    more: Vec<C>,
}

impl<C> Default for Fired<C> {
    fn default() -> Self {
        Self { first: None, more: Vec::new() }
    }
}

impl<C> Fired<C> {
    /// Whether there is nothing to be called.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push(&mut self, callback: C) {
        if self.first.is_none() {
            self.first = Some(callback);
        } else {
            self.more.push(callback);
        }
    }
}

impl<C> IntoIterator for Fired<C> {
    type Item = C;
    type IntoIter = std::iter::Chain<std::option::IntoIter<C>, std::vec::IntoIter<C>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn names(fired: Fired<&'static str>) -> Vec<&'static str> {
        fired.into_iter().collect()
    }

    #[test]
    fn collectors_that_have_closed_are_forgotten() {
        let mut watchers = Watchers::default();
        let open = Arc::new(Collector::new());
        drop(watchers.push(Watcher::Collector(open.clone(), 0)));
        drop(watchers.push(Watcher::Callback("first")));
        for _ in 0..100_000 {
            let collector = Arc::new(Collector::new());
            drop(watchers.push(Watcher::Collector(collector.clone(), 0)));
            collector.close();
        }
        drop(watchers.push(Watcher::Callback("second")));
        assert!(watchers.iter().len() < 16, "{}", watchers.iter().len());
        let (fired, rest) = watchers.split();
        assert_eq!(names(fired), ["first", "second"]);
        let is_open = |each: &Watcher<_>| match each {
            Watcher::Collector(collector, _) => Arc::ptr_eq(collector, &open),
            Watcher::Callback(_) => false,
        };
        assert!(is_open(&rest[0]));
    }

    #[test]
    fn a_single_collector_that_has_closed_makes_room() {
        let mut watchers: Watchers<()> = Watchers::default();
        for _ in 0..10 {
            let collector = Arc::new(Collector::new());
            drop(watchers.push(Watcher::Collector(collector.clone(), 0)));
            collector.close();
            assert!(matches!(watchers, Watchers::Few(Some(_))));
        }
    }

    #[test]
    fn those_that_are_alive_all_stay() {
        let mut watchers = Watchers::default();
        let collectors = [(); 100].map(|()| Arc::new(Collector::new()));
        for (index, collector) in collectors.iter().enumerate() {
            drop(watchers.push(Watcher::Collector(collector.clone(), index)));
            drop(watchers.push(Watcher::Callback("callback")));
        }
        assert!(watchers.has_callbacks());
        assert_eq!(names(watchers.take_callbacks()).len(), 100);
        assert!(!watchers.has_callbacks());
        let indexes: Vec<usize> = watchers
            .into_iter()
            .filter_map(|each| match each {
                Watcher::Collector(_, index) => Some(index),
                Watcher::Callback(_) => None,
            })
            .collect();
        assert_eq!(indexes, (0..100).collect::<Vec<_>>());
    }
}
