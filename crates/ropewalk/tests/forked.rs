//! What the child of a fork can rely on in a program of Rust alone.

#![cfg(all(unix, not(loom)))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ropewalk::queue::Queue;
use ropewalk::sync::{Event, Lock, Semaphore};
use ropewalk::time::Timer;
use ropewalk::wait::{Deadline, blocked_threads, threads};

/// What the threads of the parent use at the moment of the fork, and the child does not.
static THEIRS: Queue<u32> = Queue::new(0);
/// What nobody is in the middle of.
static OURS: Queue<u32> = Queue::new(0);
static LOCK: Lock = Lock::new();
static SEMAPHORE: Semaphore = Semaphore::new(1);
static EVENT: Event = Event::new();

/// What a child does: what nobody else was using, or waited for in their sleep, and new things.
fn use_what_is_there() -> bool {
    let soon = || Deadline::after(Duration::from_millis(2));
    let told = Arc::new(Event::new());
    let timer = Timer::new(Duration::from_millis(1), {
        let told = told.clone();
        move || told.set()
    });
    OURS.len() == 1
        && OURS.put(2).is_ok()
        && OURS.get().is_ok_and(|item| item == 1)
        && threads().len() == 1
        && blocked_threads().is_empty()
        // The parent holds it.
        && LOCK.acquire_until(soon()).is_ok_and(|got| !got)
        && LOCK.release().is_ok()
        && LOCK.try_acquire()
        && SEMAPHORE.acquire().is_ok()
        && SEMAPHORE.acquire_until(soon()).is_ok_and(|got| !got)
        && EVENT.wait_until(soon()).is_ok_and(|got| !got)
        && timer.start().is_ok()
        && told.wait().is_ok()
}

#[test]
fn a_child_can_use_what_no_other_thread_was_using() {
    ropewalk::fork::install(|| ());
    LOCK.acquire().unwrap();
    OURS.put(1).unwrap();
    let end = AtomicBool::new(false);
    let long = Timer::new(Duration::from_secs(600), || ());
    long.start().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| EVENT.wait().unwrap());
        while blocked_threads().is_empty() {
            thread::yield_now();
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    THEIRS.put(1).unwrap();
                    drop(THEIRS.try_get());
                }
            });
        }
        // Of a timer that waits the child takes leave, whoever is in the middle of joining it.
        for _ in 0..2 {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    assert!(!long.join_until(Deadline::after(Duration::from_nanos(1))).unwrap());
                }
            });
        }
        let children = (0..50).map(|_| {
            // SAFETY: the child uses the runtime and the allocator, which the C library keeps whole,
            // and ends without destructors.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: as above; the alarm ends a child that hangs.
                unsafe {
                    libc::alarm(60);
                    libc::_exit(i32::from(!use_what_is_there()));
                }
            }
            let mut status = -1;
            // SAFETY: the status is ours.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            status
        });
        let failed = children.filter(|status| *status != 0).count();
        end.store(true, Ordering::Relaxed);
        EVENT.set();
        assert_eq!(failed, 0);
    });
    long.cancel();
}
