//! P1. A pool of threads: `submit`, whether a task is done, cancelling one that has not begun,
//! results; threads are used again; results in order and in order of completion.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;

use ropewalk::exec::{Future, ThreadPool, as_completed};
use ropewalk::sync::{Barrier, Event};

const THREADS: usize = 10;
const TASKS: usize = 110;

/// One task runs, one waits for its turn.
fn submit_and_cancel() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPool::new(1);
    let go = Arc::new(Event::new());
    let first = pool.submit({
        let go = go.clone();
        move || go.wait().map(|()| "first")
    })?;
    let second = pool.submit(|| "second")?;
    println!("done: {}, {}", first.is_done(), second.is_done());
    println!("cancelled: {}", second.cancel());
    go.set();
    println!("result: {}", first.result()??);
    match second.result() {
        Ok(value) => println!("result: {value}"),
        Err(error) => println!("error: {error}"),
    }
    Ok(())
}

/// The first ten tasks wait for each other, so that each needs a thread; the others find them idle
/// or busy, and need none.
fn threads_are_used_again() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPool::builder().threads(THREADS).name("worker").build();
    let all_there = Arc::new(Barrier::new(THREADS));
    let mut futures = Vec::new();
    for number in 0..TASKS {
        let all_there = all_there.clone();
        futures.push(pool.submit(move || {
            if number < THREADS {
                all_there.wait().expect("nobody breaks it");
            }
            std::thread::current().name().map(String::from)
        })?);
    }
    let names: HashSet<_> = futures.into_iter().map(Future::result).collect::<Result<_, _>>()?;
    println!("{TASKS} tasks, {} names", names.len());
    Ok(())
}

/// Like `map` of an iterator, on many threads: the results come in the order of the arguments.
fn in_order() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPool::new(4);
    let squares = (1..=5).map(|n| pool.submit(move || n * n)).collect::<Result<Vec<_>, _>>()?;
    let squares = squares.into_iter().map(Future::result).collect::<Result<Vec<_>, _>>()?;
    println!("in order: {squares:?}");
    Ok(())
}

/// A takes the longest and E the shortest time: each waits for the one after it.
fn in_order_of_completion() -> Result<(), Box<dyn Error>> {
    let names = ["A", "B", "C", "D", "E"];
    let pool = ThreadPool::new(names.len());
    let gates: Vec<Arc<Event>> = names.iter().map(|_| Arc::default()).collect();
    let mut futures = Vec::new();
    for (name, gate) in names.into_iter().zip(gates.clone()) {
        futures.push(pool.submit(move || gate.wait().map(|()| name))?);
    }
    let mut completed = Vec::new();
    gates[gates.len() - 1].set();
    for done in as_completed(futures) {
        let (number, future) = done?;
        completed.push(future.result()??);
        if number > 0 {
            gates[number - 1].set();
        }
    }
    println!("as completed: {}", completed.join(" "));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    submit_and_cancel()?;
    threads_are_used_again()?;
    in_order()?;
    in_order_of_completion()
}
