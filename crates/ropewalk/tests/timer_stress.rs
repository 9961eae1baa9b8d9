//! Many threads that start and cancel timers. Also run by ThreadSanitizer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ropewalk::queue::SimpleQueue;
use ropewalk::time::Timer;
use ropewalk::wait::Deadline;

const THREADS: usize = 4;
const EACH: usize = if cfg!(debug_assertions) { 500 } else { 5_000 };

#[test]
fn each_timer_fires_or_was_cancelled() {
    let fired = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|i| {
            let fired = fired.clone();
            std::thread::spawn(move || {
                let mut cancelled = 0;
                let mut batch: Vec<Timer> = Vec::new();
                for round in 0..EACH {
                    let fired = fired.clone();
                    let micros = ((round * 31 + i * 17) % 700) as u64;
                    let timer = Timer::new(Duration::from_micros(micros), move || {
                        fired.fetch_add(1, Ordering::Relaxed);
                        if round % 64 == 0 {
                            // Longer than the leader may be busy: the standby takes over.
                            let long = Deadline::after(Duration::from_millis(3));
                            while !long.has_passed() {
                                std::thread::yield_now();
                            }
                        }
                    });
                    timer.start().unwrap();
                    if round % 3 == 0 {
                        cancelled += usize::from(timer.cancel());
                    }
                    batch.push(timer);
                    if batch.len() == 50 {
                        // One of another's, too: cancelling races with firing.
                        cancelled += usize::from(batch[25].cancel());
                        for timer in batch.drain(..) {
                            assert!(
                                timer.join_until(Deadline::after(Duration::from_secs(20))).unwrap()
                            );
                        }
                    }
                }
                for timer in batch {
                    timer.join().unwrap();
                }
                cancelled
            })
        })
        .collect();
    let cancelled: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(cancelled + fired.load(Ordering::Relaxed), THREADS * EACH);
}

#[test]
fn a_cancel_that_meets_the_start_is_not_lost() {
    let deadline = Deadline::after(Duration::from_secs(5));
    let (timers, turn) = (SimpleQueue::<Option<Arc<Timer>>>::new(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Some(timer) = timers.get().unwrap() {
                turn.fetch_add(1, Ordering::SeqCst);
                let _ = timer.start();
            }
        });
        for round in 1..=50_000 {
            if deadline.has_passed() {
                break;
            }
            let timer = Arc::new(Timer::new(Duration::from_secs(3600), || ()));
            timers.put(Some(timer.clone())).unwrap();
            while turn.load(Ordering::SeqCst) < round {
                std::hint::spin_loop();
            }
            for _ in 0..round % 128 {
                std::hint::spin_loop();
            }
            // Before, after or during the start: it is neither called nor over.
            let cancelled = timer.cancel();
            if !cancelled {
                timers.put(None).unwrap();
            }
            assert!(cancelled);
        }
        timers.put(None).unwrap();
    });
}
