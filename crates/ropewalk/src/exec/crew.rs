//! Who could end a wait for a future: the threads of a pool.

use std::sync::Arc;

use crate::primitive::ShortLock;
use crate::watch;

/// The threads of one pool, as the wait-for graph sees them.
///
/// The pool's queue writes it, and every future of the pool refers to it: while a future waits for
/// its turn, these are the threads that could run it.
#[derive(Debug)]
pub struct Crew {
    name: ShortLock<Arc<str>>,
    roster: ShortLock<Roster>,
    /// For those who look; a model has none.
    #[cfg(not(loom))]
    pub(super) info: Arc<watch::PoolInfo>,
}

#[derive(Debug, Default)]
struct Roster {
    /// The words of the threads that take jobs.
    words: Vec<usize>,
    /// Whether no thread will be added as things are.
    complete: bool,
}

impl Crew {
    pub(super) fn new(name: &str) -> Self {
        watch::pool_was_made();
        Self {
            name: ShortLock::new(name.into()),
            roster: ShortLock::new(Roster::default()),
            #[cfg(not(loom))]
            info: watch::PoolInfo::new(name),
        }
    }

    /// The name of the pool in reports.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        self.name.lock().clone()
    }

    /// Names the pool in reports.
    pub fn set_name(&self, name: &str) {
        let new: Arc<str> = name.into();
        let old = std::mem::replace(&mut *self.name.lock(), new);
        drop(old);
        #[cfg(not(loom))]
        self.info.set_name(name);
    }

    pub(super) fn set_complete(&self, complete: bool) {
        self.roster.lock().complete = complete;
    }

    pub(super) fn join(&self, word: usize) {
        self.roster.lock().words.push(word);
    }

    pub(super) fn leave(&self, word: usize) {
        self.roster.lock().words.retain(|each| *each != word);
    }

    /// Whether the thread with this word is one of them.
    #[cfg(not(loom))]
    pub(super) fn has(&self, word: usize) -> bool {
        self.roster.lock().words.contains(&word)
    }

    /// Forgets all but one; returns how many are left of it.
    pub(super) fn keep_only(&self, word: usize) -> usize {
        let mut roster = self.roster.lock();
        roster.words.retain(|each| *each == word);
        roster.words.len()
    }

    /// As [`Resource::helpers`](crate::wait::Resource::helpers), for a job that waits for its turn.
    pub(super) fn helpers(&self, helper: &mut dyn FnMut(usize) -> bool) -> bool {
        let words = {
            let roster = self.roster.lock();
            if !roster.complete {
                return false;
            }
            // A copy: `helper` may take locks.
            roster.words.clone()
        };
        !words.is_empty() && words.into_iter().all(helper)
    }
}

/// Who could end a wait for one future.
#[derive(Debug, Clone, Copy)]
pub enum Helper<'a> {
    /// Nobody needs to: it is over.
    Over,
    /// Anybody.
    Unknown,
    /// The thread with this word, which works on it.
    Thread(usize),
    /// Any thread of this pool, in whose queue it is.
    Pool(&'a Crew),
}

impl Helper<'_> {
    /// As [`Resource::helpers`](crate::wait::Resource::helpers).
    pub(super) fn each(self, helper: &mut dyn FnMut(usize) -> bool) -> bool {
        match self {
            Self::Over | Self::Unknown => false,
            Self::Thread(word) => helper(word),
            Self::Pool(crew) => crew.helpers(helper),
        }
    }
}

/// The futures that a [`Collector`](super::Collector) waits for, for the wait-for graph: whoever
/// waits shows them while it does.
pub trait Futures: Sync {
    /// How many there are, those included that are over.
    fn count(&self) -> usize;
    /// Who could end a wait for the one that was registered with this number. It runs no code of a
    /// user and takes no lock but those of futures.
    fn helper(&self, index: usize) -> Helper<'_>;
}

/// None that the graph should know of.
impl Futures for () {
    fn count(&self) -> usize {
        1
    }
    fn helper(&self, _index: usize) -> Helper<'_> {
        Helper::Unknown
    }
}
