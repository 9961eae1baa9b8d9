//! A future: the outcome of one task, and those who wait for it.

use std::fmt;
use std::sync::Arc;

use super::collector::Collector;
use super::crew::{Crew, Helper};
use super::state::{CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, PARKED, RUNNING, State};
use super::watchers::{Fired, Swept, Watcher, Watchers};
use crate::primitive::{AtomicU32, AtomicUsize, Ordering, ShortGuard, ShortLock, thread_word};
use crate::wait::{
    Deadline, NORMAL, Park, Parked, Resource, ResourceKind, WaitError, WaitQueue, WakeList, park,
};

/// What a future ends with.
pub trait Outcome {
    /// Whether it counts as a failure for those who wait for the first one.
    fn is_failure(&self) -> bool;
}

impl<T, E> Outcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

/// The state of a task and its outcome `T`, with callbacks `C` of the host. It runs none of them:
/// whoever ends it gets them, once.
///
/// It is the part that a host embeds in its own future; Rust programs use
/// [`exec::Future`](super::Future).
///
/// ```
/// use ropewalk::exec::{Cancel, FutureCell, State};
/// use ropewalk::wait::Deadline;
///
/// let future: FutureCell<Result<i32, String>, &str> = FutureCell::new();
/// assert_eq!(future.add_callback("tell"), None);
/// assert_eq!(future.start(), Ok(true));
/// assert!(matches!(future.cancel(), Cancel::TooLate));
/// let fired: Vec<_> = future.finish(Ok(42)).unwrap().into_iter().collect();
/// assert_eq!(fired, ["tell"]);
/// assert!(future.wait_until(Deadline::NEVER)?);
/// assert_eq!(future.with_outcome(|outcome| outcome.clone()), Some(Ok(42)));
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// A blocked `wait_until` runs the host's signal handlers and ends if one of them raised. In the
/// child of a [fork](crate::fork) a future is as it was; the thread that worked on it is not there to end it.
pub struct FutureCell<T, C> {
    /// | state | `PARKED` | meaning | left by |
    /// |---|---|---|---|
    /// | `PENDING` | 0, 1 | nobody works on it | `start`, `finish`, `cancel` |
    /// | `RUNNING` | 0, 1 | somebody works on it | `finish` |
    /// | `CANCELLED` | 0 | cancelled, collectors wait to be told | `start` |
    /// | `CANCELLED_AND_NOTIFIED` | 0 | cancelled, for good | |
    /// | `FINISHED` | 0 | the outcome is there, for good | |
    ///
    /// The state changes under `inner`'s lock. `PARKED`, "somebody may stand in the queue", is set
    /// under the queue's lock while the state is one of the first two; the change to another one
    /// takes it away, and whoever made that change wakes them. [`FutureCell::force`] may do any
    /// change.
    word: AtomicU32,
    /// The word of the thread that started it.
    runner: AtomicUsize,
    /// The threads that could run it, if it belongs to a pool.
    crew: Option<Arc<Crew>>,
    inner: ShortLock<Inner<T, C>>,
    queue: WaitQueue,
}

struct Inner<T, C> {
    outcome: Option<T>,
    watchers: Watchers<C>,
}

/// What became of an attempt to cancel.
#[derive(Debug)]
#[must_use = "callbacks that are not called are lost"]
pub enum Cancel<C> {
    /// It is cancelled now; the callbacks are to be called.
    Cancelled(Fired<C>),
    /// It was cancelled before.
    Already,
    /// It runs, or has its outcome.
    TooLate,
}

/// What a collector that was to be registered finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// It is registered, and will be told.
    Watching,
    /// It will not be told: the future had ended, in a failure or not.
    Done {
        /// Whether the outcome is a failure.
        failed: bool,
    },
}

