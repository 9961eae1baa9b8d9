//! A call that is made once, later: Python's `threading.Timer`.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::runners;
use super::schedule::{Callback, Key, Wants};
use crate::primitive::{AtomicU32, AtomicU64, AtomicUsize, Ordering, ShortLock, now, thread_word};
use crate::wait::{
    Deadline, NORMAL, Origin, Park, Parked, Resource, ResourceKind, WaitError, WaitQueue, WakeList,
    park,
};

/// Calls a function once, an interval after it was started, unless it is cancelled before.
///
/// Timers share a few threads of the runtime: one as long as callbacks are short, more while
/// callbacks block. Those threads are started with the first timer and end some seconds after the
/// last one. Dropping a `Timer` does not cancel it.
///
/// ```
/// use ropewalk::time::Timer;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
///
/// static RANG: AtomicBool = AtomicBool::new(false);
///
/// let timer = Timer::new(Duration::from_millis(5), || RANG.store(true, Ordering::Relaxed));
/// timer.start()?;
/// timer.join()?;
/// assert!(RANG.load(Ordering::Relaxed));
///
/// let never = Timer::new(Duration::from_secs(3600), || unreachable!());
/// never.start()?;
/// assert!(never.cancel());
/// assert!(never.is_done());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Interruption
/// A blocked `join` runs the host's signal handlers and ends if one of them raised. In the child of
/// a fork the timers that waited in the parent are over, without having fired, and those whose
/// callbacks ran on other threads, as these are not there.
pub struct Timer {
    interval: Duration,
    /// Until it is started. Its lock is taken before the schedule's: whoever cancels the timer finds
    /// the callback either here or there, never on its way.
    unstarted: ShortLock<Option<Callback>>,
    entry: Arc<Entry>,
}

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timer")
            .field("interval", &self.interval)
            .field("is_done", &self.is_done())
            .finish_non_exhaustive()
    }
}

/// Why [`Timer::start`] failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// It was started or cancelled before.
    Started,
    /// The system has no thread for it. It can be started again.
    NoThread,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Started => "the timer was started or cancelled before",
            Self::NoThread => "there is no thread for the timer",
        })
    }
}

impl std::error::Error for StartError {}

const OPEN: u32 = 0;
const OVER: u32 = 1;

/// What a timer's handle and its place in the schedule share.
pub(super) struct Entry {
    /// `OPEN`, or `OVER` once the callback has returned or the timer was cancelled.
    state: AtomicU32,
    due: AtomicU64,
    /// Its number in the schedule, 0 before it is started.
    number: AtomicU64,
    /// The thread word of the runner while the callback runs.
    runner: AtomicUsize,
    /// The joiners.
    queue: WaitQueue,
    /// Its callback says when it is busy.
    is_of_host: bool,
    origin: Origin,
    name: ShortLock<Option<Arc<str>>>,
}

impl Entry {
    pub(super) fn set_key(&self, (due, number): Key) {
        // Relaxed (here and below): written and read under the schedule's lock.
        self.due.store(due, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
    }

    pub(super) fn key(&self) -> Key {
        (self.due.load(Ordering::Relaxed), self.number.load(Ordering::Relaxed))
    }

    /// The callback runs, on this thread.
    pub(super) fn begin(&self) {
        self.runner.store(thread_word(), Ordering::Relaxed);
    }

    pub(super) fn is_of_host(&self) -> bool {
        self.is_of_host
    }

    /// Whether its callback runs on the calling thread.
    pub(super) fn runs_here(&self) -> bool {
        self.runner.load(Ordering::Relaxed) == thread_word()
    }

    /// It is over: notifies the joiners, which the caller wakes. If it was started this is called
    /// under the schedule's lock, so that a fork finds no joiners' queue half done, whatever the
    /// runners do.
    pub(super) fn finish(&self, wakes: &mut WakeList) {
        let mut list = self.queue.lock();
        self.end();
        list.pop_all(NORMAL, wakes);
    }

    /// As `finish`, in the child of a fork: who waited for it is not here, unless it is the thread
    /// that forked, in the middle of its wait.
    pub(super) fn finish_in_child(&self) {
        let list = self.queue.try_lock();
        self.end();
        if let Some(mut list) = list {
            list.pop_all(NORMAL, &mut WakeList::default());
        }
    }

    fn end(&self) {
        self.runner.store(0, Ordering::Relaxed);
        // Release pairs with the Acquire in `is_over`: what the callback did is seen.
        self.state.store(OVER, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) == OVER
    }
}

impl Resource for Entry {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Timer
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn owner(&self) -> Option<usize> {
        Some(self.runner.load(Ordering::Relaxed)).filter(|runner| *runner != 0)
    }
    fn origin(&self) -> Origin {
        self.origin
    }
    fn label(&self) -> Option<String> {
        let name = self.name.lock().clone();
        name.map(|name| name.to_string())
    }
}

impl Timer {
    /// A timer that has not been started and that remembers the line where it was made.
    #[must_use]
    #[track_caller]
    pub fn new(interval: Duration, callback: impl FnOnce() + Send + 'static) -> Self {
        Self::with_origin(interval, callback, Origin::Rust(Location::caller()))
    }

