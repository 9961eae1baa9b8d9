//! A thread's beginning and end, for those who wait for them: what `Thread.join` waits for.

use super::event::Event;
use crate::primitive::{AtomicU32, AtomicUsize, Ordering, thread_word};
use crate::wait::{
    Deadline, NORMAL, Origin, Park, Parked, Resource, ResourceKind, WaitError, WaitQueue, current,
    park,
};

const ENDED: u32 = 1;
const PARKED: u32 = 2;

/// The life of one thread: it begins once and ends once, and others wait for either.
///
/// In the wait-for graph a join is an edge to the joined thread, so that two threads that join
/// each other are a certain deadlock.
///
/// It is over when [`ThreadLife::end`] says so, and not before: a thread that may panic has to see to
/// that, by a destructor or behind a `catch_unwind`, or those that join it wait on.
///
/// ```
/// use ropewalk::sync::ThreadLife;
/// use std::sync::Arc;
///
/// let life = Arc::new(ThreadLife::new());
/// let its = life.clone();
/// let thread = std::thread::spawn(move || {
///     its.begin();
///     its.end();
/// });
/// life.join()?;
/// assert!(life.has_ended());
/// # thread.join().unwrap();
/// # Ok::<(), ropewalk::wait::WaitError>(())
/// ```
///
/// # Interruption
/// A blocked `join` runs the host's signal handlers and ends if one of them raised. In the child of
/// a fork the lives of other threads are to be ended by the host.
pub struct ThreadLife {
    /// The thread's word; 0 before it began.
    word: AtomicUsize,
    begun: Event,
    /// | `ENDED` | `PARKED` | meaning |
    /// |---|---|---|
    /// | 0 | 0 | not ended, nobody joins |
    /// | 0 | 1 | not ended, somebody may be joining (set under the queue's lock) |
    /// | 1 | 0 | ended, for good |
    state: AtomicU32,
    queue: WaitQueue,
}

impl std::fmt::Debug for ThreadLife {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadLife")
            .field("begun", &self.has_begun())
            .field("ended", &self.has_ended())
            .finish_non_exhaustive()
    }
}

impl Resource for ThreadLife {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Thread
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn owner(&self) -> Option<usize> {
        // Relaxed: the detector looks twice, and only at threads that are themselves blocked.
        Some(self.word.load(Ordering::Relaxed)).filter(|word| *word != 0)
    }
    fn label(&self) -> Option<String> {
        crate::wait::find_by_word(self.owner()?)?.name().map(|name| name.to_string())
    }
}

impl Default for ThreadLife {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadLife {
    /// A life that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self {
            word: AtomicUsize::new(0),
            begun: Event::with_origin(Origin::Unknown),
            state: AtomicU32::new(0),
            queue: WaitQueue::new(),
        }
    }

    /// Says that this life is the calling thread's, which is then registered.
    pub fn begin(&self) {
        drop(current());
        self.word.store(thread_word(), Ordering::Relaxed);
        self.begun.set();
    }

    /// Whether the life has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.is_set()
    }

    /// Waits until the life has begun or the deadline has passed; returns whether it has.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_begun(&self, deadline: Deadline) -> Result<bool, WaitError> {
        self.begun.wait_until(deadline)
    }

    /// Says that the life is over and wakes all who joined it.
    pub fn end(&self) {
        // Release pairs with the Acquire in `has_ended`: what the thread did is seen.
        if self.state.swap(ENDED, Ordering::Release) & PARKED != 0 {
            self.queue.notify_many(usize::MAX, NORMAL);
        }
    }

    /// Whether the life is over.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) == ENDED
    }

    /// Waits for the end as long as it takes.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn join(&self) -> Result<(), WaitError> {
        self.join_until(Deadline::NEVER).map(|_| ())
    }

    /// Waits for the end until the deadline; `Ok(false)` means that the time was up.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn join_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        if self.has_ended() {
            return Ok(true);
        }
        if deadline.has_passed() {
            return Ok(false);
        }
        let mark = || match self.state.compare_exchange(
            0,
            PARKED,
            // Relaxed: whoever ends the life and sees the bit takes the queue's lock.
            Ordering::Relaxed,
            Ordering::Acquire,
        ) {
            Ok(_) => true,
            Err(state) => state & ENDED == 0,
        };
        let request = Park { queue: &self.queue, what: self, deadline, since: None, next: None };
        Ok(match park(&request, |_| mark(), || true, |_| {})? {
            Parked::Notified(_) | Parked::Retry => true,
            Parked::TimedOut => false,
        })
    }
}
