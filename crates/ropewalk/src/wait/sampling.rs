//! Which waits are measured.
//!
//! A look at a good clock costs more than all the rest of the counting together, and threads that hand
//! each other things wait a million times a second. So of short waits for what was often waited for one
//! in eight is measured, and stands for eight; the others are skipped, and no good clock is read for
//! them. A clock that moves every few milliseconds tells which waits are long: those are all measured.
//! For those that are skipped and for those that stand for them it must tell the same, or a wait that is
//! as long as the longest short one is counted seldom or twice.

use super::ended::is_exact;
use crate::primitive::{coarse_lag, now, now_coarse};

/// Of so many short waits one is measured, if there are many.
pub(super) const SAMPLE: u32 = 8;
/// What is shorter is short. At least one step of the coarse clock.
const SHORT_NS: u64 = 10_000_000;

/// What becomes of a turn of a wait if it is a short one for what was often waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// It is measured, and stands for so many.
    Measured(u32),
    /// Another one stands for it.
    Skipped,
}

impl Short {
    /// Of the wait with this number of some thread. Which one of [`SAMPLE`] is measured changes from each
    /// of them to the next (by the golden ratio): a thread that waits for a few things in turn would have
    /// the same ones measured each time, and the others never.
    pub(super) fn of(number: u32) -> Self {
        let one = (number / SAMPLE).wrapping_mul(0x9e37_79b9) >> (u32::BITS - SAMPLE.ilog2());
        if one == number % SAMPLE { Self::Measured(SAMPLE) } else { Self::Skipped }
    }
}

/// When a waiter was moved on to what it waits for next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    /// As exactly as it will be counted.
    pub(super) at: u64,
    /// By the coarse clock.
    coarse: u64,
}

/// The time of something that happens to many waits at once.
#[derive(Debug)]
pub(super) struct Clock {
    coarse: u64,
    exact: Option<u64>,
}

impl Clock {
    pub(super) fn now() -> Self {
        Self { coarse: now_coarse(), exact: None }
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn that_shows(coarse: u64, exact: u64) -> Self {
        Self { coarse, exact: Some(exact) }
    }

    /// For a wait that began at `since`, which is another time. What is long after all is told within
    /// some milliseconds, and rightly on the average.
    pub(super) fn coarsely(&self, since: u64) -> Moved {
        Moved { at: (self.coarse + coarse_lag()).max(since + 1), coarse: self.coarse }
    }

    pub(super) fn exactly(&mut self) -> Moved {
        Moved { at: *self.exact.get_or_insert_with(now), coarse: self.coarse }
    }
}

/// A part of a turn of a wait: all of it, but for a waiter that was moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// When it began.
    pub(super) since: u64,
    /// When it was over; `None` for now.
    until: Option<u64>,
    is_short: bool,
}

impl Part {
    /// A turn that is over now.
    pub(super) fn whole(since: u64) -> Self {
        Self { since, until: None, is_short: is_short(since, now_coarse()) }
    }

    /// What was before the waiter was moved.
    pub(super) fn before(since: u64, moved: &Moved) -> Self {
        Self { since, until: Some(moved.at), is_short: is_short(since, moved.coarse) }
    }

    /// What came then, and is over now.
    pub(super) fn after(moved: &Moved) -> Self {
        Self { since: moved.at, until: None, is_short: is_short(moved.coarse, now_coarse()) }
    }

    pub(super) fn end(&self) -> u64 {
        self.until.unwrap_or_else(now)
    }

    /// Whether not all waits like this one are measured.
    pub(super) fn is_sampled(&self, is_hot: bool) -> bool {
        is_hot && self.is_short && !is_exact()
    }

    /// For how many waits it stands; `None` if it is not measured.
    pub(super) fn weight(&self, is_hot: bool, short: Short) -> Option<u32> {
        match short {
            _ if !self.is_sampled(is_hot) => Some(1),
            Short::Measured(weight) => Some(weight),
            Short::Skipped => None,
        }
    }
}

fn is_short(since: u64, coarse: u64) -> bool {
    coarse.saturating_sub(since) < SHORT_NS
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn things_that_are_waited_for_in_turn_are_each_sampled_as_often() {
        for things in 1..=100 {
            let mut samples = vec![0_u32; things];
            for number in 0..u32::try_from(things).unwrap() * 1_000 * SAMPLE {
                let is_sample = Short::of(number) != Short::Skipped;
                samples[number as usize % things] += u32::from(is_sample);
            }
            let sum: u32 = samples.iter().sum();
            assert_eq!(sum as usize, things * 1_000);
            assert!(
                samples.iter().all(|each| (900..=1_100).contains(each)),
                "{things}: {samples:?}"
            );
        }
    }

    #[test]
    fn a_sample_stands_for_waits_by_the_clock_that_they_are_skipped_by() {
        let since = 1_000_000_000;
        let ends = |coarse: u64, exact: u64, short| {
            let mut clock = Clock::that_shows(since + coarse, since + exact);
            let moved =
                if short == Short::Skipped { clock.coarsely(since) } else { clock.exactly() };
            Part::before(since, &moved).weight(true, short)
        };
        // Behind by three milliseconds, and by none.
        assert_eq!(ends(9_000_000, 12_000_000, Short::Measured(8)), Some(8));
        assert_eq!(ends(9_000_000, 12_000_000, Short::Skipped), None);
        assert_eq!(ends(12_000_000, 12_000_000, Short::Measured(8)), Some(1));
        assert_eq!(ends(12_000_000, 12_000_000, Short::Skipped), Some(1));
    }

    #[test]
    fn a_waiter_is_moved_after_it_has_begun_to_wait() {
        let clock = Clock::that_shows(5_000, 0);
        assert_eq!(clock.coarsely(u64::MAX / 2).at, u64::MAX / 2 + 1);
        assert_eq!(clock.coarsely(100).at, 5_000 + coarse_lag());
    }
}
