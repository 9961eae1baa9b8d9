//! For how long a waiter may be overtaken.

use crate::primitive::now;

/// In nanoseconds: longer than a thread that was woken needs to come, and short for those who wait.
const FAIR_NS: u64 = 500_000;

/// Whether a waiter that began to wait at `since` must not be overtaken any more: what it waits for is
/// handed to it.
pub(crate) fn starved(since: u64) -> bool {
    now().saturating_sub(since) > FAIR_NS
}
