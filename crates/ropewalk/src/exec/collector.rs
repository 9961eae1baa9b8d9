//! Waiting for several futures at once: what `wait` and `as_completed` stand on.

use std::collections::VecDeque;

use super::crew::{Crew, Futures, Helper};
use crate::primitive::{AtomicBool, AtomicUsize, Ordering, ShortLock};
use crate::wait::{
    Deadline, NORMAL, Park, Parked, Resource, ResourceKind, WaitError, WaitQueue, WakeList, park,
};

/// Gathers futures in the order in which they end.
///
/// It is registered once with each future ([`FutureCell::watch`](super::FutureCell::watch)), which
/// gives it its number when it has ended. So each end costs the same however many there are.
///
/// ```
/// use ropewalk::exec::{Collector, FutureCell, Goal};
/// use ropewalk::wait::Deadline;
/// use std::sync::Arc;
///
/// let futures: Vec<FutureCell<Result<i32, ()>, ()>> = (0..3).map(|_| FutureCell::new()).collect();
/// let collector = Arc::new(Collector::new());
/// for (index, future) in futures.iter().enumerate() {
///     future.watch(&collector, index);
/// }
/// drop(futures[2].finish(Ok(2)));
/// drop(futures[0].finish(Err(())));
/// assert!(collector.wait_until(Goal::first_failure_of(3), Deadline::PAST, &())?);
/// assert_eq!(collector.next_until(Deadline::NEVER, &())?, Some(2));
/// assert_eq!(collector.next_until(Deadline::NEVER, &())?, Some(0));
/// assert_eq!(collector.next_until(Deadline::PAST, &())?, None);
/// collector.close();
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// A blocked wait runs the host's signal handlers and ends if one of them raised; nothing that was
/// gathered is lost.
#[derive(Debug)]
pub struct Collector {
    gathered: ShortLock<Gathered>,
    /// Nobody waits any more, and futures may forget it.
    closed: AtomicBool,
    queue: WaitQueue,
}

#[derive(Debug)]
struct Gathered {
    /// The numbers of those that have ended and were not taken.
    ready: VecDeque<usize>,
    /// Whether one has failed.
    failed: bool,
    /// Somebody may stand in the queue, for this.
    wanted: Option<Goal>,
}

/// What a wait for several futures waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// So many have ended and were not taken.
    pub ready: usize,
    /// One of them having failed is enough.
    pub or_failure: bool,
    /// Each that is still out is needed, so that one that can never end is a deadlock.
    pub all: bool,
}

impl Goal {
    /// Any one of them has ended.
    pub const ANY: Self = Self { ready: 1, or_failure: false, all: false };

    /// All of `count` have ended.
    #[must_use]
    pub const fn all_of(count: usize) -> Self {
        Self { ready: count, or_failure: false, all: true }
    }

    /// One of `count` has failed, or all have ended.
    #[must_use]
    pub const fn first_failure_of(count: usize) -> Self {
        Self { ready: count, or_failure: true, all: false }
    }
}

