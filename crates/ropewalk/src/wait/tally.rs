//! How often and how long was waited: sums and a coarse histogram.
//!
//! Written at the end of each wait and read by whoever looks, without a lock: a reader may see a
//! wait in the one number and not yet in the other. All orderings are Relaxed for that reason.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::object::{HOT, ObjectInfo};
use super::runtime::ResourceKind;
use super::sampling::{Clock, Moved, Part, Short};
use crate::primitive::now;

/// The waits of the first class are shorter than two to this power of nanoseconds; each further
/// class reaches four times as far, the last but one for some hours.
const FIRST_BITS: u32 = 13;
const CLASSES: usize = 18;
/// A class that is as full as this counts no more: it would begin again at 0. (With wider numbers a
/// thing that was waited for would take half as much memory again.)
const FULL: u32 = u32::MAX - (1 << 20);

/// A wait that was counted, and for how many it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    length: u64,
    weight: u32,
}

impl Counted {
    /// How much longer all of them are than those of `before`, modulo two to the power of 64.
    fn beyond(self, before: Option<Self>) -> u64 {
        let sum = |it: Self| it.length.wrapping_mul(it.weight.into());
        sum(self).wrapping_sub(before.map_or(0, sum))
    }
}

/// The waits for one thing, by all threads.
#[derive(Debug)]
pub(super) struct Tally {
    total: AtomicU64,
    most: AtomicU64,
    classes: [AtomicU32; CLASSES],
}

fn class_of(nanos: u64) -> usize {
    let bits = u64::BITS - nanos.leading_zeros();
    (bits.saturating_sub(FIRST_BITS).div_ceil(2) as usize).min(CLASSES - 1)
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self {
            total: AtomicU64::new(0),
            most: AtomicU64::new(0),
            classes: [const { AtomicU32::new(0) }; CLASSES],
        }
    }

    /// Counts a wait of `nanos`, which stands for `weight` waits. If it goes on from one that was
    /// counted `before`, that one is taken back: a thread that was woken in vain and waits again
    /// waits once.
    pub(super) fn add(&self, nanos: u64, before: Option<Counted>, weight: u32) {
        let class = class_of(nanos);
        let was = before.map(|before| (class_of(before.length), before.weight));
        if was != Some((class, weight)) {
            if let Some((class, weight)) = was
                && !self.is_full(class)
            {
                self.classes[class].fetch_sub(weight, Ordering::Relaxed);
            }
            if !self.is_full(class) {
                self.classes[class].fetch_add(weight, Ordering::Relaxed);
            }
        }
        // It may be less than before, if that stood for more waits.
        let more = Counted { length: nanos, weight }.beyond(before);
        self.total.fetch_add(more, Ordering::Relaxed);
        // A load first: most waits are not the longest.
        if self.most.load(Ordering::Relaxed) < nanos {
            self.most.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    fn is_full(&self, class: usize) -> bool {
        self.classes[class].load(Ordering::Relaxed) >= FULL
    }

    pub(super) fn read(&self) -> Waits {
        let mut waits = Waits {
            total: Duration::from_nanos(self.total.load(Ordering::Relaxed)),
            most: Duration::from_nanos(self.most.load(Ordering::Relaxed)),
            ..Waits::default()
        };
        for (sum, class) in waits.classes.iter_mut().zip(&self.classes) {
            *sum = u64::from(class.load(Ordering::Relaxed));
        }
        waits
    }
}

/// How often and how long was waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// All waits together.
    pub total: Duration,
    /// The longest.
    pub most: Duration,
    classes: [u64; CLASSES],
}

impl Waits {
    /// How many there were; of those for one thing at most four billion that were about as long.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// The wait that `share` of all waits (0.5: half of them) were not longer than. It is the
    /// middle of a class that reaches from half of it to twice as much, and never more than the
    /// longest.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = self.count() as f64 * share;
        let mut seen = 0;
        for (class, count) in self.classes.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                if class == CLASSES - 1 {
                    break;
                }
                let bits = FIRST_BITS as usize + (2 * class).saturating_sub(1);
                return Duration::from_nanos(1 << bits).min(self.most);
            }
        }
        self.most
    }

    /// Adds the waits for something else.
    pub fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.most = self.most.max(other.most);
        for (sum, class) in self.classes.iter_mut().zip(&other.classes) {
            *sum += class;
        }
    }
}

