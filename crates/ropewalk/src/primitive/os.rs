//! The real thing: std's atomics, a one-word lock and a parker on the futex.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::thread_local;

use super::ParkEnd;
use crate::platform::{self, FutexEnd};

pub(crate) use crate::platform::{coarse_lag, now, now_coarse, thread_word};

const FREE: u32 = 0;
const HELD: u32 = 1;
const HELD_AND_WANTED: u32 = 2;

/// How long a thread sleeps at most whose wish for the lock was overlooked.
const MISSED_WAKE_NS: u64 = 1_000_000;

/// A thread that could not get in for so long is inside itself.
const OWN_SECTION_NS: u64 = 1_000_000_000;

/// A mutual exclusion for sections of a few dozen instructions.
///
/// It is not a lock of the runtime: nobody sees who holds it, it knows neither timeouts nor
/// signals, and no code of a user and no blocking call may run while it is held. The allocator may be
/// called where a list has to grow, which is seldom. The runtime's own queues are guarded by it.
///
/// | `word` | meaning | left by |
/// |---|---|---|
/// | `FREE` | nobody is inside | `lock` |
/// | `HELD` | somebody is inside, nobody sleeps | `unlock`, or a second `lock` |
/// | `HELD_AND_WANTED` | somebody is inside, somebody may sleep | `unlock`, which wakes one |
#[derive(Debug, Default)]
pub(crate) struct ShortLock<T> {
    word: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached only by the one thread that moved `word` away from FREE.
unsafe impl<T: Send> Sync for ShortLock<T> {}
// SAFETY: it owns its value.
unsafe impl<T: Send> Send for ShortLock<T> {}
// No code of a user runs in a section, so that no panic leaves one half done.
impl<T> UnwindSafe for ShortLock<T> {}
impl<T> RefUnwindSafe for ShortLock<T> {}

impl<T> ShortLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { word: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> ShortGuard<'_, T> {
        // Acquire pairs with the Release of `unlock`: we see what the last holder wrote.
        if self.word.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow();
        }
        ShortGuard { lock: self, value: PhantomData }
    }

    /// Enters if nobody is inside.
    pub(crate) fn try_lock(&self) -> Option<ShortGuard<'_, T>> {
        let entered =
            self.word.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok();
        // Made only if it is so: a guard that is dropped lets go of what another thread holds.
        if entered { Some(ShortGuard { lock: self, value: PhantomData }) } else { None }
    }

    /// Enters, for the garbage collector of a host. `None` only if that takes far longer than any
    /// section: then it is the calling thread's own, in which the collection began.
    ///
    /// Not a mere try: a collector looks more than once, and what it finds the first time only
    /// counts as garbage.
    pub(crate) fn lock_to_collect(&self) -> Option<ShortGuard<'_, T>> {
        if let Some(guard) = self.try_lock() {
            return Some(guard);
        }
        let end = platform::now() + OWN_SECTION_NS;
        // As in `lock_slow`.
        while self.word.swap(HELD_AND_WANTED, Ordering::Acquire) != FREE {
            let now = platform::now();
            if now > end {
                return None;
            }
            platform::wait(&self.word, HELD_AND_WANTED, Some(now + MISSED_WAKE_NS));
        }
        Some(ShortGuard { lock: self, value: PhantomData })
    }

    #[cold]
    fn lock_slow(&self) {
        // The section is shorter than any sleep; but its holder may have been preempted, and then
        // spinning on the same core keeps it from running: so only for about a microsecond.
        for _ in 0..64 {
            std::hint::spin_loop();
            if self.word.load(Ordering::Relaxed) == FREE
                && self
                    .word
                    .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
        }
        // Taking it as WANTED although nobody else may sleep costs at most one useless wake.
        while self.word.swap(HELD_AND_WANTED, Ordering::Acquire) != FREE {
            // The time limit is for the one case that `unlock` may miss; see there.
            let limit = platform::now() + MISSED_WAKE_NS;
            platform::wait(&self.word, HELD_AND_WANTED, Some(limit));
        }
    }

    #[cold]
    fn wake_slow(&self) {
        platform::wake(&self.word);
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// Makes it free whoever held it.
    ///
    /// # Safety
    /// Only in the child of a fork, for a lock whose holder does not exist there and whose value
    /// is whole (or is replaced before it is used).
    pub(crate) unsafe fn reset(&self) {
        self.word.store(FREE, Ordering::Relaxed);
    }
}

/// Keeps a [`ShortLock`] held.
#[derive(Debug)]
pub(crate) struct ShortGuard<'a, T> {
    lock: &'a ShortLock<T>,
    /// What it stands for: of the lock's value, threads that share the guard see references.
    value: PhantomData<&'a mut T>,
}

