//! When a pool that defers threads asks for one.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ropewalk::exec::{Next, Seat, Submitted, WorkQueue};
use ropewalk::sync::{Barrier, Event};
use ropewalk::wait::{Deadline, blocked_threads, current};

fn deferring<J>(threads: usize) -> Arc<WorkQueue<J>> {
    let queue = Arc::new(WorkQueue::new("deferring", threads, 0));
    queue.defer_threads(true);
    queue
}

fn submit<J>(queue: &WorkQueue<J>, job: J) -> Submitted {
    queue.try_submit(job, 0).unwrap()
}

#[test]
fn a_thread_on_its_way_asks_for_the_next_before_it_takes_a_job() {
    let queue = deferring(3);
    assert_eq!(submit(&queue, 1), Submitted::Spawn);
    for job in 2..=4 {
        assert_eq!(submit(&queue, job), Submitted::Queued);
    }
    let mut first = queue.enter();
    assert_eq!(first.next(true).unwrap(), Next::Spawn);
    // The second is on its way, and the first will look again.
    assert_eq!(submit(&queue, 5), Submitted::Queued);
    let mut second = queue.enter();
    assert_eq!(second.next(true).unwrap(), Next::Job(1));
    assert_eq!(first.next(true).unwrap(), Next::Spawn, "nobody else is on the way");
    let mut third = queue.enter();
    assert_eq!(third.next(true).unwrap(), Next::Job(2));
    assert_eq!(first.next(true).unwrap(), Next::Job(3), "there may be no more threads");
    assert_eq!(queue.threads(), 3);
}

#[test]
fn who_finds_nobody_on_the_way_is_asked_at_once() {
    let queue = deferring(2);
    assert_eq!(submit(&queue, 1), Submitted::Spawn);
    let mut seat = queue.enter();
    assert_eq!(seat.next(true).unwrap(), Next::Job(1));
    assert_eq!(submit(&queue, 2), Submitted::Spawn, "the only thread may be at work for ever");
}

#[test]
fn a_thread_that_cannot_be_started_is_asked_for_again() {
    let queue = deferring(2);
    assert_eq!(submit(&queue, 1), Submitted::Spawn);
    for job in 2..=3 {
        assert_eq!(submit(&queue, job), Submitted::Queued);
    }
    let mut seat = queue.enter();
    assert_eq!(seat.next(true).unwrap(), Next::Spawn);
    assert_eq!(queue.start_failed(), 1);
    assert_eq!(seat.next(false).unwrap(), Next::Job(1));
    assert_eq!(seat.next(true).unwrap(), Next::Spawn);
    assert_eq!(queue.start_failed(), 1);
    assert_eq!(seat.next(false).unwrap(), Next::Job(2));
    assert_eq!(submit(&queue, 4), Submitted::Spawn, "by who submits as well");
}

#[test]
fn who_attends_starts_a_thread_only_if_jobs_are_left() {
    let queue = deferring(4);
    assert_eq!(submit(&queue, 1), Submitted::Spawn);
    for job in 2..=3 {
        assert_eq!(submit(&queue, job), Submitted::Queued);
    }
    queue.attend_to();
    let (its, looked) = (queue.clone(), Arc::new(Event::new()));
    let attendant = thread::spawn({
        let looked = looked.clone();
        move || {
            let asked = its.attend().unwrap();
            (asked, looked.is_set())
        }
    });
    let mut seat = queue.enter();
    looked.set();
    // Nobody but the attendant asks for a thread.
    assert_eq!(seat.next(true).unwrap(), Next::Job(1));
    assert_eq!(attendant.join().unwrap(), (true, true));
    assert_eq!(queue.start_failed(), 1);
    assert_eq!(seat.next(true).unwrap(), Next::Job(2));
    assert_eq!(seat.next(true).unwrap(), Next::Job(3));
    assert!(!queue.attend().unwrap(), "no job is left");
    assert!(!queue.leave());
    assert_eq!(submit(&queue, 4), Submitted::Spawn);
    assert_eq!(submit(&queue, 5), Submitted::Queued);
    assert_eq!(queue.start_failed(), 1);
    queue.attend_to();
    assert!(queue.leave(), "whoever leaves while there are too few starts one");
    assert!(!queue.claim_if_unseen(), "which is on its way now");
}

#[test]
fn who_looks_waits_for_those_that_others_start() {
    let queue = deferring::<u32>(2);
    let launch = queue.launch(true);
    queue.attend_to();
    let (its, me) = (queue.clone(), Arc::new(AtomicUsize::new(0)));
    let looker = thread::spawn({
        let me = me.clone();
        move || {
            me.store(current().word(), Ordering::Release);
            // Not for those that a submit is about to bring.
            let _submit = its.launch(false);
            its.wait_launched(Deadline::NEVER).unwrap();
            its.is_launching()
        }
    });
    let end = Instant::now() + Duration::from_secs(20);
    while !blocked_threads().contains(&me.load(Ordering::Acquire)) {
        assert!(Instant::now() < end, "it never waits");
        thread::yield_now();
    }
    assert!(queue.is_launching());
    drop(launch);
    assert!(!queue.is_launching());
    assert!(looker.join().unwrap());
}

/// A pool as a host with one lock makes it, but without the lock: whoever is asked starts a thread.
fn start<J: Send + 'static>(queue: &Arc<WorkQueue<J>>, work: fn(J)) {
    fn run<J: Send + 'static>(mut seat: Seat<J>, queue: &Arc<WorkQueue<J>>, work: fn(J)) {
        loop {
            match seat.next(true).unwrap() {
                Next::Job(job) => work(job),
                Next::Spawn => start(queue, work),
                Next::End => return,
            }
        }
    }
    let queue = queue.clone();
    thread::spawn(move || run(queue.enter(), &queue, work));
}

/// Jobs that wait for each other are all begun, whoever is asked for the threads.
#[test]
fn as_many_jobs_as_there_may_be_threads_are_done_at_once() {
    const THREADS: usize = 6;
    for round in 0..300 {
        let queue = deferring(THREADS);
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let work: fn(Arc<Barrier>) = |barrier| {
            barrier.wait().unwrap();
        };
        for _ in 0..THREADS {
            if submit(&queue, barrier.clone()) == Submitted::Spawn {
                start(&queue, work);
            }
        }
        if round % 2 == 0 {
            assert!(queue.shut_down(false).is_empty());
        }
        if round % 3 == 0 {
            queue.attend_to();
            while queue.attend().unwrap() {
                start(&queue, work);
            }
            if queue.leave() {
                start(&queue, work);
            }
        }
        let in_time = Deadline::after(Duration::from_secs(20));
        let met = barrier.wait_until(in_time);
        assert!(met.is_ok(), "round {round}: {queue:?}");
        assert!(queue.shut_down(false).is_empty());
    }
}