impl<T, C> Default for FutureCell<T, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, C> fmt::Debug for FutureCell<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureCell").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl<T, C> FutureCell<T, C> {
    /// A pending future that anybody may end.
    #[must_use]
    pub fn new() -> Self {
        Self::with_crew(None)
    }

    /// A pending future that is put into the queue of the pool with this crew, and which only that
    /// pool's threads will start and finish.
    #[must_use]
    pub fn in_pool(crew: Arc<Crew>) -> Self {
        Self::with_crew(Some(crew))
    }

    fn with_crew(crew: Option<Arc<Crew>>) -> Self {
        Self {
            word: AtomicU32::new(State::Pending.bits()),
            runner: AtomicUsize::new(0),
            crew,
            inner: ShortLock::new(Inner { outcome: None, watchers: Watchers::default() }),
            queue: WaitQueue::new(),
        }
    }

    /// How it stands.
    #[inline]
    #[must_use]
    pub fn state(&self) -> State {
        // Acquire pairs with the Release of the change: what was done before it is seen.
        State::of(self.word.load(Ordering::Acquire))
    }

    /// Whether it is finished or cancelled.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state().is_done()
    }

    /// Cancels it unless it runs or is done. Waiting threads go on; collectors are told when its
    /// turn comes ([`FutureCell::start`]).
    pub fn cancel(&self) -> Cancel<C> {
        let (fired, parked) = {
            let mut inner = self.inner.lock();
            match self.state() {
                State::Pending => {}
                State::Cancelled | State::CancelledAndNotified => return Cancel::Already,
                State::Running | State::Finished => return Cancel::TooLate,
            }
            (inner.watchers.take_callbacks(), self.end(CANCELLED))
        };
        if parked {
            self.queue.notify_many(usize::MAX, NORMAL);
        }
        Cancel::Cancelled(fired)
    }

    /// Its turn has come: `Ok(true)` if it is to be run by the calling thread, `Ok(false)` if it
    /// was cancelled, which collectors are then told.
    ///
    /// # Errors
    /// The state, if its turn has come before.
    pub fn start(&self) -> Result<bool, State> {
        let watchers = {
            let mut inner = self.inner.lock();
            match self.state() {
                State::Pending => {
                    self.runner.store(thread_word(), Ordering::Relaxed);
                    // Release pairs with the Acquire in `state`: whoever sees that it runs sees
                    // where. The mark stays.
                    self.word.fetch_or(RUNNING, Ordering::Release);
                    return Ok(true);
                }
                State::Cancelled => {}
                state => return Err(state),
            }
            // Nobody is parked: they were woken when it was cancelled.
            self.end(CANCELLED_AND_NOTIFIED);
            std::mem::take(&mut inner.watchers)
        };
        let _ = self.tell(watchers, false, false);
        Ok(false)
    }

    /// Under the lock: sets a state that is done; returns whether somebody may wait for that.
    fn end(&self, state: u32) -> bool {
        // Release pairs with the Acquire in `state`. Acquire: with a mark that is seen, what its
        // setter wrote before is seen as well.
        self.word.swap(state, Ordering::AcqRel) & PARKED != 0
    }

    /// Tells everybody but the callbacks, which are returned.
    fn tell(&self, watchers: Watchers<C>, failed: bool, parked: bool) -> Fired<C> {
        let mut wakes = WakeList::default();
        let mut fired = Fired::default();
        for watcher in watchers {
            match watcher {
                Watcher::Callback(callback) => fired.push(callback),
                Watcher::Collector(collector, index) => {
                    collector.complete(index, failed, &mut wakes);
                }
            }
        }
        if parked {
            self.queue.pop_all(NORMAL, &mut wakes);
        }
        wakes.wake();
        fired
    }

    /// Registers a callback for the end; gives it back if that has come.
    #[must_use = "a callback that comes back is to be called"]
    pub fn add_callback(&self, callback: C) -> Option<C> {
        let mut inner = self.inner.lock();
        if self.is_done() {
            return Some(callback);
        }
        let swept = inner.watchers.push(Watcher::Callback(callback));
        unlock_then_drop(inner, swept);
        None
    }

    /// Calls `look` with the outcome, if there is one.
    ///
    /// `look` runs inside a short lock: it may copy, and must run no code of a user.
    pub fn with_outcome<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.inner.lock().outcome.as_ref().map(look)
    }

    /// Takes the outcome out, if there is one; the state stays.
    pub fn take_outcome(&self) -> Option<T> {
        self.inner.lock().outcome.take()
    }

    /// Puts an outcome in the place of the one that is there, which is returned; the state stays
    /// and nobody is told. For the tests of a host.
    pub fn replace_outcome(&self, outcome: Option<T>) -> Option<T> {
        std::mem::replace(&mut self.inner.lock().outcome, outcome)
    }

    /// Sets the state, whatever it was. Threads that wait for it go on if it is done by that;
    /// nobody else is told. For the tests of a host.
    pub fn force(&self, state: State) {
        let parked = {
            let _inner = self.inner.lock();
            if state.is_done() {
                self.end(state.bits())
            } else {
                // Somebody may wait, and goes on waiting.
                self.word.store(state.bits() | PARKED, Ordering::Release);
                false
            }
        };
        if parked {
            self.queue.notify_many(usize::MAX, NORMAL);
        }
    }

    /// For the garbage collector of a host: calls `each_outcome` and `each_callback` with what is
    /// there, unless the calling thread itself is just changing it.
    pub fn try_visit(&self, mut each_outcome: impl FnMut(&T), mut each_callback: impl FnMut(&C)) {
        if let Some(inner) = self.inner.lock_to_collect() {
            inner.outcome.iter().for_each(&mut each_outcome);
            inner.watchers.callbacks().for_each(&mut each_callback);
        }
    }

    /// For the garbage collector of a host: takes outcome and callbacks out, to be dropped.
    pub fn take_all(&self) -> (Option<T>, Fired<C>) {
        let mut inner = self.inner.lock();
        let outcome = inner.outcome.take();
        // Nearly always there is nothing to be sorted.
        let none = inner.watchers.is_empty();
        (outcome, if none { Fired::default() } else { inner.watchers.take_callbacks() })
    }

    /// Who could end a wait for it.
    #[must_use]
    pub fn helper(&self) -> Helper<'_> {
        match (self.state(), &self.crew) {
            (State::Finished | State::CancelledAndNotified, _) => Helper::Over,
            (_, None) => Helper::Unknown,
            (State::Running, Some(_)) => Helper::Thread(self.runner.load(Ordering::Relaxed)),
            (State::Pending | State::Cancelled, Some(crew)) => Helper::Pool(crew),
        }
    }

    /// Under the queue's lock: sets `PARKED` unless it is done.
    fn mark_parked(&self) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        while !State::of(word).is_done() {
            // Relaxed: whoever ends it and sees the mark takes the queue's lock. Acquire on
            // failure: it may be done, and what was done before must be seen.
            match self.word.compare_exchange_weak(
                word,
                word | PARKED,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }
}

