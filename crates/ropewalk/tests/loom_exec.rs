//! Futures, collectors and the queue of a pool under loom: every order of events of two or three
//! threads (`make loom`).
//!
//! A deadline may pass at any moment in a model. A thread that sleeps for good, though somebody
//! should have woken it, is a deadlock of the model, which loom reports.
#![cfg(loom)]

// The core's own references are std's: loom need not follow them.
use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use ropewalk::exec::{
    Cancel, Collector, FutureCell, Goal, Next, Phase, State, SubmitError, Submitted, Watch,
    WorkQueue,
};
use ropewalk::sync::Event;
use ropewalk::wait::{Deadline, Origin};

type Cell = FutureCell<Result<u32, ()>, u32>;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(1))
}

#[test]
fn a_waiter_gets_the_outcome() {
    loom::model(|| {
        let cell = Arc::new(Cell::new());
        let waiter = thread::spawn({
            let cell = cell.clone();
            move || {
                assert!(cell.wait_until(Deadline::NEVER).unwrap());
                cell.with_outcome(|outcome| *outcome)
            }
        });
        assert_eq!(cell.start(), Ok(true));
        assert!(cell.finish(Ok(1)).unwrap().is_empty());
        assert_eq!(waiter.join().unwrap(), Some(Ok(1)));
    });
}

#[test]
fn an_impatient_waiter_leaves_the_patient_one_its_wake() {
    loom::model(|| {
        let cell = Arc::new(Cell::new());
        let impatient = thread::spawn({
            let cell = cell.clone();
            move || (cell.wait_until(soon()).unwrap(), cell.is_done())
        });
        let patient = thread::spawn({
            let cell = cell.clone();
            move || cell.wait_until(Deadline::NEVER).unwrap()
        });
        assert!(cell.finish(Ok(1)).unwrap().is_empty());
        let (in_time, done) = impatient.join().unwrap();
        assert!(!in_time || done);
        assert!(patient.join().unwrap());
    });
}

/// Of a cancellation, a finish and a start exactly one has the callback, whenever it was added.
#[test]
fn a_callback_comes_out_exactly_once() {
    loom::model(|| {
        let cell = Arc::new(Cell::new());
        let finisher = thread::spawn({
            let cell = cell.clone();
            move || match cell.finish(Ok(1)) {
                Ok(fired) => (true, fired.into_iter().count()),
                Err((state, outcome)) => {
                    assert_eq!((state, outcome), (State::Cancelled, Ok(1)));
                    (false, 0)
                }
            }
        });
        let canceller = thread::spawn({
            let cell = cell.clone();
            move || match cell.cancel() {
                Cancel::Cancelled(fired) => (true, fired.into_iter().count()),
                Cancel::TooLate => (false, 0),
                Cancel::Already => panic!("nobody else cancels"),
            }
        });
        let given_back = usize::from(cell.add_callback(7).is_some());
        let (finished, by_finish) = finisher.join().unwrap();
        let (cancelled, by_cancel) = canceller.join().unwrap();
        assert!(finished != cancelled);
        assert_eq!(given_back + by_finish + by_cancel, 1);
        assert_eq!(cell.state(), if finished { State::Finished } else { State::Cancelled });
    });
}

#[test]
fn cancelled_or_run_but_not_both() {
    loom::model(|| {
        let (cell, collector) = (Arc::new(Cell::new()), Arc::new(Collector::new()));
        assert_eq!(cell.watch(&collector, 0), Watch::Watching);
        let worker = thread::spawn({
            let cell = cell.clone();
            move || {
                let run = cell.start().unwrap();
                if run {
                    assert!(cell.finish(Ok(1)).unwrap().is_empty());
                }
                run
            }
        });
        let cancelled = match cell.cancel() {
            Cancel::Cancelled(fired) => {
                assert!(fired.is_empty());
                true
            }
            _ => false,
        };
        // Done in any case, and told in any case.
        assert_eq!(collector.next_until(Deadline::NEVER, &()).unwrap(), Some(0));
        assert_eq!(worker.join().unwrap(), !cancelled);
        assert_eq!(collector.next_until(Deadline::PAST, &()).unwrap(), None);
    });
}

#[test]
fn a_collector_is_registered_in_time_or_finds_it_done() {
    loom::model(|| {
        let (cell, collector) = (Arc::new(Cell::new()), Arc::new(Collector::new()));
        let finisher = thread::spawn({
            let cell = cell.clone();
            move || assert!(cell.finish(Err(())).unwrap().is_empty())
        });
        if let Watch::Done { failed } = cell.watch(&collector, 3) {
            assert!(failed);
            collector.add(3, failed);
        }
        assert!(collector.wait_until(Goal::first_failure_of(9), Deadline::NEVER, &()).unwrap());
        assert_eq!(collector.take_ready(), [3]);
        finisher.join().unwrap();
    });
}

