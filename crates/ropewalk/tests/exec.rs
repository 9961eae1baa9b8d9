//! Futures, collectors and the queue of a pool, without a pool.

#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ropewalk::exec::{
    Cancel, Collector, FutureCell, Goal, Phase, State, SubmitError, Submitted, Watch, WorkQueue,
};
use ropewalk::wait::{Deadline, blocked_threads, current};

type Cell = FutureCell<Result<i32, String>, &'static str>;

const STATES: [State; 5] = [
    State::Pending,
    State::Running,
    State::Cancelled,
    State::CancelledAndNotified,
    State::Finished,
];

fn in_state(state: State) -> Cell {
    let cell = Cell::new();
    cell.force(state);
    cell
}

/// Waits until the thread with this word is seen blocked.
fn until_blocked(word: usize) {
    let deadline = Deadline::after(Duration::from_secs(20));
    while !blocked_threads().contains(&word) {
        assert!(!deadline.has_passed(), "the thread does not block");
        thread::yield_now();
    }
}

/// Runs `wait` on a thread; returns once that is seen blocked.
fn blocked<R: Send + 'static>(wait: impl FnOnce() -> R + Send + 'static) -> thread::JoinHandle<R> {
    let word = Arc::new(AtomicUsize::new(0));
    let its = word.clone();
    let handle = thread::spawn(move || {
        its.store(current().word(), Ordering::SeqCst);
        wait()
    });
    while word.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    until_blocked(word.load(Ordering::SeqCst));
    handle
}

#[test]
fn only_what_is_pending_can_be_cancelled() {
    for state in STATES {
        let cell = in_state(state);
        let cancel = cell.cancel();
        match state {
            State::Pending => assert!(matches!(cancel, Cancel::Cancelled(_))),
            State::Cancelled | State::CancelledAndNotified => {
                assert!(matches!(cancel, Cancel::Already));
            }
            State::Running | State::Finished => assert!(matches!(cancel, Cancel::TooLate)),
        }
        let after = if state == State::Pending { State::Cancelled } else { state };
        assert_eq!(cell.state(), after);
    }
}

#[test]
fn its_turn_comes_once() {
    for state in STATES {
        let cell = in_state(state);
        let (result, after) = match state {
            State::Pending => (Ok(true), State::Running),
            State::Cancelled => (Ok(false), State::CancelledAndNotified),
            other => (Err(other), other),
        };
        assert_eq!(cell.start(), result);
        assert_eq!(cell.state(), after);
    }
}

#[test]
fn one_that_nobody_watches_is_finished_without_ado() {
    let cell = Cell::new();
    assert_eq!(cell.finish_unwatched(Ok(1)), None);
    assert_eq!(cell.state(), State::Finished);
    assert_eq!(cell.finish_unwatched(Ok(2)), Some(Ok(2)));
    assert_eq!(cell.with_outcome(Clone::clone), Some(Ok(1)));

    let running = Cell::new();
    assert_eq!(running.start(), Ok(true));
    assert_eq!(running.finish_unwatched(Ok(1)), None);

    let called = Cell::new();
    assert_eq!(called.add_callback("tell"), None);
    assert_eq!(called.finish_unwatched(Ok(1)), Some(Ok(1)));
    assert_eq!(called.state(), State::Pending);

    let collected = Cell::new();
    let collector = Arc::new(Collector::new());
    assert_eq!(collected.watch(&collector, 0), Watch::Watching);
    assert_eq!(collected.finish_unwatched(Ok(1)), Some(Ok(1)));

    let cancelled = Cell::new();
    assert!(matches!(cancelled.cancel(), Cancel::Cancelled(_)));
    assert_eq!(cancelled.finish_unwatched(Ok(1)), Some(Ok(1)));
    assert_eq!(cancelled.state(), State::Cancelled);
}

#[test]
fn one_that_somebody_waits_for_is_finished_with_a_wake() {
    let cell = Arc::new(Cell::new());
    let (sender, receiver) = (Arc::new(AtomicUsize::new(0)), cell.clone());
    let waiter = thread::spawn({
        let ident = sender.clone();
        move || {
            ident.store(current().word(), Ordering::Relaxed);
            receiver.wait_until(Deadline::after(Duration::from_secs(30))).unwrap()
        }
    });
    while !blocked_threads().contains(&sender.load(Ordering::Relaxed)) {
        thread::yield_now();
    }
    assert_eq!(cell.finish_unwatched(Ok(1)), Some(Ok(1)));
    assert_eq!(cell.state(), State::Pending);
    assert!(cell.finish(Ok(1)).unwrap().is_empty());
    assert!(waiter.join().unwrap());
}

