//! When a wait gives up.

use std::time::{Duration, Instant};

use crate::primitive::now;

/// A moment on the monotonic clock after which a wait ends without its outcome, or never.
///
/// Deadlines are absolute so that a wait that is interrupted and taken up again does not grow.
///
/// ```
/// use ropewalk::wait::Deadline;
/// use std::time::Duration;
///
/// assert!(Deadline::NEVER.is_never());
/// assert!(!Deadline::after(Duration::from_secs(1)).has_passed());
/// assert!(Deadline::after(Duration::ZERO).has_passed());
/// ```
///
/// It is made of a `Duration`, from now, and of an `Instant`, too:
///
/// ```
/// use ropewalk::{queue::{GetError, Queue}, wait::Deadline};
/// use std::time::{Duration, Instant};
///
/// let queue = Queue::<u32>::new(0);
/// let answer = queue.get_until(Duration::from_millis(5).into());
/// assert!(matches!(answer, Err(GetError::Empty)));
/// assert!(!Deadline::from(Instant::now() + Duration::from_secs(1)).has_passed());
/// assert!(Deadline::from(Instant::now()).has_passed());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// No deadline: the wait ends by its outcome, a signal handler's exception or a deadlock only.
    pub const NEVER: Self = Self(u64::MAX);

    /// Long ago: do not wait at all.
    pub const PAST: Self = Self(0);

    /// `duration` from now; durations of more than about 290 years mean [`Deadline::NEVER`].
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        u64::try_from(duration.as_nanos())
            .ok()
            .and_then(|nanos| now().checked_add(nanos))
            .filter(|at| *at < u64::MAX / 2)
            .map_or(Self::NEVER, Self)
    }

    /// Whether this is [`Deadline::NEVER`].
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn has_passed(self) -> bool {
        // The first comparison spares the usual `timeout=0` a look at the clock.
        self.0 == 0 || (!self.is_never() && now() >= self.0)
    }

    /// How long it is until then; `None` for never.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.at().map(|at| Duration::from_nanos(at.saturating_sub(now())))
    }

    /// The moment in nanoseconds of the runtime's clock, `None` for never.
    pub(crate) fn at(self) -> Option<u64> {
        (!self.is_never()).then_some(self.0)
    }
}

impl From<Duration> for Deadline {
    /// As [`Deadline::after`].
    fn from(duration: Duration) -> Self {
        Self::after(duration)
    }
}

impl From<Instant> for Deadline {
    /// That moment.
    fn from(moment: Instant) -> Self {
        Self::after(moment.saturating_duration_since(Instant::now()))
    }
}
