//! Threads that are nearly always all blocked, and never for good: no wait may be refused.
//!
//! Every thread of the process takes part, so this has a `main` of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ropewalk::exec::{Submitter, ThreadPool, Until, wait};
use ropewalk::sync::{Condition, Lock};
use ropewalk::wait::Deadline;

const GAMES: usize = 20;
const TURNS: usize = 5_000;

fn main() {
    // A thread that fails leaves the other one waiting for ever.
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
    for _ in 0..GAMES {
        two_threads_take_turns();
        a_pool_does_one_task_after_the_other();
        tasks_wait_for_tasks();
    }
}

/// The detector looks at one thread after the other. Here one that it finds waiting is woken, in
/// the middle of the look, by the other one, which then waits itself.
fn two_threads_take_turns() {
    let (lock, changed, turn) = (Lock::new(), Condition::new(), AtomicUsize::new(0));
    let play = |me: usize| {
        for _ in 0..TURNS {
            let _held = lock.hold().expect("the lock is free or its owner runs");
            while turn.load(Ordering::Relaxed) != me {
                changed.wait(&lock).expect("the other one will notify");
            }
            turn.store(1 - me, Ordering::Relaxed);
            changed.notify(1, &lock);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0);
    });
    assert_eq!(turn.into_inner(), 0);
}

/// The pool's threads have nothing to do, or this one waits for them; never both for long.
fn a_pool_does_one_task_after_the_other() {
    let pool = ThreadPool::new(3);
    for number in 0..TURNS / 5 {
        let future = pool.submit(move || number).expect("the pool is open");
        assert_eq!(future.result().expect("the task is done"), number);
        let both = [(); 2].map(|()| pool.submit(|| ()).expect("the pool is open"));
        let waited = wait(&both, Until::All, Deadline::NEVER).expect("both are done");
        assert_eq!(waited.done, [0, 1]);
    }
}

/// All threads of the pool but one wait for tasks of the same pool, and that one does them.
fn tasks_wait_for_tasks() {
    fn count(submitter: &Submitter, depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let its = submitter.clone();
        let inner = submitter.submit(move || count(&its, depth - 1)).expect("the pool is open");
        inner.result().expect("there is a thread for it") + 1
    }
    let pool = ThreadPool::new(5);
    for _ in 0..TURNS / 50 {
        assert_eq!(count(&pool.submitter(), 5), 5);
    }
}