#[test]
fn what_is_pending_or_runs_can_be_finished() {
    for state in STATES {
        let cell = in_state(state);
        match cell.finish(Ok(1)) {
            Ok(fired) => {
                assert!(!state.is_done());
                assert!(fired.is_empty());
                assert_eq!(cell.state(), State::Finished);
                assert_eq!(cell.with_outcome(Clone::clone), Some(Ok(1)));
            }
            Err((told, outcome)) => {
                assert!(state.is_done());
                assert_eq!((told, outcome), (state, Ok(1)));
                assert_eq!(cell.with_outcome(Clone::clone), None);
            }
        }
    }
}

#[test]
fn callbacks_come_out_once_and_in_order() {
    let cell = Cell::new();
    for name in ["first", "second", "third"] {
        assert_eq!(cell.add_callback(name), None);
    }
    let mut had_callbacks = None;
    let fired = cell.finish_with(Ok(1), |has| had_callbacks = Some(has)).unwrap();
    assert_eq!(had_callbacks, Some(true));
    assert_eq!(fired.into_iter().collect::<Vec<_>>(), ["first", "second", "third"]);
    assert_eq!(cell.add_callback("late"), Some("late"));

    let cell = Cell::new();
    assert_eq!(cell.add_callback("one"), None);
    let Cancel::Cancelled(fired) = cell.cancel() else { panic!("it was pending") };
    assert_eq!(fired.into_iter().collect::<Vec<_>>(), ["one"]);
    assert_eq!(cell.start(), Ok(false));
    assert_eq!(cell.add_callback("late"), Some("late"));
}

#[test]
fn a_wait_ends_with_the_outcome_the_cancellation_or_the_time() {
    let cell = Arc::new(Cell::new());
    assert!(!cell.wait_until(Deadline::PAST).unwrap());
    assert!(!cell.wait_until(Deadline::after(Duration::from_millis(1))).unwrap());
    for end in [State::Finished, State::Cancelled, State::CancelledAndNotified] {
        let cell = Arc::new(Cell::new());
        let waiters = [(); 3].map(|()| {
            let cell = cell.clone();
            blocked(move || cell.wait_until(Deadline::NEVER).unwrap())
        });
        match end {
            State::Finished => drop(cell.finish(Ok(1)).unwrap()),
            State::Cancelled => drop(cell.cancel()),
            other => cell.force(other),
        }
        for waiter in waiters {
            assert!(waiter.join().unwrap());
        }
    }
}

#[test]
fn a_waiter_stays_when_the_state_is_forced_to_one_that_is_not_done() {
    let cell = Arc::new(Cell::new());
    let waiter = blocked({
        let cell = cell.clone();
        move || cell.wait_until(Deadline::NEVER).unwrap()
    });
    assert_eq!(cell.start(), Ok(true));
    cell.force(State::Pending);
    cell.force(State::Running);
    assert!(!waiter.is_finished());
    drop(cell.finish(Ok(1)).unwrap());
    assert!(waiter.join().unwrap());
}

#[test]
fn what_a_host_keeps_can_be_seen_and_taken() {
    let cell = Cell::new();
    assert_eq!(cell.add_callback("callback"), None);
    assert_eq!(cell.replace_outcome(Some(Ok(3))), None);
    let (mut outcomes, mut callbacks) = (Vec::new(), Vec::new());
    cell.try_visit(|outcome| outcomes.push(outcome.clone()), |callback| callbacks.push(*callback));
    assert_eq!((outcomes, callbacks), (vec![Ok(3)], vec!["callback"]));
    let (outcome, fired) = cell.take_all();
    assert_eq!(outcome, Some(Ok(3)));
    assert_eq!(fired.into_iter().collect::<Vec<_>>(), ["callback"]);
    assert_eq!(cell.take_outcome(), None);
}

#[test]
fn a_collector_is_told_of_a_cancellation_when_its_turn_has_come() {
    let (cell, collector) = (Cell::new(), Arc::new(Collector::new()));
    assert_eq!(cell.watch(&collector, 7), Watch::Watching);
    assert_eq!(cell.add_callback("callback"), None);
    let Cancel::Cancelled(fired) = cell.cancel() else { panic!("it was pending") };
    assert_eq!(fired.into_iter().count(), 1);
    assert_eq!(collector.next_until(Deadline::PAST, &()).unwrap(), None);
    let second = Arc::new(Collector::new());
    assert_eq!(cell.watch(&second, 8), Watch::Watching);
    assert_eq!(cell.start(), Ok(false));
    assert_eq!(collector.next_until(Deadline::PAST, &()).unwrap(), Some(7));
    assert_eq!(second.next_until(Deadline::PAST, &()).unwrap(), Some(8));
    assert_eq!(cell.watch(&collector, 9), Watch::Done { failed: false });
}