#[test]
fn a_collector_wakes_when_all_are_there() {
    loom::model(|| {
        let (cells, collector) = ([(); 2].map(|()| Arc::new(Cell::new())), Collector::new());
        let collector = Arc::new(collector);
        for (index, cell) in cells.iter().enumerate() {
            assert_eq!(cell.watch(&collector, index), Watch::Watching);
        }
        let finishers = cells
            .map(|cell| thread::spawn(move || assert!(cell.finish(Ok(0)).unwrap().is_empty())));
        assert!(collector.wait_until(Goal::all_of(2), Deadline::NEVER, &()).unwrap());
        let mut ready: Vec<usize> = collector.take_ready().into();
        ready.sort_unstable();
        assert_eq!(ready, [0, 1]);
        for finisher in finishers {
            finisher.join().unwrap();
        }
    });
}

#[test]
fn a_collector_that_closes_in_between_harms_nobody() {
    loom::model(|| {
        let (cell, collector) = (Arc::new(Cell::new()), Arc::new(Collector::new()));
        assert_eq!(cell.watch(&collector, 0), Watch::Watching);
        let finisher = thread::spawn({
            let cell = cell.clone();
            move || assert!(cell.finish(Ok(1)).unwrap().is_empty())
        });
        let in_time = collector.wait_until(Goal::ANY, soon(), &()).unwrap();
        let seen = collector.take_ready().len();
        assert!(!in_time || seen == 1);
        collector.close();
        finisher.join().unwrap();
        assert!(cell.is_done());
    });
}

/// Does jobs until there are no more; how many, and their sum.
fn work(queue: &Arc<WorkQueue<u32>>) -> u32 {
    let mut seat = queue.enter();
    let mut sum = 0;
    while let Some(job) = seat.next_job().unwrap() {
        sum += job;
    }
    sum
}

fn spawn_worker(queue: &Arc<WorkQueue<u32>>) -> thread::JoinHandle<u32> {
    let queue = queue.clone();
    thread::spawn(move || work(&queue))
}

#[test]
fn jobs_reach_a_thread_that_waits_or_comes() {
    loom::model(|| {
        let queue = Arc::new(WorkQueue::new("pool", 1, 0));
        assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
        let worker = spawn_worker(&queue);
        assert_eq!(queue.submit(2, 0).unwrap(), Submitted::Queued);
        assert!(queue.shut_down(false).is_empty());
        assert_eq!(worker.join().unwrap(), 3);
        assert_eq!(queue.threads(), 0);
    });
}

/// Two threads that may be waiting, and two jobs each of which keeps its thread until the other one
/// is being done as well. Only the first submit wakes a thread if both come before that has looked:
/// then the woken thread must wake the other one, as nobody else will.
#[test]
fn one_wake_leads_to_the_next() {
    loom::model(|| {
        let queue = Arc::new(WorkQueue::new("pool", 2, 0));
        let at_work = Arc::new(AtomicUsize::new(0));
        let both = Arc::new(Event::with_origin(Origin::Unknown));
        let workers = [(); 2].map(|()| {
            let (queue, at_work, both) = (queue.clone(), at_work.clone(), both.clone());
            thread::spawn(move || {
                let mut seat = queue.enter();
                let mut jobs = 0;
                while seat.next_job().unwrap().is_some() {
                    jobs += 1;
                    if at_work.fetch_add(1, Ordering::AcqRel) == 1 {
                        both.set();
                    }
                    both.wait().unwrap();
                }
                jobs
            })
        });
        for job in 0..2 {
            let _ = queue.submit(job, 0).unwrap();
        }
        both.wait().unwrap();
        assert!(queue.shut_down(false).is_empty());
        assert_eq!(workers.map(|worker| worker.join().unwrap()), [1, 1]);
    });
}

