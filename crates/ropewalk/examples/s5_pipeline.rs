//! S5. A pipeline of three threads (+1, *2, -3): right results, in order, for 100,000 numbers.
//!
//! What the tutorials do with four lists and two locks is done with queues between the stages: a
//! list that threads share is a queue in Rust. `None` is the end.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::thread;

use ropewalk::queue::Queue;

const COUNT: i64 = 100_000;

fn stage(from: &Queue<Option<i64>>, to: &Queue<Option<i64>>, change: impl Fn(i64) -> i64) {
    while let Some(number) = from.get().expect("no deadlock") {
        to.put(Some(change(number))).expect("no deadlock");
    }
    to.put(None).expect("no deadlock");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers = Queue::new(0);
    let (plus_one, doubled) = (Queue::new(100), Queue::new(100));
    let results = Queue::new(0);
    for number in 0..COUNT {
        numbers.put(Some(number))?;
    }
    numbers.put(None)?;

    thread::scope(|scope| {
        scope.spawn(|| stage(&numbers, &plus_one, |number| number + 1));
        scope.spawn(|| stage(&plus_one, &doubled, |number| number * 2));
        scope.spawn(|| stage(&doubled, &results, |number| number - 3));
    });

    let mut right = 0;
    for number in 0..COUNT {
        right += i64::from(results.get()? == Some((number + 1) * 2 - 3));
    }
    println!("right and in order: {right}, left: {}", results.len() - 1);
    Ok(())
}