#[test]
fn a_collector_gives_them_in_the_order_in_which_they_ended() {
    let cells: Vec<Cell> = (0..5).map(|_| Cell::new()).collect();
    let collector = Arc::new(Collector::new());
    for (index, cell) in cells.iter().enumerate() {
        assert_eq!(cell.watch(&collector, index), Watch::Watching);
    }
    for index in [3, 1, 4] {
        drop(cells[index].finish(Ok(0)).unwrap());
    }
    assert!(!collector.wait_until(Goal::all_of(5), Deadline::PAST, &()).unwrap());
    assert!(collector.wait_until(Goal::ANY, Deadline::PAST, &()).unwrap());
    assert_eq!(collector.take_ready(), [3, 1, 4]);
    drop(cells[0].finish(Ok(0)).unwrap());
    collector.close();
    drop(cells[2].finish(Ok(0)).unwrap());
    assert_eq!(collector.next_until(Deadline::PAST, &()).unwrap(), None);
}

#[test]
fn one_failure_is_enough_for_who_waits_for_the_first() {
    let cells: [Cell; 3] = std::array::from_fn(|_| Cell::new());
    let collector = Arc::new(Collector::new());
    for (index, cell) in cells.iter().enumerate() {
        assert_eq!(cell.watch(&collector, index), Watch::Watching);
    }
    let waiter = blocked({
        let collector = collector.clone();
        move || collector.wait_until(Goal::first_failure_of(3), Deadline::NEVER, &()).unwrap()
    });
    drop(cells[0].finish(Ok(0)).unwrap());
    assert!(!waiter.is_finished());
    drop(cells[2].finish(Err("failed".into())).unwrap());
    assert!(waiter.join().unwrap());
    assert_eq!(cells[2].watch(&collector, 9), Watch::Done { failed: true });
    assert_eq!(collector.take_ready(), [0, 2]);
}

#[test]
fn one_thread_for_each_job_that_no_idle_thread_will_take() {
    let queue = Arc::new(WorkQueue::new("pool", 4, 0));
    let submit = |job| queue.submit(job, 0).unwrap();
    let started: Vec<Submitted> = (0..60).map(submit).collect();
    assert_eq!(started.iter().filter(|each| **each == Submitted::Spawn).count(), 4);
    assert_eq!(started[..4], [Submitted::Spawn; 4]);
    assert_eq!((queue.threads(), queue.pending()), (4, 60));
    assert_eq!(queue.shut_down(true), (0..60).collect::<Vec<_>>());
}

#[test]
fn a_thread_that_rests_is_used_again() {
    let queue = Arc::new(WorkQueue::new("pool", 4, 0));
    assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
    let mut seat = queue.enter();
    assert_eq!(seat.next_job().unwrap(), Some(1));
    assert_eq!(queue.submit(2, 0).unwrap(), Submitted::Spawn, "the only thread is at work");
    assert_eq!(queue.start_failed(), 1);
    seat.rest();
    assert_eq!(seat.try_job(), Some(2));
    seat.rest();
    assert_eq!(queue.submit(3, 0).unwrap(), Submitted::Queued, "the only thread rests");
    assert_eq!(seat.next_job().unwrap(), Some(3));
    assert!(queue.shut_down(false).is_empty());
    assert_eq!(seat.next_job().unwrap(), None);
    drop(seat);
    assert_eq!(queue.threads(), 0);
}

#[test]
fn a_full_pool_lets_submitters_wait() {
    let queue = Arc::new(WorkQueue::new("pool", 1, 2));
    let _ = queue.submit(1, 0).unwrap();
    let _ = queue.submit(2, 0).unwrap();
    assert!(matches!(queue.try_submit(3, 0), Err(SubmitError::Full(3))));
    let soon = Deadline::after(Duration::from_millis(1));
    assert!(matches!(queue.submit_until(3, 0, soon), Err(SubmitError::Full(3))));
    let submitters = [3, 4].map(|job| {
        let queue = queue.clone();
        blocked(move || queue.submit(job, 0).map(|_| ()).map_err(SubmitError::into_job))
    });
    let mut seat = queue.enter();
    let jobs = [(); 4].map(|()| seat.next_job().unwrap().unwrap());
    assert_eq!(jobs[..2], [1, 2]);
    // Each job that was taken let one of them in; which of the two is faster is open.
    assert_eq!(jobs[2] + jobs[3], 7);
    for submitter in submitters {
        assert_eq!(submitter.join().unwrap(), Ok(()));
    }
}

