//! A flag that threads wait for: Python's `threading.Event`.

use std::panic::Location;

use super::task::sealed::Rule;
use crate::primitive::{AtomicU32, Ordering, const_unless_loom};
use crate::wait::{
    Deadline, HANDOFF, Origin, Park, Parked, Resource, ResourceKind, Token, WaitError, WaitQueue,
    WakeList, park,
};

const SET: u32 = 1;
const PARKED: u32 = 2;

/// A flag, at first not set. Waiters go on when it is set, at once if it is set already.
///
/// A waiter that was woken by `set` has seen the flag set, even if it is cleared again before the
/// waiter runs: the wake carries its outcome.
///
/// ```
/// use ropewalk::sync::Event;
/// use std::sync::Arc;
///
/// let ready = Arc::new(Event::new());
/// let waiter = std::thread::spawn({ let ready = ready.clone(); move || ready.wait() });
/// ready.set();
/// waiter.join().unwrap()?;
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// A blocked `wait` runs the host's signal handlers and ends if one of them raised. In the
/// child of a [fork](crate::fork) the flag is as it was and nobody waits.
pub struct Event {
    /// | `SET` | `PARKED` | meaning | left by |
    /// |---|---|---|---|
    /// | 0 | 0 | not set, nobody waits | `set`; a waiter, under the queue's lock |
    /// | 0 | 1 | not set, somebody may wait | `set`, under the queue's lock, which empties the queue |
    /// | 1 | 0 | set | `clear` |
    word: AtomicU32,
    queue: WaitQueue,
    origin: Origin,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .field("name", &self.queue.name())
            .finish_non_exhaustive()
    }
}

impl Resource for Event {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Event
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn origin(&self) -> Origin {
        self.origin
    }
    fn is_counted(&self) -> bool {
        // One without an origin is a part of something else: it tells of a thread's beginning, and
        // threads begin all the time.
        !matches!(self.origin, Origin::Unknown)
    }
}

#[cfg_attr(loom, expect(clippy::new_without_default, reason = "const outside models"))]
impl Event {
    const_unless_loom! {
        /// An event that is not set and that remembers the line where it was made.
        #[must_use]
        #[track_caller]
        pub fn new() -> Self {
            Self::with_origin(Origin::Rust(Location::caller()))
        }
    }

    const_unless_loom! {
        /// An event that is not set and was made at `origin`.
        #[must_use]
        pub fn with_origin(origin: Origin) -> Self {
            Self { word: AtomicU32::new(0), queue: WaitQueue::new(), origin }
        }
    }

    /// Whether the flag is set.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        // Acquire pairs with the Release in `set`: what was done before it is seen.
        self.word.load(Ordering::Acquire) == SET
    }

    /// Sets the flag and wakes all waiters.
    #[inline]
    pub fn set(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & PARKED == 0 {
            // Release pairs with the Acquire in `is_set`.
            match self.word.compare_exchange_weak(word, SET, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => word = changed,
            }
        }
        self.set_slow();
    }

    /// Sets the flag and takes the waiters out of the queue in one step: a wait that begins after
    /// the flag was cleared again is not ended by this.
    #[cold]
    fn set_slow(&self) {
        let mut wakes = WakeList::default();
        {
            let mut list = self.queue.lock();
            // As in `set`. A swap, as another thread may have set it meanwhile.
            self.word.swap(SET, Ordering::Release);
            // What they wait for has come to pass, whatever happens to the flag now: a task, which
            // looks later, must not ask for it again.
            list.pop_all(HANDOFF, &mut wakes);
        }
        wakes.wake();
    }

    /// Clears the flag.
    #[inline]
    pub fn clear(&self) {
        // Not a plain store: a waiter may have marked the word after another thread's clear.
        let _ = self.word.compare_exchange(SET, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Waits for the flag as long as it takes.
    ///
    /// # Errors
    /// [`WaitError`]: a deadlock, or an exception of a signal handler.
    #[inline]
    pub fn wait(&self) -> Result<(), WaitError> {
        self.wait_until(Deadline::NEVER).map(|_| ())
    }

    /// Waits for the flag until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// As [`Event::wait`].
    #[inline]
    pub fn wait_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if self.is_set() { Ok(true) } else { self.wait_slow(deadline) }
    }

    #[cold]
    fn wait_slow(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if deadline.has_passed() {
            return Ok(self.is_set());
        }
        let request = Park { queue: &self.queue, what: self, deadline, since: None, next: None };
        // A wake that crossed an exception needs no handing on: everybody was woken.
        match park(&request, |_| self.mark_parked(), || true, |_| {})? {
            Parked::Notified(_) | Parked::Retry => Ok(true),
            Parked::TimedOut => Ok(false),
        }
    }

    /// Under the queue's lock: sets `PARKED` unless the flag is set.
    fn mark_parked(&self) -> bool {
        // Relaxed on success: the setter that sees the bit takes the queue's lock.
        // Acquire on failure: the flag is set, and what was done before it must be seen.
        match self.word.compare_exchange(0, PARKED, Ordering::Relaxed, Ordering::Acquire) {
            Ok(_) => true,
            Err(word) => word & SET == 0,
        }
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        self.queue.set_name(self, name);
    }

    /// Where the event was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

#[expect(private_interfaces, reason = "sealed: nobody outside can name it")]
impl Rule for Event {
    fn take(&self) -> bool {
        self.is_set()
    }
    fn mark(&self) -> bool {
        self.mark_parked()
    }
    fn hand_on(&self, _token: Token) {
        // Everybody was woken.
    }
    fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}

#[cfg(not(loom))]
impl Default for Event {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
