//! What `Lock` and `RLock` share: an owner word and a queue.
//!
//! `word` is the owner's thread word with the lowest bit for "somebody may be queued":
//!
//! | owner | `PARKED` | meaning | who changes it |
//! |---|---|---|---|
//! | 0 | 0 | free | an acquirer (to owned) |
//! | 0 | 1 | free, a woken waiter is on its way or others wait | an acquirer |
//! | t | 0 | owned by t, nobody waits | the releaser (to free); a waiter, under the queue's lock (sets `PARKED`) |
//! | t | 1 | owned by t, somebody may wait | the releaser, under the queue's lock |
//!
//! Barging: a releaser frees the lock and wakes the first waiter, and whoever comes first takes
//! it, because a hand-off to a sleeper costs everybody the time until it runs. A waiter that is
//! [`starved`] is handed the lock directly, and so is one whose wake is put off until the releaser
//! sleeps; one that was woken in vain goes back to the front of the queue. A woken waiter takes the
//! lock before it asks for the host's: with that, all others would overtake it.
//!
//! Orderings: taking is Acquire and freeing is Release, so that one owner sees what the last one
//! wrote; a hand-off is ordered by the wake itself (invariant 4).

use std::cell::Cell;
use std::sync::Arc;

use crate::primitive::{AtomicUsize, Ordering, const_unless_loom, thread_word};
use crate::wait::{
    Deadline, HANDOFF, NORMAL, Origin, Park, Parked, Resource, ResourceKind, Since, Token,
    WaitError, WaitQueue, host, is_about_to_sleep, park_and_take, starved,
};

const PARKED: usize = 1;
/// Owner of a lock that was handed to an async task: no thread has this word.
pub(crate) const TASK: usize = 2;

#[derive(Debug)]
pub(crate) struct RawLock {
    word: AtomicUsize,
    queue: WaitQueue,
    origin: Origin,
    kind: ResourceKind,
}

impl Resource for RawLock {
    fn kind(&self) -> ResourceKind {
        self.kind
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
    fn owner(&self) -> Option<usize> {
        // Relaxed: the detector looks twice, and only at owners that are themselves blocked.
        Some(self.word.load(Ordering::Relaxed) & !PARKED).filter(|owner| *owner != 0)
    }
    fn origin(&self) -> Origin {
        self.origin
    }
    fn is_lasting(&self) -> bool {
        true
    }
}

impl RawLock {
    const_unless_loom! {
        pub(crate) fn new(kind: ResourceKind, origin: Origin) -> Self {
            Self { word: AtomicUsize::new(0), queue: WaitQueue::new(), origin, kind }
        }
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.word.load(Ordering::Relaxed) & !PARKED != 0
    }

    #[inline]
    pub(crate) fn is_held_by(&self, me: usize) -> bool {
        // Relaxed: only `me` itself can make this true or false.
        self.word.load(Ordering::Relaxed) & !PARKED == me
    }

    /// Takes it for `me` if it is free.
    #[inline]
    pub(crate) fn try_acquire(&self, me: usize) -> bool {
        self.word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_ok()
            || self.try_acquire_parked(me)
    }

    #[inline]
    fn try_acquire_parked(&self, me: usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & !PARKED == 0 {
            match self.word.compare_exchange_weak(
                word,
                word | me,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
        false
    }

    /// Takes it, waiting until the deadline; `Ok(false)` means that the time was up. A wait that was
    /// begun by a condition's goes on `since` then.
    #[cold]
    pub(crate) fn acquire_slow(
        &self,
        deadline: Deadline,
        mut since: Option<Since>,
    ) -> Result<bool, WaitError> {
        let me = thread_word();
        loop {
            if self.try_acquire_parked(me) {
                return Ok(true);
            }
            if deadline.has_passed() {
                return Ok(false);
            }
            let turn = *since.get_or_insert_with(Since::now);
            let request =
                Park { queue: &self.queue, what: self, deadline, since: Some(turn), next: None };
            let taken = Cell::new(false);
            let parked = park_and_take(
                &request,
                &|_| self.mark_parked(),
                |token| self.give_back(token),
                &|token| taken.set(token != HANDOFF && self.try_acquire_parked(me)),
            )?;
            match parked {
                Parked::Notified(HANDOFF) => return Ok(true),
                Parked::Notified(_) if taken.get() => return Ok(true),
                Parked::Notified(_) => since = Some(turn.in_vain()),
                Parked::Retry => {}
                Parked::TimedOut => return Ok(false),
            }
        }
    }

    /// Takes it again after a Condition's wait, which must not come back without it: a handler's
    /// exception waits until it is taken. Only a second one ends this, so that a user can always
    /// get out. `interrupted` says that the first one has come already, and `since` when the wait for
    /// the lock began, if it has begun.
    pub(crate) fn acquire_again(
        &self,
        interrupted: bool,
        since: Option<Since>,
    ) -> Result<(), WaitError> {
        if !interrupted {
            match self.acquire_until_taken(since) {
                Err(WaitError::Interrupted) => {}
                result => return result,
            }
        }
        // Handlers must not run while an exception is pending.
        let put_back = host().set_aside();
        match self.acquire_until_taken(since) {
            // The second exception is pending in place of the first.
            Err(WaitError::Interrupted) => {}
            // Also if taking it was refused: the exception came first.
            _ => put_back(),
        }
        Err(WaitError::Interrupted)
    }

    fn acquire_until_taken(&self, since: Option<Since>) -> Result<(), WaitError> {
        if self.try_acquire(thread_word()) {
            return Ok(());
        }
        self.acquire_slow(Deadline::NEVER, since).map(|_| ())
    }

    /// Under the queue's lock: sets `PARKED` if the lock is held; `false` if it is free.
    pub(crate) fn mark_parked(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & !PARKED == 0 {
                return false;
            }
            if word & PARKED != 0 {
                return true;
            }
            // Relaxed: the releaser that sees the bit takes the queue's lock, which orders it.
            match self.word.compare_exchange_weak(
                word,
                word | PARKED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(changed) => word = changed,
            }
        }
    }

    /// Hands on a wake that its receiver could not use.
    pub(crate) fn give_back(&self, token: Token) {
        if token == HANDOFF {
            self.release_slow();
        } else if !self.is_held() {
            self.queue.notify_one(NORMAL);
        }
    }

    /// Frees it, whoever owns it; `false` if nobody did.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        if word & !PARKED == 0 {
            return false;
        }
        // Release pairs with the Acquire of the next owner.
        if word & PARKED != 0
            || self.word.compare_exchange(word, 0, Ordering::Release, Ordering::Relaxed).is_err()
        {
            return self.release_slow();
        }
        true
    }

