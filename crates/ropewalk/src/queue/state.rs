//! What a queue holds and counts: one value, under the short lock of [`super::shared`].

use super::error::{GetError, PutError};

/// The limit of a queue without one.
pub(super) const UNLIMITED: usize = usize::MAX;

/// The items of a queue in its order. No method runs code of a user.
pub(super) trait Store: Default + Send {
    type Item;
    /// Makes room for one more item; `false` if there is no memory.
    fn reserve(&mut self) -> bool;
    /// Adds an item; `reserve` came before.
    fn push(&mut self, item: Self::Item);
    fn pop(&mut self) -> Option<Self::Item>;
    fn len(&self) -> usize;
    /// For how many items there is memory.
    fn capacity(&self) -> usize;
    /// Takes all items out but `kept` of them, which are as few as there are waiters: the rest keeps
    /// its memory, as there may be none for a copy of it.
    fn split(&mut self, kept: usize) -> Self;
}

/// From this capacity on, a store that becomes empty gives its memory back.
const LARGE: usize = 4096;

/// What is to be had at a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Item,
    Place,
}

/// Those who wait at one door.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Crowd {
    /// Somebody may be queued.
    pub(super) parked: bool,
    /// Somebody in the queue was woken in vain before.
    pub(super) vain: bool,
    /// What was handed over to waiters that have not run yet.
    pub(super) held: usize,
}

/// Why a queue is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    ShutDown,
    Retired,
}

#[derive(Debug)]
pub(super) struct State<S> {
    pub(super) store: S,
    /// Items that are free to be got: those in the store less those handed over.
    pub(super) items: usize,
    /// The most that there ever were.
    pub(super) peak: usize,
    pub(super) limit: usize,
    /// The limit while it is open, 0 otherwise: one comparison tells whether an item may come in.
    gate: usize,
    pub(super) unfinished: isize,
    phase: Phase,
    pub(super) getters: Crowd,
    pub(super) putters: Crowd,
    pub(super) joiners_parked: bool,
}

/// What a get leaves to be done after the section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    /// A putter is to be woken.
    pub(super) wake: bool,
    /// The store is empty and large.
    pub(super) outgrown: bool,
}

impl<S> State<S> {
    pub(super) const fn new(store: S, limit: usize) -> Self {
        const NOBODY: Crowd = Crowd { parked: false, vain: false, held: 0 };
        Self {
            store,
            items: 0,
            peak: 0,
            limit,
            gate: limit,
            unfinished: 0,
            phase: Phase::Open,
            getters: NOBODY,
            putters: NOBODY,
            joiners_parked: false,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.gate = if phase == Phase::Open { self.limit } else { 0 };
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.set_phase(self.phase);
    }
}

impl<S: Store> State<S> {
    /// How much is free to be had at `door`.
    pub(super) fn ready(&self, door: Door) -> usize {
        match door {
            Door::Item => self.items,
            Door::Place => self.limit.saturating_sub(self.items).saturating_sub(self.putters.held),
        }
    }

    pub(super) fn crowd(&mut self, door: Door) -> &mut Crowd {
        match door {
            Door::Item => &mut self.getters,
            Door::Place => &mut self.putters,
        }
    }

    /// Takes one of what is ready at `door` away for a waiter that will come for it.
    pub(super) fn hand_over(&mut self, door: Door) {
        if door == Door::Item {
            self.items -= 1;
        }
        self.crowd(door).held += 1;
    }

    /// The waiter has come for it, or does not want it.
    pub(super) fn take_back(&mut self, door: Door) {
        // Zero only after a retirement, which has taken everything along.
        if let Some(held) = self.crowd(door).held.checked_sub(1) {
            self.crowd(door).held = held;
            if door == Door::Item {
                self.items += 1;
            }
        }
    }

    /// Whether one more item may come in, for which there is memory then.
    #[inline]
    pub(super) fn admits(&mut self) -> bool {
        self.items + self.putters.held < self.gate && self.store.reserve()
    }

