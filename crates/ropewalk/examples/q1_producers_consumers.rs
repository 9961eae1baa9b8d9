//! Q1. Two producers and five consumers over one queue that has 500 items to begin with.
//!
//! Then the manners of a queue when it is full or empty: an item that finds no place comes back.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use ropewalk::queue::{GetError, PutError, Queue};
use ropewalk::wait::Deadline;

const INITIAL: usize = 500;
const PRODUCERS: usize = 2;
const EACH: usize = 100;
const CONSUMERS: usize = 5;
const ALL: usize = INITIAL + PRODUCERS * EACH;

fn many_items() -> Result<(), PutError<usize>> {
    let items = Queue::new(0);
    for number in 0..INITIAL {
        items.put(number)?;
    }
    println!("length: {}", items.len());

    let consume = || (0..ALL / CONSUMERS).map(|_| items.get().expect("no deadlock")).collect();
    let taken: Vec<usize> = thread::scope(|scope| {
        let consumers: Vec<thread::ScopedJoinHandle<'_, Vec<usize>>> =
            (0..CONSUMERS).map(|_| scope.spawn(consume)).collect();
        for producer in 0..PRODUCERS {
            let items = &items;
            let first = INITIAL + producer * EACH;
            scope.spawn(move || {
                (first..first + EACH).for_each(|number| items.put(number).expect("no limit"));
            });
        }
        consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect()
    });
    let different: HashSet<_> = taken.iter().collect();
    println!("taken: {}, different: {}, left: {}", taken.len(), different.len(), items.len());
    Ok(())
}

fn full_and_empty() -> Result<(), Box<dyn std::error::Error>> {
    let small = Queue::new(2);
    println!("empty: {}, full: {}", small.is_empty(), small.is_full());
    small.put("one")?;
    small.put("two")?;
    println!("empty: {}, full: {}", small.is_empty(), small.is_full());
    if let Err(error) = small.try_put("three") {
        print!("try_put: {error}, ");
        println!("{:?} comes back", error.into_item());
    }
    let soon = Deadline::after(Duration::from_millis(20));
    if let Err(error) = small.put_until("three", soon) {
        println!("put_until: {error}");
    }
    thread::scope(|scope| {
        scope.spawn(|| small.put("three").expect("room in the end"));
        println!("got {}, which makes room for three", small.get()?);
        println!("got {} and {}", small.get()?, small.get()?);
        Ok::<(), GetError>(())
    })?;
    if let Err(error) = small.try_get() {
        println!("try_get: {error}");
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    many_items()?;
    full_and_empty()
}