    #[cold]
    fn release_slow(&self) -> bool {
        let woken = {
            let mut list = self.queue.lock();
            loop {
                let word = self.word.load(Ordering::Relaxed);
                if word & !PARKED == 0 {
                    // Two threads released at the same time, and this one is the second.
                    return false;
                }
                if word & PARKED != 0 {
                    // Held and PARKED: nobody else changes the word without the queue's lock.
                    break;
                }
                if self.word.compare_exchange(word, 0, Ordering::Release, Ordering::Relaxed).is_ok()
                {
                    return true;
                }
            }
            let heir = match list.first() {
                Some((0, since)) if starved(since) => TASK,
                Some((word, since)) if word != 0 && (is_about_to_sleep() || starved(since)) => word,
                _ => 0,
            };
            // Before the heir can see that it was notified, which it may without being woken: the lock
            // is its own from then on. Release pairs with the Acquire of the next owner.
            self.word.store(heir | usize::from(list.len() > 1), Ordering::Release);
            list.pop(if heir == 0 { NORMAL } else { HANDOFF })
        };
        if let Some(woken) = woken {
            woken.wake();
        }
        true
    }

    pub(crate) fn set_name(&self, name: &str) {
        self.queue.set_name(self, name);
    }

    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.queue.name()
    }

    pub(crate) fn queue(&self) -> &WaitQueue {
        &self.queue
    }

    /// Forgets owner and waiters: only for the child of a fork.
    pub(crate) fn reset(&self) {
        self.word.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_that_is_woken_in_vain_has_waited_once() {
        static LOCK: RawLock = RawLock::new(ResourceKind::Lock, Origin::Unknown);
        let until_somebody_waits = || {
            while LOCK.queue.lock().is_empty() {
                std::thread::yield_now();
            }
        };
        assert!(LOCK.try_acquire(thread_word()));
        let waiter = std::thread::spawn(|| {
            assert_eq!(LOCK.acquire_slow(Deadline::NEVER, None).ok(), Some(true));
            LOCK.release();
            crate::wait::current().waited_for()
        });
        until_somebody_waits();
        // Twice: it has to be the wait of the first turn that goes on in the last.
        for _ in 0..2 {
            assert!(LOCK.queue.notify_one(NORMAL));
            until_somebody_waits();
        }
        assert!(LOCK.release());
        assert_eq!(counts(&waiter.join().unwrap()), [(ResourceKind::Lock, 1)]);
    }

    fn counts(waits: &[crate::wait::WaitedFor]) -> Vec<(ResourceKind, u64)> {
        waits.iter().map(|each| (each.kind, each.count)).collect()
    }

    #[test]
    fn a_notified_waiter_that_is_overtaken_has_waited_once_for_its_lock() {
        use crate::sync::{Condition, Lock};
        static LOCK: Lock = Lock::new();
        static CHANGED: Condition = Condition::new();
        let raw = LOCK.raw();
        let until_somebody_waits = || {
            while raw.queue.lock().is_empty() {
                std::thread::yield_now();
            }
        };
        let waiter = std::thread::spawn(|| {
            let held = LOCK.hold().unwrap();
            CHANGED.wait(&LOCK).unwrap();
            drop(held);
            crate::wait::current().waited_for()
        });
        while CHANGED.waiters() == 0 {
            std::thread::yield_now();
        }
        let held = LOCK.hold().unwrap();
        assert_eq!(CHANGED.notify(1, &LOCK), 1);
        for _ in 0..2 {
            until_somebody_waits();
            // As if it had been free, and somebody else had taken it.
            assert!(raw.queue.notify_one(NORMAL));
        }
        until_somebody_waits();
        drop(held);
        let waits = waiter.join().unwrap();
        assert_eq!(counts(&waits), [(ResourceKind::Lock, 1), (ResourceKind::Condition, 1)]);
    }
}
