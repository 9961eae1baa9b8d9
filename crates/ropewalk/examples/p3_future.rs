//! P3. The future itself: its states, callbacks in their order, a callback that panics and harms
//! nobody, a wait that gives up.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ropewalk::exec::{Future, ThreadPool};
use ropewalk::queue::SimpleQueue;
use ropewalk::sync::Event;
use ropewalk::wait::Deadline;

/// Two tasks in a pool of one thread: the first runs until the event is set.
fn two_tasks(pool: &ThreadPool, go: &Arc<Event>) -> Result<[Future<u32>; 2], Box<dyn Error>> {
    let begun = Arc::new(Event::new());
    let first = pool.submit({
        let (begun, go) = (begun.clone(), go.clone());
        move || {
            begun.set();
            go.wait().map_or(0, |()| 42)
        }
    })?;
    let second = pool.submit(|| 43)?;
    begun.wait()?;
    Ok([first, second])
}

fn states() -> Result<(), Box<dyn Error>> {
    let (pool, go) = (ThreadPool::new(1), Arc::new(Event::new()));
    let [first, second] = two_tasks(&pool, &go)?;
    println!("{}, {}", first.state().name(), second.state().name());
    println!("cancel what runs: {}", first.cancel());
    println!("cancel what waits: {}", second.cancel());
    let in_time = first.wait_until(Deadline::after(Duration::from_millis(1)))?;
    println!("done in a millisecond: {in_time}");
    go.set();
    println!("done in the end: {}", first.wait_until(Deadline::NEVER)?);
    println!("{}, {}", first.state().name(), second.state().name());
    println!("result: {}", first.result()?);
    Ok(())
}

fn callbacks() -> Result<(), Box<dyn Error>> {
    let (pool, go) = (ThreadPool::new(1), Arc::new(Event::new()));
    let [first, _second] = two_tasks(&pool, &go)?;
    let called = Arc::new(SimpleQueue::new());
    for number in 1..=3 {
        let called = called.clone();
        first.on_done(move || {
            called.put(number).expect("it has no limit");
            assert!(number != 2, "the second callback panics");
        });
    }
    go.set();
    pool.join()?;
    let order: Vec<i32> = std::iter::from_fn(|| called.try_get().ok()).collect();
    println!("called: {order:?}, and the result is {}", first.result()?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload().downcast_ref::<&str>();
        println!("reported: {}", message.unwrap_or(&"?"));
    }));
    states()?;
    callbacks()
}
