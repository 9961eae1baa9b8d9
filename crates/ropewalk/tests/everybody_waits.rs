//! When a pool's threads have nothing to do and everybody else waits, nobody is left who could help.
//!
//! Every thread of the process takes part, so this has a `main` of its own. It can be known only where
//! the system lists the threads.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ropewalk::exec::{TaskError, ThreadPool};
use ropewalk::queue::SimpleQueue;
use ropewalk::sync::Semaphore;
use ropewalk::time::Timer;
use ropewalk::wait::{Deadline, ResourceKind, ThreadRef, WaitError, WaitView, current};

fn main() {
    if cfg!(any(not(target_os = "linux"), ropewalk_portable)) {
        return;
    }
    match std::env::args().nth(1).as_deref() {
        Some("forgets") => a_task_that_forgets_to_release(),
        Some("waits") => a_task_that_waits_for_what_its_submitter_never_gives(),
        Some("timer") => a_timer_that_is_through_when_all_wait(),
        _ => ["forgets", "waits", "timer"].into_iter().for_each(ends_well),
    }
}

/// One case in a process of its own, which is ended if it hangs.
fn ends_well(case: &str) {
    let program = std::env::current_exe().expect("the path of this test");
    let mut child = Command::new(program).arg(case).spawn().expect("it starts");
    let deadline = Deadline::after(Duration::from_secs(30));
    let status = loop {
        if let Some(status) = child.try_wait().expect("its status") {
            break status;
        }
        if deadline.has_passed() {
            child.kill().expect("it can be ended");
            panic!("{case} hangs");
        }
        std::thread::yield_now();
    };
    assert!(status.success(), "{case}: {status}");
}

/// Returns when the thread waits for a semaphore.
fn until_blocked(thread: &ThreadRef) {
    let kind = |wait: Option<WaitView<'_>>| wait.map(|wait| wait.what.kind());
    while thread.look(kind) != Some(ResourceKind::Semaphore) {
        std::thread::yield_now();
    }
}

/// The task ends when this thread waits already: it is the pool's thread that leaves it alone.
fn a_task_that_forgets_to_release() {
    let pool = ThreadPool::new(2);
    let main = current();
    let future = pool.submit(move || until_blocked(&main)).expect("the pool is open");
    let error = Semaphore::new(0).acquire().expect_err("nobody will release it");
    assert!(matches!(error, WaitError::Deadlock(_)), "{error}");
    future.result().expect("the task is done");
}

fn a_task_that_waits_for_what_its_submitter_never_gives() {
    let pool = ThreadPool::new(2);
    let items = Arc::new(SimpleQueue::<u32>::new());
    let its = items.clone();
    let future = pool.submit(move || its.get().is_err()).expect("the pool is open");
    // Either of the two is refused: this thread, or the task, which then says so.
    match future.result() {
        Ok(refused) => assert!(refused),
        Err(error) => {
            assert!(matches!(error, TaskError::Wait(WaitError::Deadlock(_))), "{error}");
            items.put(1).expect("it has no limit");
        }
    }
}

/// A background thread of the runtime is up when the last one blocks, and helps nobody.
fn a_timer_that_is_through_when_all_wait() {
    let main = current();
    let timer = Timer::new(Duration::ZERO, move || {
        until_blocked(&main);
        // Until it has looked whether anybody is left.
        let looked = Deadline::after(Duration::from_millis(100));
        while !looked.has_passed() {
            std::thread::yield_now();
        }
    });
    timer.start().expect("it has not been started before");
    // Its thread ends some seconds later, and its end would be found, too.
    let soon = Deadline::after(Duration::from_secs(4));
    let error = Semaphore::new(0).acquire().expect_err("nobody will release it");
    assert!(matches!(error, WaitError::Deadlock(_)), "{error}");
    assert!(!soon.has_passed(), "it was found too late");
}