#[test]
fn a_pool_that_closes_sends_submitters_away() {
    for phase in [Phase::ShutDown, Phase::Broken] {
        let queue = Arc::new(WorkQueue::new("pool", 1, 1));
        let _ = queue.submit(1, 0).unwrap();
        let submitter = blocked({
            let queue = queue.clone();
            move || queue.submit(2, 0).map(|_| ())
        });
        let given_out = match phase {
            Phase::Broken => queue.break_down(),
            _ => queue.shut_down(true),
        };
        assert_eq!(given_out, [1]);
        let error = submitter.join().unwrap().unwrap_err();
        match phase {
            Phase::Broken => assert!(matches!(error, SubmitError::Broken(2)), "{error:?}"),
            _ => assert!(matches!(error, SubmitError::ShutDown(2)), "{error:?}"),
        }
        assert_eq!(queue.phase(), phase);
        assert!(queue.shut_down(false).is_empty());
        assert_eq!(queue.phase(), phase, "what is broken stays so");
        assert_eq!(queue.enter().next_job().unwrap(), None);
    }
}

#[test]
fn urgent_jobs_come_first() {
    let queue = Arc::new(WorkQueue::new("pool", 1, 0));
    for (job, priority) in [("usual", 0), ("late", -5), ("urgent", 5), ("also usual", 0)] {
        let _ = queue.submit(job, priority).unwrap();
    }
    let mut seat = queue.enter();
    let order = [(); 4].map(|()| seat.next_job().unwrap().unwrap());
    assert_eq!(order, ["urgent", "usual", "also usual", "late"]);
}

#[test]
fn idle_threads_are_woken_one_after_the_other() {
    let queue = Arc::new(WorkQueue::new("pool", 3, 0));
    for job in 0..3 {
        assert_eq!(queue.submit(job, 0).unwrap(), Submitted::Spawn);
    }
    // Each takes one job, and then waits until all have the next one: that takes all of them.
    let met = Arc::new(ropewalk::sync::Barrier::new(3));
    let done = Arc::new(ropewalk::sync::Semaphore::new(0));
    let workers = [(); 3].map(|()| {
        let (queue, met, done) = (queue.clone(), met.clone(), done.clone());
        thread::spawn(move || {
            let mut seat = queue.enter();
            let mut jobs = 0;
            while let Some(_job) = seat.next_job().unwrap() {
                met.wait().unwrap();
                done.release(1).unwrap();
                jobs += 1;
            }
            jobs
        })
    });
    for _round in 0..50 {
        for _ in 0..3 {
            done.acquire().unwrap();
        }
        for job in 0..3 {
            assert_eq!(queue.submit(job, 0).unwrap(), Submitted::Queued);
        }
    }
    for _ in 0..3 {
        done.acquire().unwrap();
    }
    assert!(queue.shut_down(false).is_empty());
    for worker in workers {
        assert_eq!(worker.join().unwrap(), 51);
    }
}

#[test]
fn a_host_can_see_and_take_the_jobs() {
    let queue = Arc::new(WorkQueue::new("pool", 1, 2));
    assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
    assert_eq!(queue.submit(2, 9).unwrap(), Submitted::Queued);
    let submitter = blocked({
        let queue = queue.clone();
        move || queue.submit(3, 0).map(|_| ()).unwrap()
    });
    let mut seen = Vec::new();
    queue.try_visit(|job| seen.push(*job));
    assert_eq!(seen, [1, 2]);
    assert_eq!(queue.take_job(), Some(2));
    submitter.join().unwrap();
    assert_eq!(queue.take_jobs(), [1, 3]);
    assert_eq!(queue.take_job(), None);
}

#[test]
fn the_number_of_threads_can_be_changed() {
    let queue = Arc::new(WorkQueue::new("pool", 1, 0));
    assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
    assert_eq!(queue.submit(2, 0).unwrap(), Submitted::Queued);
    assert_eq!((queue.threads(), queue.idle()), (1, 1));
    queue.set_threads(2);
    assert_eq!(queue.submit(3, 0).unwrap(), Submitted::Spawn);
    assert_eq!((queue.threads(), queue.idle()), (2, 2));
    let mut seat = queue.enter();
    assert_eq!(seat.try_job(), Some(1));
    assert_eq!((queue.threads(), queue.idle()), (2, 1));
}

#[test]
fn in_the_child_of_a_fork_a_pool_starts_anew() {
    let queue = Arc::new(WorkQueue::new("pool", 1, 0));
    assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
    let its = queue.clone();
    // What a fork leaves behind: a thread that sat there and is no more.
    thread::spawn(move || std::mem::forget(its.enter())).join().unwrap();
    assert_eq!(queue.submit(2, 0).unwrap(), Submitted::Queued);
    queue.after_fork_in_child();
    assert_eq!(queue.threads(), 0);
    assert_eq!(queue.submit(3, 0).unwrap(), Submitted::Spawn);
    let mut seat = queue.enter();
    assert_eq!(seat.next_job().unwrap(), Some(1));
    // It forks while it does a job: in the child it is still there, at work.
    queue.after_fork_in_child();
    assert_eq!((queue.threads(), queue.idle()), (1, 0));
    assert_eq!([(); 2].map(|()| seat.next_job().unwrap()), [Some(2), Some(3)]);
}