/// What was swept is dropped after the lock was released.
fn unlock_then_drop<T, C>(inner: ShortGuard<'_, Inner<T, C>>, swept: Swept<C>) {
    drop(inner);
    drop(swept);
}

impl<T: Outcome, C> FutureCell<T, C> {
    /// Ends it with its outcome, tells collectors and waiting threads, and returns the callbacks.
    ///
    /// # Errors
    /// The state and the outcome, if it was cancelled or finished before.
    pub fn finish(&self, outcome: T) -> Result<Fired<C>, (State, T)> {
        self.finish_with(outcome, |_| {})
    }

    /// As [`FutureCell::finish`]; right before the end can be seen it calls `about_to`, which is
    /// told whether there are callbacks.
    ///
    /// `about_to` runs inside a short lock: it may note something, and must neither wait nor run
    /// code of a user.
    ///
    /// # Errors
    /// As [`FutureCell::finish`].
    pub fn finish_with(
        &self,
        outcome: T,
        about_to: impl FnOnce(bool),
    ) -> Result<Fired<C>, (State, T)> {
        let failed = outcome.is_failure();
        let (old, watchers, parked) = {
            let mut inner = self.inner.lock();
            let state = self.state();
            if state.is_done() {
                drop(inner);
                return Err((state, outcome));
            }
            let old = inner.outcome.replace(outcome);
            let watchers = std::mem::take(&mut inner.watchers);
            about_to(watchers.has_callbacks());
            (old, watchers, self.end(FINISHED))
        };
        drop(old);
        Ok(self.tell(watchers, failed, parked))
    }

    /// Ends it with its outcome, if nobody waits for it or is to be told; gives the outcome back
    /// otherwise, and if it was cancelled or finished before.
    pub fn finish_unwatched(&self, outcome: T) -> Option<T> {
        let mut inner = self.inner.lock();
        // Relaxed: only this lock's holders change the state, and a mark that comes now makes the
        // exchange fail.
        let word = self.word.load(Ordering::Relaxed);
        if word & PARKED != 0 || State::of(word).is_done() || !inner.watchers.is_empty() {
            return Some(outcome);
        }
        let old = inner.outcome.replace(outcome);
        // Release as in `end`.
        match self.word.compare_exchange(word, FINISHED, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => {
                drop(inner);
                drop(old);
                None
            }
            Err(_) => std::mem::replace(&mut inner.outcome, old),
        }
    }

    /// Registers a collector, which knows this future as number `index`, for the moment when it is
    /// finished or its cancellation is told.
    pub fn watch(&self, collector: &Arc<Collector>, index: usize) -> Watch {
        let watcher = Watcher::Collector(collector.clone(), index);
        let mut inner = self.inner.lock();
        if self.state().is_told() {
            let failed = inner.outcome.as_ref().is_some_and(Outcome::is_failure);
            drop(inner);
            drop(watcher);
            return Watch::Done { failed };
        }
        let swept = inner.watchers.push(watcher);
        unlock_then_drop(inner, swept);
        Watch::Watching
    }
}

impl<T: Send, C: Send> FutureCell<T, C> {
    /// Waits until it is done or the deadline has passed; returns whether it is done.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if self.is_done() {
            return Ok(true);
        }
        if deadline.has_passed() {
            return Ok(false);
        }
        let request = Park { queue: &self.queue, what: self, deadline, since: None, next: None };
        // A wake that crossed an exception needs no handing on: everybody was woken.
        Ok(match park(&request, |_| self.mark_parked(), || true, |_| {})? {
            Parked::Notified(_) | Parked::Retry => true,
            Parked::TimedOut => false,
        })
    }
}

impl<T: Send, C: Send> Resource for FutureCell<T, C> {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Future
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn owner(&self) -> Option<usize> {
        match self.helper() {
            Helper::Thread(word) => Some(word),
            _ => None,
        }
    }
    fn label(&self) -> Option<String> {
        let crew = self.crew.as_ref()?;
        Some(format!("{}, {}", crew.name(), self.state().name().to_lowercase()))
    }
    fn is_passing(&self) -> bool {
        true
    }
    fn helpers(&self, _need: usize, helper: &mut dyn FnMut(usize) -> bool) -> bool {
        self.helper().each(helper)
    }
}
