//! Waiting for several tasks at once.

use std::sync::Arc;

use super::cell::Watch;
use super::collector::{Collector, Goal};
use super::crew::{Futures, Helper};
use super::future::Future;
use crate::wait::{Deadline, WaitError};

/// When [`wait`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// One of them is done.
    First,
    /// One of them has failed, by a panic, say; or all are done.
    FirstFailure,
    /// All of them are done.
    All,
}

/// Which tasks were done when [`wait`] returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    /// The numbers of those that were.
    pub done: Vec<usize>,
    /// The numbers of those that were not.
    pub not_done: Vec<usize>,
}

/// Waits until one or all of these tasks are done, or until the deadline.
///
/// ```
/// use ropewalk::exec::{ThreadPool, Until, wait};
/// use ropewalk::wait::Deadline;
///
/// let pool = ThreadPool::new(2);
/// let futures = [pool.submit(|| 1)?, pool.submit(|| 2)?];
/// let waited = wait(&futures, Until::All, Deadline::NEVER)?;
/// assert_eq!(waited.done, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`WaitError`].
///
/// # Interruption
/// It runs the host's signal handlers and ends if one of them raised.
pub fn wait<T>(
    futures: &[Future<T>],
    until: Until,
    deadline: Deadline,
) -> Result<Waited, WaitError> {
    let collector = Closing::new();
    let mut done = vec![false; futures.len()];
    let mut any_failed = false;
    for (index, future) in futures.iter().enumerate() {
        if let Watch::Done { failed } = future.cell().watch(&collector.0, index) {
            done[index] = true;
            any_failed |= failed;
        }
    }
    let out = done.iter().filter(|done| !**done).count();
    let goal = match until {
        Until::First if out < futures.len() => None,
        Until::FirstFailure if any_failed => None,
        Until::First => Some(Goal::ANY),
        Until::FirstFailure => Some(Goal::first_failure_of(out)),
        Until::All => Some(Goal::all_of(out)),
    };
    if let Some(goal) = goal.filter(|_| out > 0) {
        collector.0.wait_until(goal, deadline, &futures)?;
    }
    for index in collector.0.take_ready() {
        done[index] = true;
    }
    let (done, not_done) = (0..futures.len()).partition(|index| done[*index]);
    Ok(Waited { done, not_done })
}

/// The tasks in the order in which they are done; those that are done already come first.
///
/// ```
/// use ropewalk::exec::{ThreadPool, as_completed};
///
/// let pool = ThreadPool::new(2);
/// let futures = (0..5).map(|i| pool.submit(move || i)).collect::<Result<Vec<_>, _>>()?;
/// let mut seen = Vec::new();
/// for done in as_completed(futures) {
///     let (number, future) = done?;
///     assert_eq!(future.result()?, number);
///     seen.push(number);
/// }
/// seen.sort();
/// assert_eq!(seen, [0, 1, 2, 3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is waited for until it is iterated over"]
pub fn as_completed<T>(futures: impl IntoIterator<Item = Future<T>>) -> AsCompleted<T> {
    let futures: Vec<_> = futures.into_iter().map(Some).collect();
    let collector = Closing::new();
    for (index, future) in futures.iter().enumerate() {
        let Some(future) = future else { continue };
        if let Watch::Done { failed } = future.cell().watch(&collector.0, index) {
            collector.0.add(index, failed);
        }
    }
    AsCompleted { left: futures.len(), futures, collector }
}

/// What [`as_completed`] returns: an iterator over the number and the future of each task. An error
/// of a wait comes in between and ends nothing.
///
/// # Interruption
/// A blocked `next` runs the host's signal handlers and ends if one of them raised.
#[derive(Debug)]
pub struct AsCompleted<T> {
    futures: Vec<Option<Future<T>>>,
    left: usize,
    collector: Closing,
}

impl<T> AsCompleted<T> {
    /// How many have not come yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left
    }

    /// The next one, waiting for it until the deadline; `None` if the time was up, or if all have
    /// come.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn next_until(
        &mut self,
        deadline: Deadline,
    ) -> Result<Option<(usize, Future<T>)>, WaitError> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(index) = self.collector.0.next_until(deadline, &self.futures)? else {
            return Ok(None);
        };
        self.left -= 1;
        Ok(self.futures[index].take().map(|future| (index, future)))
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = Result<(usize, Future<T>), WaitError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(Deadline::NEVER).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, None)
    }
}

impl<T> Futures for &[Future<T>] {
    fn count(&self) -> usize {
        self.len()
    }
    fn helper(&self, index: usize) -> Helper<'_> {
        self[index].cell().helper()
    }
}

impl<T> Futures for Vec<Option<Future<T>>> {
    fn count(&self) -> usize {
        self.len()
    }
    fn helper(&self, index: usize) -> Helper<'_> {
        self[index].as_ref().map_or(Helper::Over, |future| future.cell().helper())
    }
}

/// A collector that is closed when its waiter has gone.
#[derive(Debug)]
struct Closing(Arc<Collector>);

impl Closing {
    fn new() -> Self {
        Self(Arc::new(Collector::new()))
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}
