//! Pools of threads, and the deadlocks that they can be brought into.

#![cfg(not(loom))]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ropewalk::exec::{
    Future, State, SubmitError, Submitter, TaskError, ThreadPool, Until, as_completed, wait,
};
use ropewalk::sync::{Barrier, Event, Lock};
use ropewalk::wait::{Deadline, Deadlock, WaitError, blocked_threads, current};

fn an_age() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

/// Waits until `seen`.
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let deadline = an_age();
    while !seen() {
        assert!(!deadline.has_passed(), "{what}");
        thread::yield_now();
    }
}

/// A task that has begun and waits for the event.
fn occupy(pool: &ThreadPool, go: &Arc<Event>) -> Future<()> {
    let go = go.clone();
    let future = pool.submit(move || go.wait().unwrap()).unwrap();
    until("the task begins", || future.state() == State::Running);
    future
}

fn thread_name() -> String {
    thread::current().name().unwrap().to_string()
}

#[test]
fn threads_are_made_on_demand_and_used_again() {
    let pool = ThreadPool::builder().threads(10).name("worker").build();
    for _ in 0..100 {
        assert_eq!(pool.submit(thread_name).unwrap().result().unwrap(), "worker_0");
    }
    let all_are_there = Arc::new(Barrier::new(10));
    let at_once: Vec<_> = (0..10)
        .map(|_| {
            let all_are_there = all_are_there.clone();
            pool.submit(move || all_are_there.wait().map(|_| thread_name()).unwrap()).unwrap()
        })
        .collect();
    let names: HashSet<String> = at_once.into_iter().map(|it| it.result().unwrap()).collect();
    assert_eq!(names.len(), 10);
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_thread_outlives_what_panics_when_it_is_dropped() {
    let pool = ThreadPool::new(1);
    let go = Arc::new(Event::new());
    let first = occupy(&pool, &go);
    // Each of them is dropped by the pool's thread.
    let bomb = PanicsWhenDropped;
    let called_off = pool.submit(move || drop(bomb)).unwrap();
    assert!(called_off.cancel());
    drop(pool.submit(|| PanicsWhenDropped).unwrap());
    drop(pool.submit(|| std::panic::panic_any(PanicsWhenDropped)).unwrap());
    first.on_done(|| std::panic::panic_any(PanicsWhenDropped));
    let told = Arc::new(Event::new());
    first.on_done({
        let told = told.clone();
        move || told.set()
    });
    let last = pool.submit(thread_name).unwrap();
    go.set();
    assert!(told.wait_until(an_age()).unwrap());
    assert!(last.wait_until(an_age()).unwrap());
    let name = last.result().unwrap();
    assert!(name.ends_with("_0"), "{name}");
    assert!(pool.join_until(an_age()).unwrap());
}

#[test]
fn a_pool_whose_initializer_panics_ends_whatever_is_dropped_then() {
    let go = Arc::new(Event::new());
    let initializer = {
        let go = go.clone();
        move || {
            go.wait().unwrap();
            std::panic::panic_any(PanicsWhenDropped)
        }
    };
    let pool = ThreadPool::builder().threads(1).initializer(initializer).build();
    for _ in 0..3 {
        let bomb = PanicsWhenDropped;
        drop(pool.submit(move || drop(bomb)).unwrap());
    }
    let last = pool.submit(|| ()).unwrap();
    go.set();
    assert!(last.wait_until(an_age()).unwrap());
    assert!(matches!(last.try_result(), Ok(Err(TaskError::Broken))));
    assert!(pool.join_until(an_age()).unwrap());
}

#[test]
fn a_panic_is_the_tasks_own_and_the_thread_goes_on() {
    let pool = ThreadPool::new(1);
    let error = pool.submit(|| -> i32 { panic!("not {}", 42) }).unwrap().result().unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: not 42");
    assert!(matches!(error, TaskError::Panicked(_)));
    assert_eq!(pool.submit(|| 1).unwrap().result().unwrap(), 1);
}

#[test]
fn a_callback_that_panics_harms_nobody() {
    let pool = ThreadPool::new(1);
    let go = Arc::new(Event::new());
    let first = occupy(&pool, &go);
    let order = Arc::new(Lock::new());
    let told = Arc::new(AtomicUsize::new(0));
    for number in 1..=3 {
        let (told, order) = (told.clone(), order.clone());
        first.on_done(move || {
            let _held = order.hold().unwrap();
            let before = told.swap(number, Ordering::SeqCst);
            assert_eq!(before, number - 1);
            assert_ne!(number, 2, "on purpose");
        });
    }
    go.set();
    first.result().unwrap();
    assert_eq!(pool.submit(|| 1).unwrap().result().unwrap(), 1);
    assert_eq!(told.load(Ordering::SeqCst), 3);
}

#[test]
fn tasks_submit_tasks() {
    fn sum(submitter: &Submitter, from: u64, to: u64) -> u64 {
        if to - from == 1 {
            return from;
        }
        let middle = u64::midpoint(from, to);
        let its = submitter.clone();
        let left = submitter.submit(move || sum(&its, from, middle)).unwrap();
        let right = sum(submitter, middle, to);
        left.result().unwrap() + right
    }
    let pool = ThreadPool::new(64);
    assert_eq!(sum(&pool.submitter(), 0, 64), 64 * 63 / 2);
}

#[test]
fn shutdown_lets_all_tasks_end_or_cancels_those_that_wait() {
    for cancel in [false, true] {
        let pool = ThreadPool::new(1);
        let go = Arc::new(Event::new());
        let running = occupy(&pool, &go);
        let waiting: Vec<_> = (0..5).map(|i| pool.submit(move || i).unwrap()).collect();
        pool.shutdown(cancel);
        assert!(matches!(pool.submit(|| 0), Err(SubmitError::ShutDown(_))));
        assert!(!pool.join_until(Deadline::PAST).unwrap());
        go.set();
        pool.join().unwrap();
        running.try_result().unwrap().unwrap();
        for (number, future) in waiting.into_iter().enumerate() {
            match future.try_result().unwrap() {
                Ok(value) => assert!(!cancel && value == number),
                Err(error) => assert!(cancel && matches!(error, TaskError::Cancelled)),
            }
        }
    }
}

#[test]
fn dropping_the_pool_waits_for_all_tasks() {
    let pool = ThreadPool::new(2);
    let futures: Vec<_> = (0..100).map(|i| pool.submit(move || i).unwrap()).collect();
    drop(pool);
    assert!(futures.iter().all(Future::is_done));
}

#[test]
fn a_task_may_be_the_last_owner_of_its_pool() {
    let pool = Arc::new(ThreadPool::new(1));
    let go = Arc::new(Event::new());
    let future = pool
        .submit({
            let (pool, go) = (pool.clone(), go.clone());
            move || {
                go.wait().unwrap();
                drop(pool);
                1
            }
        })
        .unwrap();
    drop(pool);
    go.set();
    assert_eq!(future.result().unwrap(), 1);

    let pool = ThreadPool::new(1);
    let future = pool.submitter().submit(move || drop(pool)).unwrap();
    future.result().unwrap();
}

#[test]
fn a_pool_is_broken_by_an_initializer_that_panics() {
    let go = Arc::new(Event::new());
    let its = go.clone();
    let pool = ThreadPool::builder()
        .threads(1)
        .initializer(move || {
            its.wait().unwrap();
            panic!("on purpose")
        })
        .build();
    let futures = [pool.submit(|| 1).unwrap(), pool.submit(|| 2).unwrap()];
    go.set();
    for future in futures {
        assert!(matches!(future.result(), Err(TaskError::Broken)));
    }
    assert!(matches!(pool.submit(|| 3), Err(SubmitError::Broken(_))));
    pool.join().unwrap();
}

#[test]
fn what_was_called_off_before_its_pool_broke_is_counted() {
    let go = Arc::new(Event::new());
    let its = go.clone();
    let pool = ThreadPool::builder()
        .name("broken while it is seen")
        .threads(1)
        .initializer(move || {
            its.wait().unwrap();
            panic!("on purpose")
        })
        .build();
    let futures = [(); 3].map(|()| pool.submit(|| ()).unwrap());
    assert!(futures[1].cancel());
    go.set();
    pool.join().unwrap();
    let looks = ropewalk::watch::pools();
    let look = looks.iter().find(|look| &*look.name == "broken while it is seen").unwrap();
    assert_eq!((look.tasks, look.cancelled, look.queued), (0, 1, 0));
}

#[test]
fn each_thread_is_initialized_before_its_first_task() {
    let (initialized, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let its = initialized.clone();
    let pool = ThreadPool::builder()
        .threads(3)
        .initializer(move || {
            its.fetch_add(1, Ordering::SeqCst);
        })
        .build();
    let go = Arc::new(Event::new());
    let running: Vec<_> = (0..3).map(|_| occupy(&pool, &go)).collect();
    seen.store(initialized.load(Ordering::SeqCst), Ordering::SeqCst);
    go.set();
    for future in running {
        future.result().unwrap();
    }
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[test]
fn only_so_many_tasks_wait() {
    let pool = ThreadPool::builder().threads(1).max_pending(1).build();
    let go = Arc::new(Event::new());
    let running = occupy(&pool, &go);
    let waiting = pool.submit(|| 1).unwrap();
    assert!(matches!(pool.try_submit(|| 2), Err(SubmitError::Full(_))));
    let soon = Deadline::after(Duration::from_millis(1));
    let Err(error) = pool.submit_until(|| 3, soon) else { panic!("there is no place") };
    let task = error.into_job();
    assert_eq!(task(), 3);
    go.set();
    assert_eq!(pool.submit(|| 4).unwrap().result().unwrap(), 4);
    assert_eq!(waiting.result().unwrap(), 1);
    running.result().unwrap();
}

#[test]
fn urgent_tasks_overtake() {
    let pool = ThreadPool::new(1);
    let go = Arc::new(Event::new());
    let running = occupy(&pool, &go);
    let turn = Arc::new(AtomicUsize::new(0));
    let submit = |priority| {
        let turn = turn.clone();
        let task = move || turn.fetch_add(1, Ordering::SeqCst);
        pool.submitter().with_priority(priority).submit(task).unwrap()
    };
    let futures = [submit(0), submit(-1), submit(1), submit(0)];
    go.set();
    let turns = futures.map(|future| future.result().unwrap());
    assert_eq!(turns, [1, 3, 0, 2]);
    running.result().unwrap();
}

#[test]
fn wait_returns_when_the_first_the_first_failure_or_all_are_done() {
    let pool = ThreadPool::new(4);
    let go = Arc::new(Event::new());
    let slow = || occupy(&pool, &go);
    let quick = || pool.submit(|| ()).unwrap();
    let fails = || pool.submit(|| panic!("on purpose")).unwrap();

    let waited = wait(&[slow(), quick()], Until::First, an_age()).unwrap();
    assert_eq!((waited.done, waited.not_done), (vec![1], vec![0]));
    let waited = wait(&[slow(), fails()], Until::FirstFailure, an_age()).unwrap();
    assert_eq!((waited.done, waited.not_done), (vec![1], vec![0]));
    let some = [quick(), slow()];
    let waited = wait(&some, Until::All, Deadline::after(Duration::from_millis(1))).unwrap();
    assert!(waited.not_done.contains(&1));
    go.set();
    assert_eq!(wait(&some, Until::All, an_age()).unwrap().done, [0, 1]);
    assert_eq!(wait(&some, Until::FirstFailure, an_age()).unwrap().done, [0, 1]);
    assert!(wait::<()>(&[], Until::All, Deadline::NEVER).unwrap().done.is_empty());
}

#[test]
fn they_come_in_the_order_in_which_they_are_done() {
    let pool = ThreadPool::new(5);
    let gates: Vec<Arc<Event>> = (0..5).map(|_| Arc::default()).collect();
    let futures: Vec<_> = gates.iter().map(|gate| occupy(&pool, gate)).collect();
    let mut completed = as_completed(futures);
    assert!(completed.next_until(Deadline::PAST).unwrap().is_none());
    for number in [4, 2, 3, 0, 1] {
        gates[number].set();
        let (seen, future) = completed.next().unwrap().unwrap();
        assert_eq!(seen, number);
        future.result().unwrap();
    }
    assert!(completed.next().is_none());
}

#[test]
fn a_cancelled_task_is_told_to_everybody_at_once() {
    let pool = ThreadPool::new(1);
    let go = Arc::new(Event::new());
    let running = occupy(&pool, &go);
    let futures = [pool.submit(|| 1).unwrap(), pool.submit(|| 2).unwrap()];
    assert!(futures[1].cancel());
    assert!(futures[1].cancel(), "it is cancelled, as was wanted");
    assert!(!running.cancel());
    let waited = wait(&futures, Until::First, an_age()).unwrap();
    assert_eq!((waited.done, waited.not_done), (vec![1], vec![0]));
    go.set();
    running.result().unwrap();
}

/// The deadlock that a wait was refused for.
fn refusal<T: std::fmt::Debug>(result: Result<T, TaskError>) -> Deadlock {
    match result {
        Err(TaskError::Wait(WaitError::Deadlock(deadlock))) => *deadlock,
        other => panic!("no deadlock: {other:?}"),
    }
}

#[test]
fn a_task_that_waits_for_one_that_only_its_own_thread_could_do() {
    let pool = ThreadPool::builder().threads(1).name("single").build();
    let submitter = pool.submitter();
    let outer = pool.submit(move || refusal(submitter.submit(|| 1).unwrap().result())).unwrap();
    // This thread goes on all the time: the deadlock is found nevertheless.
    let deadlock = outer.result().unwrap();
    assert!(deadlock.certain && deadlock.cycle);
    assert_eq!(deadlock.links.len(), 1);
    let text = deadlock.to_string();
    assert!(text.contains("single_0 waits for Future 'single, pending'"), "{text}");
}

#[test]
fn all_threads_wait_for_tasks_in_their_queue() {
    let pool = ThreadPool::new(3);
    let met = Arc::new(Barrier::new(3));
    let outer: Vec<_> = (0..3)
        .map(|_| {
            let (submitter, met) = (pool.submitter(), met.clone());
            pool.submit(move || {
                met.wait().unwrap();
                submitter.submit(|| ()).unwrap().result()
            })
            .unwrap()
        })
        .collect();
    let results: Vec<_> = outer.into_iter().map(|it| it.result().unwrap()).collect();
    let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    // One is refused, by which its thread does the others' tasks.
    assert_eq!(refused.len(), 1);
    let deadlock = refusal::<()>(Err(refused.into_iter().next().unwrap()));
    assert_eq!(deadlock.links.len(), 3);
}

#[test]
fn two_pools_wait_for_each_other() {
    let (left, right) = (ThreadPool::new(1), ThreadPool::new(1));
    let (to_left, to_right) = (left.submitter(), right.submitter());
    let outer = left
        .submit(move || {
            let inner = to_right.submit(move || to_left.submit(|| 1).unwrap().result()).unwrap();
            // Whichever of the two waits last is refused.
            inner.result().and_then(|inner| inner)
        })
        .unwrap();
    let deadlock = refusal(outer.result().unwrap());
    assert!(deadlock.certain);
    assert_eq!(deadlock.links.len(), 2);
}

#[test]
fn a_knot_through_wait_and_as_completed() {
    for all in [false, true] {
        let pool = ThreadPool::new(1);
        let submitter = pool.submitter();
        let outer = pool
            .submit(move || {
                let inner = [submitter.submit(|| 1).unwrap(), submitter.submit(|| 2).unwrap()];
                if all {
                    wait(&inner, Until::All, Deadline::NEVER).map(drop)
                } else {
                    as_completed(inner).next().unwrap().map(drop)
                }
            })
            .unwrap();
        let deadlock = refusal(outer.result().unwrap().map_err(TaskError::Wait));
        let text = deadlock.to_string();
        assert!(text.contains("waits for futures (2 of 2 not done)"), "{text}");
    }
}

#[test]
fn a_task_that_waits_for_a_place_in_its_own_full_queue() {
    let pool = ThreadPool::builder().threads(1).max_pending(1).name("full").build();
    let submitter = pool.submitter();
    let outer = pool
        .submit(move || {
            let _first = submitter.submit(|| 1).unwrap();
            match submitter.submit(|| 2) {
                Err(SubmitError::Wait(_, error)) => TaskError::Wait(error),
                other => panic!("no deadlock: {other:?}"),
            }
        })
        .unwrap();
    let text = refusal::<()>(Err(outer.result().unwrap())).to_string();
    assert!(text.contains("full_0 waits for submit 'full'"), "{text}");
}

#[test]
fn a_pool_that_waits_for_the_end_of_itself() {
    let pool = Arc::new(ThreadPool::new(1));
    let its = pool.clone();
    let result = pool.submit(move || its.join()).unwrap().result().unwrap();
    assert!(matches!(result, Err(WaitError::Deadlock(_))), "{result:?}");
}

#[test]
fn no_deadlock_while_somebody_could_help() {
    // A pool that may start one more thread.
    let pool = ThreadPool::new(2);
    let submitter = pool.submitter();
    let outer = pool.submit(move || submitter.submit(|| 1).unwrap().result()).unwrap();
    assert_eq!(outer.result().unwrap().unwrap(), 1);

    // A wait that gives up.
    let pool = ThreadPool::new(1);
    let submitter = pool.submitter();
    let outer = pool
        .submit(move || {
            let inner = submitter.submit(|| 1).unwrap();
            let soon = Deadline::after(Duration::from_millis(20));
            (inner.wait_until(soon).unwrap(), inner)
        })
        .unwrap();
    let (in_time, inner) = outer.result().unwrap();
    assert!(!in_time);
    assert_eq!(inner.result().unwrap(), 1);

    // One of two threads waits for something else, which will come.
    let pool = ThreadPool::new(2);
    let go = Arc::new(Event::new());
    let other = occupy(&pool, &go);
    let word = Arc::new(AtomicUsize::new(0));
    let (submitter, its) = (pool.submitter(), word.clone());
    let outer = pool
        .submit(move || {
            its.store(current().word(), Ordering::SeqCst);
            submitter.submit(|| 1).unwrap().result()
        })
        .unwrap();
    until("the task waits", || blocked_threads().contains(&word.load(Ordering::SeqCst)));
    assert!(!outer.is_done());
    go.set();
    assert_eq!(outer.result().unwrap().unwrap(), 1);
    other.result().unwrap();
}

#[test]
fn one_dead_task_among_those_that_are_all_needed_is_a_deadlock() {
    // `free` can be done at any time; `dead` only by the thread that waits for both.
    let (single, other) = (ThreadPool::new(1), ThreadPool::new(1));
    let go = Arc::new(Event::new());
    let running = occupy(&other, &go);
    let (to_single, to_other) = (single.submitter(), other.submitter());
    let outer = single
        .submit(move || {
            let futures = [to_other.submit(|| 1).unwrap(), to_single.submit(|| 2).unwrap()];
            let first = wait(&futures, Until::First, Deadline::after(Duration::from_millis(1)));
            assert!(first.unwrap().done.is_empty());
            wait(&futures, Until::All, Deadline::NEVER).map(drop)
        })
        .unwrap();
    refusal(outer.result().unwrap().map_err(TaskError::Wait));
    go.set();
    running.result().unwrap();
}

#[test]
fn what_a_pool_has_to_do_and_has_done_can_be_seen() {
    let seen =
        || ropewalk::watch::pools().into_iter().find(|look| &*look.name == "seen from outside");
    let pool = ThreadPool::builder().name("seen from outside").threads(1).build();
    assert_eq!(seen(), None);
    let go = Arc::new(Event::new());
    let running = occupy(&pool, &go);
    let waiting: Vec<_> = (0..3).map(|each| pool.submit(move || each).unwrap()).collect();
    let look = seen().unwrap();
    assert_eq!((look.most, look.threads, look.busy, look.queued), (1, 1, 1, 3));
    assert_eq!((look.tasks, look.cancelled, look.queued_peak), (1, 0, 3));
    assert!(waiting[1].cancel());
    go.set();
    pool.shutdown(false);
    pool.join().unwrap();
    running.result().unwrap();
    let look = seen().unwrap();
    assert_eq!((look.threads, look.busy, look.queued), (0, 0, 0));
    assert_eq!((look.tasks, look.cancelled, look.threads_peak), (3, 1, 1));
}
