//! The model: the same names on loom's types.
//!
//! A deadline is modelled as "may pass at any moment": `park` with one looks for a permit, lets
//! the others run, and then says that it timed out. So every race of a timeout with a wake is
//! explored. Signals are not modelled here.

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
pub(crate) use loom::thread_local;

use loom::sync::{Condvar, Mutex, MutexGuard};

use super::ParkEnd;

pub(crate) type ShortGuard<'a, T> = MutexGuard<'a, T>;

#[derive(Debug, Default)]
pub(crate) struct ShortLock<T>(Mutex<T>);

impl<T> ShortLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> ShortGuard<'_, T> {
        self.0.lock().unwrap()
    }

    pub(crate) fn try_lock(&self) -> Option<ShortGuard<'_, T>> {
        self.0.try_lock().ok()
    }

    pub(crate) fn lock_to_collect(&self) -> Option<ShortGuard<'_, T>> {
        Some(self.lock())
    }

    /// There is no fork in a model.
    ///
    /// # Safety
    /// None needed: it does nothing.
    pub(crate) unsafe fn reset(&self) {}
}

#[derive(Debug, Default)]
pub(crate) struct Parker {
    permit: Mutex<bool>,
    given: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn park(&self, deadline: Option<u64>) -> ParkEnd {
        let mut permit = self.permit.lock().unwrap();
        if deadline.is_some() && !*permit {
            drop(permit);
            loom::thread::yield_now();
            permit = self.permit.lock().unwrap();
            if !std::mem::take(&mut *permit) {
                return ParkEnd::TimedOut;
            }
            return ParkEnd::Permit;
        }
        while !std::mem::take(&mut *permit) {
            permit = self.given.wait(permit).unwrap();
        }
        ParkEnd::Permit
    }

    pub(crate) fn unpark(&self) {
        *self.permit.lock().unwrap() = true;
        self.given.notify_one();
    }
}

loom::lazy_static! {
    static ref CLOCK: std::sync::atomic::AtomicU64 =
        std::sync::atomic::AtomicU64::new(1_000_000_000);
}

pub(crate) fn now_coarse() -> u64 {
    now()
}

pub(crate) fn coarse_lag() -> u64 {
    0
}

/// Jumps with each look, so that some waiters count as starved.
pub(crate) fn now() -> u64 {
    CLOCK.fetch_add(300_000, std::sync::atomic::Ordering::Relaxed)
}

thread_local! {
    static WORD: usize = NEXT.fetch_add(64, std::sync::atomic::Ordering::Relaxed);
}

loom::lazy_static! {
    static ref NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(64);
}

/// Stands for the thread pointer: non-zero, unique, low bits clear.
pub(crate) fn thread_word() -> usize {
    WORD.with(|word| *word)
}