impl<T> Deref for ShortGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: we hold the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for ShortGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: we hold the lock, and `&mut self` makes this the only reference through the guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for ShortGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // A load and a store instead of a swap: half of what an uncontended section costs. If
        // somebody marks the word in between, the mark is lost. It then sees, before it sleeps,
        // that the word has changed; only if this thread loses its core right between the two may
        // it fall asleep first, and its time limit wakes it.
        let wanted = self.lock.word.load(Ordering::Relaxed) == HELD_AND_WANTED;
        // Release pairs with the Acquire of the next `lock`.
        self.lock.word.store(FREE, Ordering::Release);
        if wanted {
            self.lock.wake_slow();
        }
    }
}

const EMPTY: u32 = 0;
const PERMIT: u32 = 1;
const ASLEEP: u32 = 2;

/// One thread's bed: `park` sleeps until a permit, `unpark` gives it.
///
/// Permits do not add up, and one that nobody needed makes the next `park` return at once: the
/// caller always looks at its own state again.
///
/// | `word` | meaning | left by |
/// |---|---|---|
/// | `EMPTY` | awake, no permit | `park` (to `ASLEEP`), `unpark` (to `PERMIT`) |
/// | `PERMIT` | a permit waits | `park` (to `EMPTY`) |
/// | `ASLEEP` | the owner sleeps or is about to | `unpark` (to `PERMIT`, and wakes), the owner itself after a timeout |
#[derive(Debug, Default)]
pub(crate) struct Parker {
    word: AtomicU32,
}

impl Parker {
    pub(crate) const fn new() -> Self {
        Self { word: AtomicU32::new(EMPTY) }
    }

    /// Sleeps until a permit, the deadline or a signal. Only the owner may call it.
    pub(crate) fn park(&self, deadline: Option<u64>) -> ParkEnd {
        // Acquire (here and below) pairs with the Release of `unpark`: what was written before the
        // permit is seen after it.
        if self.word.compare_exchange(EMPTY, ASLEEP, Ordering::Acquire, Ordering::Acquire).is_err()
        {
            // A swap, not a store: it also acquires a second permit that it would overwrite.
            self.word.swap(EMPTY, Ordering::Acquire);
            return ParkEnd::Permit;
        }
        loop {
            let end = platform::wait(&self.word, ASLEEP, deadline);
            if self.word.load(Ordering::Relaxed) == PERMIT {
                self.word.swap(EMPTY, Ordering::Acquire);
                return ParkEnd::Permit;
            }
            let end = match end {
                FutexEnd::Woken => continue,
                FutexEnd::TimedOut => ParkEnd::TimedOut,
                FutexEnd::Interrupted => ParkEnd::Interrupted,
            };
            // A permit that came this instant wins over the timeout and the signal.
            return match self.word.swap(EMPTY, Ordering::Acquire) {
                PERMIT => ParkEnd::Permit,
                _ => end,
            };
        }
    }

    /// Takes a permit if one is there. Only the owner may call it.
    pub(crate) fn try_park(&self) -> bool {
        // A look first, which leaves the word in the caches of those who may write it.
        self.word.load(Ordering::Relaxed) == PERMIT
            && self.word.swap(EMPTY, Ordering::Acquire) == PERMIT
    }

    /// Gives the permit, and wakes the owner if it sleeps.
    pub(crate) fn unpark(&self) {
        if self.word.swap(PERMIT, Ordering::Release) == ASLEEP {
            platform::wake(&self.word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Implemented twice for what is `Sync`: then it cannot be told which one is meant.
    trait OnceUnlessSync<Which> {
        fn holds() -> bool {
            true
        }
    }
    impl<T> OnceUnlessSync<()> for T {}
    impl<T: Sync> OnceUnlessSync<u8> for T {}

    #[test]
    fn a_guard_is_shared_only_if_the_value_may_be() {
        fn is_sync<T: Sync>() {}
        is_sync::<ShortGuard<'_, u8>>();
        assert!(<ShortGuard<'_, std::cell::Cell<u8>> as OnceUnlessSync<_>>::holds());
    }

    #[test]
    fn a_try_leaves_the_lock_to_who_holds_it() {
        let lock = ShortLock::new(0);
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        assert!(lock.try_lock().is_none(), "the first one has let go of it");
        drop(guard);
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn a_collector_waits_for_a_section_of_another_thread() {
        let lock = ShortLock::new(0);
        std::thread::scope(|scope| {
            let mut guard = lock.lock();
            let collector = scope.spawn(|| lock.lock_to_collect().map(|guard| *guard));
            while lock.word.load(Ordering::Relaxed) != HELD_AND_WANTED {
                std::thread::yield_now();
            }
            *guard = 1;
            drop(guard);
            assert_eq!(collector.join().unwrap(), Some(1));
        });
    }

    #[test]
    fn a_collector_does_not_wait_for_itself() {
        let lock = ShortLock::new(0);
        let guard = lock.lock();
        assert!(lock.lock_to_collect().is_none());
        drop(guard);
        assert!(lock.lock_to_collect().is_some());
    }
}
