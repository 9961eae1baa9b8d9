//! Timers: when they fire, and who runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ropewalk::queue::SimpleQueue;
use ropewalk::sync::Event;
use ropewalk::time::{StartError, Timer};
use ropewalk::wait::Deadline;

const SHORT: Duration = Duration::from_millis(3);
const LONG: Duration = Duration::from_secs(3600);

fn in_time() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

#[test]
fn fires_once_and_not_too_early() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let timer = Timer::new(SHORT, move || {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    let started = Instant::now();
    timer.start().unwrap();
    assert_eq!(timer.start(), Err(StartError::Started));
    timer.join().unwrap();
    assert!(started.elapsed() >= SHORT);
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert!(timer.is_done());
    assert!(!timer.cancel());
}

#[test]
fn fire_in_the_order_in_which_they_are_due() {
    let order = Arc::new(SimpleQueue::new());
    // Far apart: a runner that is held up in its callback gets help, and then two call at once.
    let timers: Vec<_> = [300, 100, 200, 0, 100]
        .into_iter()
        .enumerate()
        .map(|(number, ms)| {
            let order = order.clone();
            Timer::new(Duration::from_millis(ms), move || order.put((ms, number)).unwrap())
        })
        .collect();
    for timer in &timers {
        timer.start().unwrap();
    }
    for timer in &timers {
        assert!(timer.join_until(in_time()).unwrap());
    }
    let order = order.drain();
    assert_eq!(order.len(), 5);
    assert!(order.is_sorted_by_key(|(ms, _)| *ms), "{order:?}");
}

#[test]
fn cancelled_ones_do_not_fire() {
    let dropped = Arc::new(());
    for start in [false, true] {
        let kept = dropped.clone();
        let timer = Timer::new(LONG, move || drop(kept));
        if start {
            timer.start().unwrap();
        }
        assert!(!timer.is_done());
        assert!(!timer.join_until(Deadline::after(SHORT)).unwrap());
        assert!(timer.cancel());
        assert!(timer.is_done());
        assert!(!timer.cancel());
        assert_eq!(timer.start(), Err(StartError::Started));
        timer.join().unwrap();
        // The callback, and what it holds, is gone.
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}

#[test]
fn a_panic_whose_payload_panics_does_no_harm() {
    let first = Timer::new(SHORT, || std::panic::panic_any(PanicsWhenDropped));
    let second = Timer::new(SHORT, || ());
    first.start().unwrap();
    second.start().unwrap();
    assert!(first.join_until(in_time()).unwrap());
    assert!(second.join_until(in_time()).unwrap());
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_joiner_is_woken_by_cancel() {
    let timer = Arc::new(Timer::new(LONG, || unreachable!()));
    timer.start().unwrap();
    let joiner = std::thread::spawn({
        let timer = timer.clone();
        move || timer.join().unwrap()
    });
    let word = loop {
        if let Some(thread) = ropewalk::wait::threads().into_iter().find(|thread| {
            thread.look(|wait| wait.is_some_and(|w| w.what.origin().describe() == origin(&timer)))
        }) {
            break thread.word();
        }
        std::thread::yield_now();
    };
    assert_ne!(word, 0);
    assert!(timer.cancel());
    joiner.join().unwrap();
}

fn origin(timer: &Timer) -> Option<String> {
    timer.origin().describe()
}

#[test]
fn blocking_callbacks_do_not_keep_others_waiting() {
    // Each callback waits for the next one's: together they need as many threads as callbacks.
    const CHAIN: usize = 12;
    let events: Arc<Vec<Event>> = Arc::new((0..=CHAIN).map(|_| Event::new()).collect());
    let timers: Vec<_> = (0..CHAIN)
        .map(|i| {
            let events = events.clone();
            Timer::new(Duration::ZERO, move || {
                assert!(events[i + 1].wait_until(in_time()).unwrap());
                events[i].set();
            })
        })
        .collect();
    for timer in &timers {
        timer.start().unwrap();
    }
    let last = Timer::new(SHORT, {
        let events = events.clone();
        move || events[CHAIN].set()
    });
    last.start().unwrap();
    assert!(events[0].wait_until(in_time()).unwrap());
    for timer in &timers {
        assert!(timer.join_until(in_time()).unwrap());
    }
}

#[test]
fn a_timer_started_while_a_callback_blocks_fires() {
    let (go_on, blocked) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let blocking = Timer::new(Duration::ZERO, {
        let (go_on, blocked) = (go_on.clone(), blocked.clone());
        move || {
            blocked.set();
            assert!(go_on.wait_until(in_time()).unwrap());
        }
    });
    blocking.start().unwrap();
    assert!(blocked.wait_until(in_time()).unwrap());
    let other = Timer::new(SHORT, move || go_on.set());
    other.start().unwrap();
    assert!(blocking.join_until(in_time()).unwrap());
}

#[test]
fn a_callback_may_start_and_cancel_timers_and_join_others() {
    let fired = Arc::new(AtomicBool::new(false));
    let outer = Timer::new(Duration::ZERO, {
        let fired = fired.clone();
        move || {
            let inner = Timer::new(SHORT, move || fired.store(true, Ordering::Relaxed));
            let never = Timer::new(LONG, || unreachable!());
            inner.start().unwrap();
            never.start().unwrap();
            assert!(never.cancel());
            assert!(inner.join_until(in_time()).unwrap());
        }
    });
    outer.start().unwrap();
    assert!(outer.join_until(in_time()).unwrap());
    assert!(fired.load(Ordering::Relaxed));
}

#[test]
fn a_panic_ends_its_own_timer_only() {
    let panicking =
        Timer::new(Duration::ZERO, || std::panic::resume_unwind(Box::new("on purpose")));
    panicking.start().unwrap();
    assert!(panicking.join_until(in_time()).unwrap());
    let next = Timer::new(Duration::ZERO, || {});
    next.start().unwrap();
    assert!(next.join_until(in_time()).unwrap());
}

#[test]
fn unreachable_moments_are_waited_for() {
    let timer = Timer::new(Duration::MAX, || unreachable!());
    timer.start().unwrap();
    assert!(!timer.join_until(Deadline::after(SHORT)).unwrap());
    assert!(timer.cancel());
}