#[test]
fn a_job_submitted_to_idle_threads_is_done_before_anything_is_shut_down() {
    loom::model(|| {
        let queue = Arc::new(WorkQueue::new("pool", 2, 0));
        let done = Arc::new(Cell::new());
        let workers = [(); 2].map(|()| {
            let (queue, done) = (queue.clone(), done.clone());
            thread::spawn(move || {
                let mut seat = queue.enter();
                while let Some(job) = seat.next_job().unwrap() {
                    let ended = done.finish_with(Ok(job), |_| seat.rest());
                    assert!(ended.unwrap().is_empty());
                }
            })
        });
        let _ = queue.submit(5, 0).unwrap();
        // Nobody else would wake a thread: without the wake of the submit this hangs.
        assert!(done.wait_until(Deadline::NEVER).unwrap());
        assert!(queue.shut_down(false).is_empty());
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn submitted_is_done_or_given_out_exactly_once() {
    loom::model(|| {
        let queue = Arc::new(WorkQueue::new("pool", 1, 0));
        assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
        let worker = spawn_worker(&queue);
        let submitter = thread::spawn({
            let queue = queue.clone();
            move || match queue.submit(10, 0) {
                Ok(_) => 0,
                Err(SubmitError::ShutDown(job)) => job,
                Err(error) => panic!("{error}"),
            }
        });
        let given_out: u32 = queue.shut_down(true).into_iter().sum();
        assert_eq!(worker.join().unwrap() + submitter.join().unwrap() + given_out, 11);
    });
}

#[test]
fn a_broken_pool_keeps_no_job() {
    loom::model(|| {
        let queue = Arc::new(WorkQueue::new("pool", 1, 0));
        assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
        let breaker = thread::spawn({
            let queue = queue.clone();
            move || {
                let _seat = queue.enter();
                queue.break_down().into_iter().sum::<u32>()
            }
        });
        let back = match queue.submit(10, 0) {
            Ok(_) => 0,
            Err(SubmitError::Broken(job)) => job,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(breaker.join().unwrap() + back, 11);
        assert_eq!((queue.phase(), queue.pending()), (Phase::Broken, 0));
    });
}

#[test]
fn a_submitter_gets_the_place_that_becomes_free() {
    loom::model(|| {
        let queue = Arc::new(WorkQueue::new("pool", 1, 1));
        assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
        let worker = spawn_worker(&queue);
        let _ = queue.submit(2, 0).unwrap();
        assert!(queue.shut_down(false).is_empty());
        assert_eq!(worker.join().unwrap(), 3);
    });
}

#[test]
fn an_impatient_submitter_leaves_the_place_to_the_patient_one() {
    loom::model(|| {
        let queue = Arc::new(WorkQueue::new("pool", 1, 1));
        assert_eq!(queue.submit(1, 0).unwrap(), Submitted::Spawn);
        let impatient = thread::spawn({
            let queue = queue.clone();
            move || match queue.submit_until(10, 0, soon()) {
                Ok(_) => 0,
                Err(SubmitError::Full(job)) => job,
                Err(error) => panic!("{error}"),
            }
        });
        let patient = thread::spawn({
            let queue = queue.clone();
            move || queue.submit(100, 0).map(|_| ()).unwrap()
        });
        let mut seat = queue.enter();
        let mut sum = seat.next_job().unwrap().unwrap();
        let back = impatient.join().unwrap();
        while sum + back < 111 {
            sum += seat.next_job().unwrap().unwrap();
        }
        patient.join().unwrap();
        assert_eq!(sum + back, 111);
    });
}

/// Threads that were started.
type Started = Vec<thread::JoinHandle<()>>;

fn join(started: Started) {
    for thread in started {
        thread.join().unwrap();
    }
}

/// Starts a thread of a queue that defers. The first job waits until the second one is begun.
fn start(queue: &Arc<WorkQueue<u32>>, begun: &Arc<Event>, started: &mut Started) {
    let (queue, begun) = (queue.clone(), begun.clone());
    started.push(thread::spawn(move || {
        let mut started = Started::new();
        let mut seat = queue.enter();
        loop {
            match seat.next(true).unwrap() {
                Next::Job(1) => begun.wait().unwrap(),
                Next::Job(_) => begun.set(),
                Next::Spawn => start(&queue, &begun, &mut started),
                Next::End => break,
            }
        }
        drop(seat);
        join(started);
    }));
}

/// A queue that defers, with both jobs submitted: the event that the second one sets, and those
/// threads that were asked for.
fn two_jobs() -> (Arc<WorkQueue<u32>>, Arc<Event>, Started) {
    let queue = Arc::new(WorkQueue::new("pool", 2, 0));
    queue.defer_threads(true);
    let begun = Arc::new(Event::with_origin(Origin::Unknown));
    let mut started = Started::new();
    for job in [1, 2] {
        if queue.submit(job, 0).unwrap() == Submitted::Spawn {
            start(&queue, &begun, &mut started);
        }
    }
    (queue, begun, started)
}

/// Whoever comes to look: the thread for the second job is asked for by somebody.
#[test]
fn a_job_of_a_queue_that_defers_has_its_thread() {
    loom::model(|| {
        let (queue, begun, mut started) = two_jobs();
        begun.wait().unwrap();
        assert!(queue.shut_down(false).is_empty());
        join(started);
    });
}

/// The same, when the queue is closed at once and somebody attends to it.
#[test]
fn who_attends_lets_no_job_wait() {
    loom::model(|| {
        let (queue, begun, mut started) = two_jobs();
        assert!(queue.shut_down(false).is_empty());
        queue.attend_to();
        while queue.attend().unwrap() {
            start(&queue, &begun, &mut started);
        }
        if queue.leave() {
            start(&queue, &begun, &mut started);
        }
        begun.wait().unwrap();
        join(started);
    });
}