impl Gathered {
    fn reaches(&self, goal: Goal) -> bool {
        self.ready.len() >= goal.ready || (goal.or_failure && self.failed)
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector {
    /// One that has nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            gathered: ShortLock::new(Gathered {
                ready: VecDeque::new(),
                failed: false,
                wanted: None,
            }),
            closed: AtomicBool::new(false),
            queue: WaitQueue::new(),
        }
    }

    /// Adds one that had ended before it could be watched.
    pub fn add(&self, index: usize, failed: bool) {
        let mut wakes = WakeList::default();
        self.complete(index, failed, &mut wakes);
        wakes.wake();
    }

    /// One has ended.
    pub(super) fn complete(&self, index: usize, failed: bool, wakes: &mut WakeList) {
        let wake = {
            let mut gathered = self.gathered.lock();
            if self.is_closed() {
                return;
            }
            gathered.ready.push_back(index);
            gathered.failed |= failed;
            let wake = gathered.wanted.is_some_and(|goal| gathered.reaches(goal));
            if wake {
                gathered.wanted = None;
            }
            wake
        };
        if wake {
            self.queue.pop_all(NORMAL, wakes);
        }
    }

    /// Waits until the goal is reached or the deadline has passed; returns whether it is reached.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_until(
        &self,
        goal: Goal,
        deadline: Deadline,
        futures: &dyn Futures,
    ) -> Result<bool, WaitError> {
        loop {
            if self.gathered.lock().reaches(goal) {
                return Ok(true);
            }
            if deadline.has_passed() {
                return Ok(false);
            }
            let what = Awaited { collector: self, goal, futures, over: AtomicUsize::new(0) };
            let request =
                Park { queue: &self.queue, what: &what, deadline, since: None, next: None };
            let not_yet = |_: &mut _| {
                let mut gathered = self.gathered.lock();
                let wait = !gathered.reaches(goal);
                if wait {
                    // Several threads that wait at one collector are all woken for the nearest goal.
                    gathered.wanted = Some(match gathered.wanted {
                        Some(other) => other.or(goal),
                        None => goal,
                    });
                }
                wait
            };
            // A wake that crossed an exception needs no handing on: everybody was woken.
            match park(&request, not_yet, || true, |_| {})? {
                Parked::Notified(_) | Parked::Retry => {}
                Parked::TimedOut => return Ok(self.gathered.lock().reaches(goal)),
            }
        }
    }

    /// The number of the next one that has ended, waiting for it until the deadline; `None` if the
    /// time was up.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn next_until(
        &self,
        deadline: Deadline,
        futures: &dyn Futures,
    ) -> Result<Option<usize>, WaitError> {
        loop {
            if let Some(index) = self.gathered.lock().ready.pop_front() {
                return Ok(Some(index));
            }
            if !self.wait_until(Goal::ANY, deadline, futures)? {
                return Ok(None);
            }
        }
    }

    /// Takes the numbers of all that have ended and were not taken.
    #[must_use]
    pub fn take_ready(&self) -> VecDeque<usize> {
        std::mem::take(&mut self.gathered.lock().ready)
    }

    /// Says that nobody waits any more: the futures that it was registered with forget it in time.
    pub fn close(&self) {
        // Relaxed: `complete` looks under the lock, and sweeping may come later.
        self.closed.store(true, Ordering::Relaxed);
        drop(self.take_ready());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

impl Goal {
    /// The goal that is reached as soon as either is.
    fn or(self, other: Self) -> Self {
        Self {
            ready: self.ready.min(other.ready),
            or_failure: self.or_failure || other.or_failure,
            all: self.all && other.all,
        }
    }
}

/// One wait at a collector, as the wait-for graph sees it.
struct Awaited<'a> {
    collector: &'a Collector,
    goal: Goal,
    futures: &'a dyn Futures,
    /// So many of the first futures are known to be over.
    over: AtomicUsize,
}

impl Resource for Awaited<'_> {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Futures
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self.collector) as usize
    }
    fn label(&self) -> Option<String> {
        let count = self.futures.count();
        let out = (0..count).filter(|i| !matches!(self.futures.helper(*i), Helper::Over)).count();
        Some(format!("{out} of {count} not done"))
    }
    fn needs(&self) -> usize {
        if self.goal.all { self.futures.count() } else { 1 }
    }
    fn helpers(&self, need: usize, helper: &mut dyn FnMut(usize) -> bool) -> bool {
        if self.goal.all {
            return self.futures.helper(need).each(helper);
        }
        // Relaxed: a hint. Those that are over stay so, and are not looked at again and again.
        let mut first = self.over.load(Ordering::Relaxed);
        let count = self.futures.count();
        while first < count && matches!(self.futures.helper(first), Helper::Over) {
            first += 1;
        }
        self.over.store(first, Ordering::Relaxed);
        let mut last: Option<&Crew> = None;
        first < count
            && (first..count).all(|index| match self.futures.helper(index) {
                Helper::Over => true,
                // Futures of one pool come one after the other.
                Helper::Pool(crew) if last.is_some_and(|last| std::ptr::eq(last, crew)) => true,
                each => {
                    if let Helper::Pool(crew) = each {
                        last = Some(crew);
                    }
                    each.each(helper)
                }
            })
    }
}