    /// A timer that has not been started and that was made at `origin`.
    #[must_use]
    pub fn with_origin(
        interval: Duration,
        callback: impl FnOnce() + Send + 'static,
        origin: Origin,
    ) -> Self {
        Self::make(interval, Box::new(callback), origin, false)
    }

    /// As [`Timer::with_origin`], for a callback of the host's: it calls [`Timer::set_busy`] before and after
    /// the function that it is about.
    #[must_use]
    pub fn of_host(
        interval: Duration,
        callback: impl FnOnce() + Send + 'static,
        origin: Origin,
    ) -> Self {
        Self::make(interval, Box::new(callback), origin, true)
    }

    fn make(interval: Duration, callback: Callback, origin: Origin, is_of_host: bool) -> Self {
        Self {
            interval,
            unstarted: ShortLock::new(Some(callback)),
            entry: Arc::new(Entry {
                state: AtomicU32::new(OPEN),
                due: AtomicU64::new(0),
                number: AtomicU64::new(0),
                runner: AtomicUsize::new(0),
                queue: WaitQueue::new(),
                is_of_host,
                origin,
                name: ShortLock::new(None),
            }),
        }
    }

    /// Starts the interval.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(&self) -> Result<(), StartError> {
        let nanos = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let wants = {
            let mut unstarted = self.unstarted.lock();
            let callback = unstarted.take().ok_or(StartError::Started)?;
            let due = now().saturating_add(nanos).min(u64::MAX / 2);
            runners::add(due, &self.entry, callback)
        };
        if runners::get(wants) {
            return Ok(());
        }
        let mut unstarted = self.unstarted.lock();
        match runners::take_back(&self.entry) {
            Some(callback) => {
                *unstarted = Some(callback);
                Err(StartError::NoThread)
            }
            // Somebody else has got a thread, or has cancelled it.
            None => Ok(()),
        }
    }

    /// Keeps the callback from being called; `false` if it has been called already, is being called
    /// or was cancelled before. The callback is dropped before this returns.
    pub fn cancel(&self) -> bool {
        let mut wakes = WakeList::default();
        let cancelled = {
            let mut unstarted = self.unstarted.lock();
            match unstarted.take() {
                Some(callback) => {
                    self.entry.finish(&mut wakes);
                    Some((callback, Wants::Nobody))
                }
                None => runners::cancel(&self.entry, &mut wakes),
            }
        };
        wakes.wake();
        let Some((callback, wants)) = cancelled else { return false };
        runners::get(wants);
        drop(callback);
        true
    }

    /// Whether the callback has returned or the timer was cancelled.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.entry.is_over()
    }

    /// Waits until the callback has returned or the timer is cancelled.
    ///
    /// # Errors
    /// [`WaitError`]: a deadlock, or an exception of a signal handler.
    pub fn join(&self) -> Result<(), WaitError> {
        self.join_until(Deadline::NEVER).map(|_| ())
    }

    /// Waits as [`Timer::join`], until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// As [`Timer::join`].
    pub fn join_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if self.is_done() {
            return Ok(true);
        }
        if deadline.has_passed() {
            return Ok(false);
        }
        let entry = &*self.entry;
        let request = Park { queue: &entry.queue, what: entry, deadline, since: None, next: None };
        // A wake that crossed an exception needs no handing on: everybody was woken.
        match park(&request, |_| !entry.is_over(), || true, |_| {})? {
            Parked::Notified(_) | Parked::Retry => Ok(true),
            Parked::TimedOut => Ok(false),
        }
    }

    /// For the callback of a timer that was made by [`Timer::of_host`]: says that its function begins now,
    /// or is over. If that takes long, another thread sees to the timers that are due. That one would
    /// only wait as this one does for what all such callbacks need, the host's own lock (Python's GIL),
    /// so what is around the function is given a second.
    pub fn set_busy(&self, busy: bool) {
        runners::set_busy(&self.entry, busy);
    }

    /// By how much the timer that is due next is late; zero if none is. Timers that are started faster
    /// than their callbacks can be called are later and later.
    #[must_use]
    pub fn lateness() -> Duration {
        Duration::from_nanos(runners::lateness())
    }

    /// Names it for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        let old = self.entry.name.lock().replace(name.into());
        drop(old);
    }

    /// Where the timer was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.entry.origin
    }
}