    /// Why an item may not come in.
    #[cold]
    pub(super) fn why_not<T, E>(&self, item: T) -> PutError<T, E> {
        match self.phase {
            Phase::ShutDown => PutError::ShutDown(item),
            Phase::Retired => PutError::Retired(item),
            Phase::Open if self.ready(Door::Place) == 0 => PutError::Full(item),
            Phase::Open => PutError::NoMemory(item),
        }
    }

    /// Why there is no item.
    #[cold]
    pub(super) fn why_empty<E>(&self) -> GetError<E> {
        match self.phase {
            Phase::Open => GetError::Empty,
            Phase::ShutDown => GetError::ShutDown,
            Phase::Retired => GetError::Retired,
        }
    }

    /// Counts an item that was added to the store; says whether a getter is to be woken.
    #[inline]
    pub(super) fn added(&mut self, tasks: isize) -> bool {
        self.items += 1;
        // A comparison, and rarely a store.
        if self.items > self.peak {
            self.peak = self.items;
        }
        self.unfinished = self.unfinished.wrapping_add(tasks);
        self.getters.parked
    }

    #[inline]
    pub(super) fn add(&mut self, item: S::Item) -> bool {
        self.store.push(item);
        self.added(1)
    }

    /// Counts a change that was made outside the store; says whether somebody at `door` is to be
    /// woken.
    pub(super) fn changed(&mut self, tasks: isize, door: Door) -> bool {
        self.unfinished = self.unfinished.wrapping_add(tasks);
        self.crowd(door).parked
    }

    /// Takes an item that is free; says what is left to be done.
    #[inline]
    pub(super) fn remove(&mut self) -> Option<(S::Item, Left)> {
        if self.items == 0 {
            return None;
        }
        self.items -= 1;
        // Never `None`: the items are in the store.
        let item = self.store.pop()?;
        Some((item, Left { wake: self.putters.parked, outgrown: self.is_outgrown() }))
    }

    #[inline]
    pub(super) fn is_outgrown(&self) -> bool {
        self.items == 0 && self.store.capacity() > LARGE
    }
}

/// What changes once in a queue's life, and for good or for a while.
impl<S: Store> State<S> {
    pub(super) fn shut_down(&mut self, immediate: bool) -> Option<S> {
        if self.phase == Phase::Open {
            self.set_phase(Phase::ShutDown);
        }
        immediate.then(|| {
            let drained = self.store.split(self.getters.held);
            self.items = 0;
            let tasks = isize::try_from(drained.len()).unwrap_or(isize::MAX);
            // Downwards, and never below zero; a count that was set below zero stays.
            self.unfinished = self.unfinished.min((self.unfinished - tasks).max(0));
            drained
        })
    }

    pub(super) fn retire(&mut self) -> Option<(S, Contents<S::Item>)> {
        if self.phase == Phase::Retired {
            return None;
        }
        let contents = Contents {
            items: Vec::new(),
            unfinished: self.unfinished,
            shut_down: self.phase == Phase::ShutDown,
            maxsize: if self.limit == UNLIMITED { 0 } else { self.limit },
        };
        self.set_phase(Phase::Retired);
        self.items = 0;
        self.unfinished = 0;
        // What was handed over goes along; who comes for it finds the queue retired.
        self.getters.held = 0;
        self.putters.held = 0;
        Some((std::mem::take(&mut self.store), contents))
    }
}

/// Everything that was in a queue when it was retired.
#[derive(Debug)]
#[non_exhaustive]
pub struct Contents<T> {
    /// The items in the order in which they would have been got; those of a priority queue in the
    /// order of its heap.
    pub items: Vec<T>,
    /// The number of unfinished tasks.
    pub unfinished: isize,
    /// Whether it was shut down.
    pub shut_down: bool,
    /// The limit, 0 for none.
    pub maxsize: usize,
}
