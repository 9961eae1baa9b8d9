//! Threads and async tasks in the same queues.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use ropewalk::sync::{BoundedSemaphore, Event, Lock, Semaphore, TooManyReleases};
use ropewalk::wait::blocked_threads;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs a future on the calling thread, which sleeps in between on an event of ours.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Notify(Event);
    impl Wake for Notify {
        fn wake(self: Arc<Self>) {
            self.0.set();
        }
    }
    let notify = Arc::new(Notify(Event::new()));
    let waker = Waker::from(notify.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        notify.0.wait().unwrap();
        notify.0.clear();
    }
}

#[test]
fn a_task_waits_for_a_permit_of_a_bounded_semaphore() {
    let seats = Arc::new(BoundedSemaphore::new(1));
    assert!(seats.try_acquire());
    let task = thread::spawn({
        let seats = seats.clone();
        move || block_on(seats.acquire_async())
    });
    while blocked_threads().is_empty() {
        thread::yield_now();
    }
    seats.release(1).unwrap();
    task.join().unwrap();
    assert_eq!(seats.permits(), 0);
    seats.release(1).unwrap();
    assert_eq!(seats.release(1), Err(TooManyReleases));
}

#[test]
fn a_task_waits_for_a_lock_that_a_thread_holds() {
    let lock = Lock::new();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    lock.acquire().unwrap();
    let mut waiting = pin!(lock.acquire_async());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    lock.release().unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(waiting.as_mut().poll(&mut context).is_ready());
    assert!(lock.is_held());
    lock.release().unwrap();
}

#[test]
fn a_dropped_task_hands_its_wake_on_to_a_thread() {
    let semaphore = Arc::new(Semaphore::new(0));
    let waker = Waker::from(Arc::new(Count::default()));
    let mut waiting = Box::pin(semaphore.acquire_async());
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let thread = thread::spawn({
        let semaphore = semaphore.clone();
        move || semaphore.acquire().unwrap()
    });
    while blocked_threads().is_empty() {
        thread::yield_now();
    }
    // The task is first in the queue and is chosen; it never runs again.
    semaphore.release(1).unwrap();
    drop(waiting);
    thread.join().unwrap();
    assert_eq!(semaphore.permits(), 0);
}

#[test]
fn threads_and_tasks_exclude_each_other() {
    const ROUNDS: usize = 2_000;
    let shared = Arc::new((Lock::new(), AtomicUsize::new(0)));
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let shared = shared.clone();
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    if i % 2 == 0 {
                        shared.0.acquire().unwrap();
                    } else {
                        block_on(shared.0.acquire_async());
                    }
                    let before = shared.1.load(Ordering::Relaxed);
                    shared.1.store(before + 1, Ordering::Relaxed);
                    shared.0.release().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(shared.1.load(Ordering::Relaxed), 4 * ROUNDS);
}

#[test]
fn a_task_waits_for_an_event() {
    let event = Arc::new(Event::new());
    let setter = thread::spawn({
        let event = event.clone();
        move || event.set()
    });
    block_on(event.wait_async());
    assert!(event.is_set());
    setter.join().unwrap();
}

#[test]
fn a_waker_that_panics_keeps_no_other_task_asleep() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let event = Event::new();
    let count = Arc::new(Count::default());
    let panics = Waker::from(Arc::new(Panics));
    let counts = Waker::from(count.clone());
    let mut waiting = [(); 4].map(|()| Box::pin(event.wait_async()));
    for (future, waker) in waiting.iter_mut().zip([&counts, &panics, &panics, &counts]) {
        assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    let set = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| event.set()));
    assert_eq!(set.unwrap_err().downcast_ref(), Some(&"a waker"));
    assert_eq!(count.0.load(Ordering::SeqCst), 2);
}

#[test]
fn a_task_that_was_woken_has_seen_the_flag_set() {
    let event = Event::new();
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting = pin!(event.wait_async());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    event.set();
    event.clear();
    let mut late = pin!(event.wait_async());
    assert!(late.as_mut().poll(&mut context).is_pending());
    assert!(waiting.as_mut().poll(&mut context).is_ready());
    assert!(late.as_mut().poll(&mut context).is_pending());
}
