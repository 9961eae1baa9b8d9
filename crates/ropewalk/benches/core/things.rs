//! What is compared, each behind a trait that says what the rows need of it.

use std::sync::{Condvar, Mutex};

use ropewalk::sync::{Condition, Event, Lock, RLock, Semaphore};

/// A lock around a section.
pub(crate) trait Section: Default + Send + Sync + 'static {
    fn locked(&self, work: impl FnOnce());
}

impl Section for Lock {
    #[inline]
    fn locked(&self, work: impl FnOnce()) {
        let _held = self.hold().expect("no deadlock");
        work();
    }
}

impl Section for RLock {
    #[inline]
    fn locked(&self, work: impl FnOnce()) {
        let _held = self.hold().expect("no deadlock");
        work();
    }
}

impl Section for Mutex<()> {
    #[inline]
    fn locked(&self, work: impl FnOnce()) {
        let _held = self.lock().expect("not poisoned");
        work();
    }
}

impl Section for parking_lot::Mutex<()> {
    #[inline]
    fn locked(&self, work: impl FnOnce()) {
        let _held = self.lock();
        work();
    }
}

impl Section for parking_lot::FairMutex<()> {
    #[inline]
    fn locked(&self, work: impl FnOnce()) {
        let _held = self.lock();
        work();
    }
}

impl Section for parking_lot::ReentrantMutex<()> {
    #[inline]
    fn locked(&self, work: impl FnOnce()) {
        let _held = self.lock();
        work();
    }
}

/// A semaphore of one permit, as a lock.
pub(crate) struct OnePermit(Semaphore);

impl Default for OnePermit {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Section for OnePermit {
    #[inline]
    fn locked(&self, work: impl FnOnce()) {
        self.0.acquire().expect("no deadlock");
        work();
        self.0.release(1).expect("few permits");
    }
}

/// A number behind a lock, and a condition for its changes.
pub(crate) trait Watched: Default + Send + Sync + 'static {
    /// Waits until the number is `wanted` and then makes it `next` and tells one waiter.
    fn pass(&self, wanted: usize, next: usize);
    /// Adds one to the number, and then waits until it is `wanted`.
    fn arrive(&self, wanted: usize);
    /// Returns the number.
    fn look(&self) -> usize;
    /// Sets the number and tells all waiters.
    fn set_all(&self, next: usize);
}

/// A number behind Ropewalk's lock, with its condition.
#[derive(Default)]
pub(crate) struct Ours {
    lock: Lock,
    changed: Condition,
    number: std::sync::atomic::AtomicUsize,
}

/// Under the lock, which is what orders it.
const RELAXED: std::sync::atomic::Ordering = std::sync::atomic::Ordering::Relaxed;

impl Watched for Ours {
    fn pass(&self, wanted: usize, next: usize) {
        let _held = self.lock.hold().expect("no deadlock");
        while self.number.load(RELAXED) != wanted {
            self.changed.wait(&self.lock).expect("no deadlock");
        }
        self.number.store(next, RELAXED);
        self.changed.notify(1, &self.lock);
    }

    fn arrive(&self, wanted: usize) {
        let _held = self.lock.hold().expect("no deadlock");
        self.number.fetch_add(1, RELAXED);
        while self.number.load(RELAXED) != wanted {
            self.changed.wait(&self.lock).expect("no deadlock");
        }
    }

    fn look(&self) -> usize {
        let _held = self.lock.hold().expect("no deadlock");
        self.number.load(RELAXED)
    }

    fn set_all(&self, next: usize) {
        let _held = self.lock.hold().expect("no deadlock");
        self.number.store(next, RELAXED);
        self.changed.notify(usize::MAX, &self.lock);
    }
}

/// The same of std.
#[derive(Default)]
pub(crate) struct Std(Mutex<usize>, Condvar);

impl Watched for Std {
    fn pass(&self, wanted: usize, next: usize) {
        let number = self.0.lock().expect("not poisoned");
        let mut number = self.1.wait_while(number, |it| *it != wanted).expect("not poisoned");
        *number = next;
        self.1.notify_one();
    }

    fn arrive(&self, wanted: usize) {
        let mut number = self.0.lock().expect("not poisoned");
        *number += 1;
        drop(self.1.wait_while(number, |it| *it != wanted).expect("not poisoned"));
    }

    fn look(&self) -> usize {
        *self.0.lock().expect("not poisoned")
    }

    fn set_all(&self, next: usize) {
        *self.0.lock().expect("not poisoned") = next;
        self.1.notify_all();
    }
}

/// The same of `parking_lot`.
#[derive(Default)]
pub(crate) struct ParkingLot(parking_lot::Mutex<usize>, parking_lot::Condvar);

impl Watched for ParkingLot {
    fn pass(&self, wanted: usize, next: usize) {
        let mut number = self.0.lock();
        self.1.wait_while(&mut number, |it| *it != wanted);
        *number = next;
        self.1.notify_one();
    }

    fn arrive(&self, wanted: usize) {
        let mut number = self.0.lock();
        *number += 1;
        self.1.wait_while(&mut number, |it| *it != wanted);
    }

    fn look(&self) -> usize {
        *self.0.lock()
    }

    fn set_all(&self, next: usize) {
        *self.0.lock() = next;
        self.1.notify_all();
    }
}

/// A turn that one thread gives and another takes.
pub(crate) trait Turn: Default + Send + Sync + 'static {
    fn give(&self);
    fn take(&self);
}

/// A semaphore without permits.
pub(crate) struct Permits(Semaphore);

impl Default for Permits {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Turn for Permits {
    fn give(&self) {
        self.0.release(1).expect("few permits");
    }

    fn take(&self) {
        self.0.acquire().expect("no deadlock");
    }
}

/// A lock that starts held, and that the other thread releases.
pub(crate) struct HeldLock(Lock);

impl Default for HeldLock {
    fn default() -> Self {
        let lock = Lock::new();
        assert!(lock.try_acquire());
        Self(lock)
    }
}

impl Turn for HeldLock {
    fn give(&self) {
        self.0.release().expect("held");
    }

    fn take(&self) {
        self.0.acquire().expect("no deadlock");
    }
}

impl Turn for Event {
    fn give(&self) {
        self.set();
    }

    fn take(&self) {
        self.wait().expect("no deadlock");
        self.clear();
    }
}

/// A flag behind a lock with a condition: what std and `parking_lot` offer for a turn.
#[derive(Default)]
pub(crate) struct Flag<W>(W);

impl<W: Watched> Turn for Flag<W> {
    fn give(&self) {
        self.0.pass(0, 1);
    }

    fn take(&self) {
        self.0.pass(1, 0);
    }
}
