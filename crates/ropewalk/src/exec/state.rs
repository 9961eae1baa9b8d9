//! The states of a future.

/// How a future stands. The states, and who may leave which, are those of Python's
/// `concurrent.futures`.
///
/// ```
/// use ropewalk::exec::State;
///
/// assert!(State::Cancelled.is_done());
/// assert!(!State::Cancelled.is_told());
/// assert_eq!(State::Pending.name(), "PENDING");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody works on it yet.
    Pending,
    /// Somebody works on it: it cannot be cancelled any more.
    Running,
    /// It was cancelled; those who collect futures are not told before its turn comes.
    Cancelled,
    /// It was cancelled, and everybody was told.
    CancelledAndNotified,
    /// It has its outcome.
    Finished,
}

/// The bits of the state in a future's word.
pub(super) const STATE: u32 = 7;
/// Somebody may stand in the queue.
pub(super) const PARKED: u32 = 8;

pub(super) const PENDING: u32 = 0;
pub(super) const RUNNING: u32 = 1;
pub(super) const CANCELLED: u32 = 2;
pub(super) const CANCELLED_AND_NOTIFIED: u32 = 3;
pub(super) const FINISHED: u32 = 4;

impl State {
    /// Whether there is nothing to wait for any more: an outcome is there, or will never be.
    #[must_use]
    pub const fn is_done(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// Whether those who collect futures have been told that it is done.
    #[must_use]
    pub const fn is_told(self) -> bool {
        matches!(self, Self::CancelledAndNotified | Self::Finished)
    }

    /// Python's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Cancelled => "CANCELLED",
            Self::CancelledAndNotified => "CANCELLED_AND_NOTIFIED",
            Self::Finished => "FINISHED",
        }
    }

    pub(super) const fn of(word: u32) -> Self {
        match word & STATE {
            PENDING => Self::Pending,
            RUNNING => Self::Running,
            CANCELLED => Self::Cancelled,
            CANCELLED_AND_NOTIFIED => Self::CancelledAndNotified,
            _ => Self::Finished,
        }
    }

    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::Pending => PENDING,
            Self::Running => RUNNING,
            Self::Cancelled => CANCELLED,
            Self::CancelledAndNotified => CANCELLED_AND_NOTIFIED,
            Self::Finished => FINISHED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_the_state_beside_the_mark() {
        for state in [
            State::Pending,
            State::Running,
            State::Cancelled,
            State::CancelledAndNotified,
            State::Finished,
        ] {
            assert_eq!(State::of(state.bits()), state);
            assert_eq!(State::of(state.bits() | PARKED), state);
            assert!(!state.is_told() || state.is_done(), "{}", state.name());
        }
    }
}
