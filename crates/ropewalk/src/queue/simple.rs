//! A queue with nothing but put and get: Python's `queue.SimpleQueue`.

use super::error::{GetError, PutError};
use super::fifo::Fifo;
use super::shared::{Shared, here};
use crate::primitive::const_unless_loom;
use crate::wait::{Deadline, Origin, ResourceKind};

/// First in, first out, without a limit, tasks or a shutdown.
///
/// ```
/// use ropewalk::queue::{GetError, SimpleQueue};
///
/// let queue = SimpleQueue::new();
/// queue.put(1)?;
/// assert_eq!(queue.get()?, 1);
/// assert!(matches!(queue.try_get(), Err(GetError::Empty)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Interruption
/// As [`Queue`](super::Queue). `put` never waits, so that it may be called from anywhere: a signal
/// handler of the host, or a destructor.
pub struct SimpleQueue<T> {
    shared: Shared<Fifo<T>>,
}

impl<T: Send> std::fmt::Debug for SimpleQueue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimpleQueue")
            .field("len", &self.shared.len())
            .field("name", &self.shared.name())
            .finish_non_exhaustive()
    }
}

#[cfg_attr(loom, expect(clippy::new_without_default, reason = "const outside models"))]
impl<T: Send> SimpleQueue<T> {
    const_unless_loom! {
        /// An empty queue that remembers the line where it was made.
        #[must_use]
        #[track_caller]
        pub fn new() -> Self {
            Self::with_origin(here())
        }
    }

    const_unless_loom! {
        /// An empty queue that was made at `origin`.
        #[must_use]
        pub fn with_origin(origin: Origin) -> Self {
            Self { shared: Shared::new(Fifo::new(), [ResourceKind::SimpleItem; 3], 0, origin) }
        }
    }

    /// Puts an item. Never blocks.
    ///
    /// # Errors
    /// [`PutError::NoMemory`], which gives the item back.
    #[expect(clippy::inline_always, reason = "the fast path")]
    #[inline(always)]
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        self.shared.try_put(item)
    }

    /// Gets an item if there is one. Never blocks.
    ///
    /// # Errors
    /// [`GetError::Empty`].
    #[expect(clippy::inline_always, reason = "the fast path")]
    #[inline(always)]
    pub fn try_get(&self) -> Result<T, GetError> {
        self.shared.try_get()
    }

    /// Gets an item, waiting for one as long as it takes.
    ///
    /// # Errors
    /// [`GetError::Wait`].
    #[inline]
    pub fn get(&self) -> Result<T, GetError> {
        self.shared.get_until(Deadline::NEVER)
    }

    /// Gets an item, waiting for one until the deadline.
    ///
    /// # Errors
    /// [`GetError::Empty`] if the time was up, or [`GetError::Wait`].
    #[inline]
    pub fn get_until(&self, deadline: Deadline) -> Result<T, GetError> {
        self.shared.get_until(deadline)
    }

    /// How many items there are at this moment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether there is no item at this moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.len() == 0
    }

    /// As [`Queue::try_for_each`](super::Queue::try_for_each).
    pub fn try_for_each(&self, look: impl FnMut(&T)) {
        if let Some(state) = self.shared.lock_to_collect() {
            state.store.iter().for_each(look);
        }
    }

    /// Takes all items out at once.
    #[must_use = "the items are taken out"]
    pub fn drain(&self) -> Vec<T> {
        self.shared.drain().into_vec()
    }

    /// Names it in reports, and for those who look at who waits for what.
    pub fn set_name(&self, name: &str) {
        self.shared.name_getters(name);
    }

    /// Where the queue was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.shared.origin()
    }
}

#[cfg(not(loom))]
impl<T: Send> Default for SimpleQueue<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
