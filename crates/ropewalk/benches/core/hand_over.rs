//! A turn that passes from thread to thread: every operation blocks one and wakes another.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ropewalk::sync::Event;

use crate::harness::{Row, Sample, repeat};
use crate::things::{Flag, HeldLock, Ours, ParkingLot, Permits, Std, Turn, Watched};

const WAITERS: usize = 100;

fn ping_pong<T: Turn>(pairs: u64) -> Sample {
    let turns = Arc::new((T::default(), T::default()));
    let partner = thread::spawn({
        let turns = Arc::clone(&turns);
        move || {
            for _ in 0..pairs {
                turns.0.take();
                turns.1.give();
            }
        }
    });
    let sample = repeat(pairs, || {
        turns.0.give();
        turns.1.take();
    });
    partner.join().expect("the partner failed");
    sample
}

fn condition<W: Watched>(pairs: u64) -> Sample {
    let turn = Arc::new(W::default());
    let partner = thread::spawn({
        let turn = Arc::clone(&turn);
        move || (0..pairs).for_each(|_| turn.pass(2, 3))
    });
    turn.set_all(1);
    let sample = repeat(pairs, || {
        turn.pass(1, 2);
        turn.pass(3, 1);
    });
    partner.join().expect("the partner failed");
    sample
}

/// From `set_all` until the last of the waiters runs; they end only after that.
fn wake_all<W: Watched>(times: u64) -> Sample {
    let mut taken = Duration::ZERO;
    for _ in 0..times {
        // The second number counts those that are awake; they leave when it says so.
        let state = Arc::new((W::default(), Std::default()));
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let state = Arc::clone(&state);
                thread::spawn(move || {
                    state.0.arrive(usize::MAX);
                    state.1.arrive(usize::MAX);
                })
            })
            .collect();
        while state.0.look() < WAITERS {
            thread::sleep(Duration::from_millis(1));
        }
        let start = Instant::now();
        state.0.set_all(usize::MAX);
        while state.1.look() < WAITERS {
            thread::yield_now();
        }
        taken += start.elapsed();
        state.1.set_all(usize::MAX);
        for waiter in waiters {
            waiter.join().expect("a waiter failed");
        }
    }
    Sample::new(times, taken)
}

fn condition_row(name: &str) -> Row {
    Row::new(name)
        .side("ropewalk", condition::<Ours>)
        .side("std", condition::<Std>)
        .side("parking_lot", condition::<ParkingLot>)
}

fn wake_row(name: &str) -> Row {
    Row::new(name)
        .side("ropewalk", wake_all::<Ours>)
        .side("std", wake_all::<Std>)
        .side("parking_lot", wake_all::<ParkingLot>)
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        // std and parking_lot have no such things: what one builds there is a flag, a mutex and a
        // condition variable.
        Row::new("ping-pong semaphore")
            .one_core()
            .side("ropewalk", ping_pong::<Permits>)
            .side("std", ping_pong::<Flag<Std>>)
            .side("parking_lot", ping_pong::<Flag<ParkingLot>>),
        Row::new("ping-pong event").one_core().side("ropewalk", ping_pong::<Event>),
        Row::new("ping-pong lock").one_core().side("ropewalk", ping_pong::<HeldLock>),
        condition_row("ping-pong condition").one_core(),
        condition_row("ping-pong condition, all cores"),
        wake_row("100 waiters woken").one_core(),
        wake_row("100 waiters woken, all cores"),
    ]
}