/// For how many kinds of things a thread's waits are kept apart.
const KINDS: usize = 24;

/// The waits of one thread. Written by that thread alone, so a load and a store will do.
#[derive(Debug)]
pub(super) struct ThreadTally {
    kinds: [(AtomicU64, AtomicU64); KINDS],
    /// How long it waited for the host's lock after it had been woken.
    host: AtomicU64,
    /// When its sleep ended, where that is measured.
    woke: AtomicU64,
    /// The number of the next wait, which says whether it is measured if it is a short one.
    turn: AtomicU32,
    /// The last wait that was counted: when it began, its length, and its weight.
    last: (AtomicU64, AtomicU64, AtomicU32),
    /// The number of the wake that ended, or will end, its wait; 0 for none. A trace's business.
    #[cfg(not(loom))]
    pub(super) flow: AtomicU64,
}

/// How often and how long a thread waited for things of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitedFor {
    /// The kind.
    pub kind: ResourceKind,
    /// How often.
    pub count: u64,
    /// How long in all.
    pub total: Duration,
}

fn plus(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl ThreadTally {
    pub(super) fn new() -> Self {
        // Each thread begins elsewhere: there may be many that wait once.
        static BEGINS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        Self {
            kinds: [const { (AtomicU64::new(0), AtomicU64::new(0)) }; KINDS],
            host: AtomicU64::new(0),
            woke: AtomicU64::new(0),
            turn: AtomicU32::new(BEGINS.fetch_add(1, Ordering::Relaxed)),
            last: (AtomicU64::new(0), AtomicU64::new(0), AtomicU32::new(0)),
            #[cfg(not(loom))]
            flow: AtomicU64::new(0),
        }
    }

    /// The sleep is over; the thread wants the host's lock next.
    pub(super) fn woke(&self) {
        self.woke.store(now(), Ordering::Relaxed);
    }

    /// A turn of a wait is over that began at `since`; `goes_on` if it was not the first. Says how it, and
    /// the parts that it is made of, are to be counted.
    pub(super) fn turn(&self, since: u64, goes_on: bool) -> Short {
        if goes_on {
            // As its first turn.
            return match self.counted(since) {
                Some(counted) => Short::Measured(counted.weight),
                None => Short::Skipped,
            };
        }
        let number = self.turn.load(Ordering::Relaxed);
        self.turn.store(number.wrapping_add(1), Ordering::Relaxed);
        Short::of(number)
    }

    /// When the wait that this thread is in was moved from the one object to the other: now, as exactly
    /// as it will be counted ([`turn`](Self::turn)). Any thread may ask.
    pub(super) fn moved(
        &self,
        since: u64,
        objects: [Option<&ObjectInfo>; 2],
        clock: &mut Clock,
    ) -> Moved {
        let are_hot = objects.iter().all(|object| object.is_some_and(ObjectInfo::is_hot));
        let is_skipped = are_hot
            && Short::of(self.turn.load(Ordering::Relaxed)) == Short::Skipped
            && Part::before(since, &clock.coarsely(since)).is_sampled(are_hot);
        if is_skipped { clock.coarsely(since) } else { clock.exactly() }
    }

    /// This part of a turn of a wait was for `object`; `goes_on` if the turn was not the first.
    pub(super) fn count(&self, object: &ObjectInfo, part: Part, goes_on: bool, short: Short) {
        let Some(weight) = part.weight(object.is_hot(), short) else { return };
        object.see();
        let turn = self.add(object.kind(), part.since, goes_on, weight, part.end());
        object.tally().add(turn.length, turn.before, turn.weight);
    }

    /// As [`count`](Self::count), for one of many things of this kind that are each waited for once.
    pub(super) fn count_passing(
        &self,
        kind: ResourceKind,
        part: Part,
        goes_on: bool,
        short: Short,
    ) {
        let is_hot = self.of(kind).0.load(Ordering::Relaxed) >= HOT.into();
        let Some(weight) = part.weight(is_hot, short) else { return };
        self.add(kind, part.since, goes_on, weight, part.end());
    }

    /// What was counted of the wait that began at `since`, if it was the last one that was.
    fn counted(&self, since: u64) -> Option<Counted> {
        let (last_since, length, weight) = &self.last;
        (last_since.load(Ordering::Relaxed) == since).then(|| Counted {
            length: length.load(Ordering::Relaxed),
            weight: weight.load(Ordering::Relaxed),
        })
    }

    fn of(&self, kind: ResourceKind) -> &(AtomicU64, AtomicU64) {
        &self.kinds[(kind as usize).min(KINDS - 1)]
    }

    /// Counts a turn that is over now. Returns its length, and what was counted of the wait before.
    fn add(&self, kind: ResourceKind, since: u64, goes_on: bool, weight: u32, now: u64) -> Turn {
        let length = now.saturating_sub(since);
        let before = if goes_on { self.counted(since) } else { None };
        let (last_since, last_length, last_weight) = &self.last;
        last_since.store(since, Ordering::Relaxed);
        last_length.store(length, Ordering::Relaxed);
        last_weight.store(weight, Ordering::Relaxed);
        let (count, total) = self.of(kind);
        let waits = before.map_or(0, |before| before.weight);
        plus(count, u64::from(weight).wrapping_sub(waits.into()));
        plus(total, Counted { length, weight }.beyond(before));
        let woke = self.woke.load(Ordering::Relaxed);
        // Older than the wait, or zero, where it is not measured.
        if woke >= since {
            plus(&self.host, now.saturating_sub(woke));
        }
        Turn { length, before, weight }
    }

    /// How long the thread waited for the host's lock after it had been woken.
    pub(super) fn host(&self) -> Duration {
        Duration::from_nanos(self.host.load(Ordering::Relaxed))
    }

    /// What it waited for, kind by kind.
    pub(super) fn read(&self) -> Vec<WaitedFor> {
        let each = |kind: &ResourceKind| {
            let (count, total) = &self.kinds[*kind as usize];
            let count = count.load(Ordering::Relaxed);
            let total = Duration::from_nanos(total.load(Ordering::Relaxed));
            (count > 0).then_some(WaitedFor { kind: *kind, count, total })
        };
        ResourceKind::ALL.iter().filter_map(each).collect()
    }
}

/// One turn of a wait, for the tally of what was waited for.
#[derive(Debug, Clone, Copy)]
struct Turn {
    length: u64,
    before: Option<Counted>,
    weight: u32,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::wait::sampling::SAMPLE;

    #[test]
    fn classes_grow_and_the_longest_is_exact() {
        let tally = Tally::new();
        for nanos in [1, 8_191, 8_192, 9_000, 3_000_000_000] {
            tally.add(nanos, None, 1);
        }
        let waits = tally.read();
        assert_eq!(waits.count(), 5);
        assert_eq!(waits.total, Duration::from_nanos(3_000_025_384));
        assert_eq!(waits.most, Duration::from_secs(3));
        assert_eq!(waits.quantile(0.4), Duration::from_nanos(8_192));
        assert_eq!(waits.quantile(0.5), Duration::from_nanos(16_384));
        assert_eq!(waits.quantile(0.99), Duration::from_secs(3));
        assert_eq!(Waits::default().quantile(0.99), Duration::ZERO);
    }

    #[test]
    fn a_class_that_is_full_stays_full() {
        let tally = Tally::new();
        tally.classes[0].store(FULL - 1, Ordering::Relaxed);
        for _ in 0..1 << 20 {
            tally.add(1, None, 8);
        }
        // As if it had been counted.
        tally.add(9_000, Some(Counted { length: 1, weight: 8 }), 8);
        let waits = tally.read();
        assert_eq!(waits.classes[..2], [u64::from(FULL) + 7, 8]);
    }

    #[test]
    fn half_of_the_waits_are_told_within_a_factor_of_two() {
        for nanos in (14..45).flat_map(|bits| [1 << bits, (1 << bits) + (1 << (bits - 1))]) {
            let tally = Tally::new();
            for _ in 0..30 {
                tally.add(nanos, None, 1);
            }
            tally.add(1 << 50, None, 1);
            let (half, nanos) = (tally.read().quantile(0.5), Duration::from_nanos(nanos));
            assert!(half <= nanos * 2 && half * 2 >= nanos, "{half:?} {nanos:?}");
        }
    }

    #[test]
    fn a_wait_that_goes_on_is_counted_once() {
        let thread = ThreadTally::new();
        let tally = Tally::new();
        let add = |since, goes_on, now| {
            let turn = thread.add(ResourceKind::Lock, since, goes_on, 1, now);
            tally.add(turn.length, turn.before, turn.weight);
        };
        add(100, false, 5_100);
        add(100, true, 90_100);
        add(200_000, true, 200_001);
        let waits = tally.read();
        assert_eq!((waits.count(), waits.total), (2, Duration::from_nanos(90_001)));
        let kinds = thread.read();
        assert_eq!(kinds.len(), 1);
        assert_eq!((kinds[0].count, kinds[0].total), (2, Duration::from_nanos(90_001)));
    }

    #[test]
    fn a_sample_stands_for_many() {
        let tally = Tally::new();
        tally.add(5_000, None, 8);
        tally.add(90_000, Some(Counted { length: 5_000, weight: 8 }), 8);
        let waits = tally.read();
        assert_eq!((waits.count(), waits.total), (8, Duration::from_micros(720)));
    }

    #[test]
    fn a_sample_that_becomes_long_stands_for_itself() {
        let tally = Tally::new();
        tally.add(5_000, None, 8);
        tally.add(90_000_000, Some(Counted { length: 5_000, weight: 8 }), 1);
        let waits = tally.read();
        assert_eq!((waits.count(), waits.total), (1, Duration::from_millis(90)));
    }

    /// Of a thread that begins with one of the eight waits of which one is measured.
    fn thread_at_its_beginning() -> ThreadTally {
        ThreadTally { turn: AtomicU32::new(0), ..ThreadTally::new() }
    }

    #[test]
    fn waits_of_several_turns_are_sampled_as_one() {
        let thread = thread_at_its_beginning();
        for _ in 0..80 * SAMPLE {
            let since = now();
            for goes_on in [false, true, true] {
                let short = thread.turn(since, goes_on);
                if let Some(weight) = Part::whole(since).weight(true, short) {
                    thread.add(ResourceKind::Lock, since, goes_on, weight, since + 1_000);
                }
            }
        }
        let kinds = thread.read();
        assert_eq!(kinds[0].count, u64::from(80 * SAMPLE));
        assert_eq!(kinds[0].total, Duration::from_micros(u64::from(80 * SAMPLE)));
    }

    #[test]
    fn of_threads_that_wait_once_one_in_eight_is_sampled() {
        let is_measured = |_: &u32| {
            let thread = ThreadTally::new();
            thread.turn(now(), false) == Short::Measured(SAMPLE)
        };
        // Other tests make threads as well.
        let samples = (0..1_000 * SAMPLE).filter(is_measured).count();
        assert!((800..1_200).contains(&samples), "{samples}");
    }

    struct Thing;

    impl crate::wait::Resource for Thing {
        fn kind(&self) -> ResourceKind {
            ResourceKind::Lock
        }
        fn id(&self) -> usize {
            1
        }
    }

    #[test]
    fn a_wait_is_moved_at_the_exact_time_if_it_is_measured() {
        let (hot, cold) = (super::super::object::make(&Thing), super::super::object::make(&Thing));
        (0..HOT).for_each(|_| hot.see());
        let (hot, cold) = (Some(&*hot), Some(&*cold));
        let thread = thread_at_its_beginning();
        let since = 1_000;
        let mut samples = 0;
        for _ in 0..10 * SAMPLE {
            let at = |objects, coarse, exact| {
                thread.moved(since, objects, &mut Clock::that_shows(coarse, exact)).at
            };
            let moved = at([hot, hot], 5_000, 6_000);
            for objects in [[hot, cold], [cold, hot], [None, hot], [hot, None]] {
                assert_eq!(at(objects, 5_000, 6_000), 6_000);
            }
            // A long wait is measured in any case.
            assert_eq!(at([hot, hot], 60_000_000, 61_000_000), 61_000_000);
            // Both parts of the wait are counted alike.
            if thread.turn(since, false) == Short::Skipped {
                assert_ne!(moved, 6_000);
            } else {
                assert_eq!(moved, 6_000);
                samples += 1;
            }
        }
        assert_eq!(samples, 10);
    }

    #[test]
    fn every_kind_has_a_place_of_its_own() {
        let mut places: Vec<usize> = ResourceKind::ALL.iter().map(|kind| *kind as usize).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), ResourceKind::ALL.len());
        assert!(places.iter().all(|place| *place < KINDS));
    }
}
