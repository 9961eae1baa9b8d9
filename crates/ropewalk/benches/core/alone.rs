//! One thread: nobody waits and nobody competes.

use std::hint::black_box;
use std::sync::{Barrier, Mutex};

use ropewalk::sync::{Condition, Event, Lock, RLock, Semaphore};

use crate::harness::{Row, Sample, repeat};
use crate::things::{OnePermit, Section};

fn section<S: Section>(size: u64) -> Sample {
    let lock = black_box(S::default());
    repeat(size, || black_box(&lock).locked(|| ()))
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new("lock and unlock")
            .one_core()
            .side("ropewalk", section::<Lock>)
            .side("std", section::<Mutex<()>>)
            .side("parking_lot", section::<parking_lot::Mutex<()>>),
        Row::new("reentrant lock and unlock")
            .one_core()
            .side("ropewalk", section::<RLock>)
            .side("parking_lot", section::<parking_lot::ReentrantMutex<()>>),
        Row::new("semaphore acquire and release").one_core().side("ropewalk", section::<OnePermit>),
        Row::new("try_acquire of a held lock")
            .one_core()
            .side("ropewalk", |size| {
                let lock = black_box(Lock::new());
                let _held = lock.hold().expect("it is free");
                repeat(size, || {
                    black_box(black_box(&lock).try_acquire());
                })
            })
            .side("std", |size| {
                let lock = black_box(Mutex::new(()));
                let _held = lock.lock();
                repeat(size, || {
                    black_box(black_box(&lock).try_lock().is_ok());
                })
            })
            .side("parking_lot", |size| {
                let lock = black_box(parking_lot::Mutex::new(()));
                let _held = lock.lock();
                repeat(size, || {
                    black_box(black_box(&lock).try_lock().is_some());
                })
            }),
        Row::new("notify nobody")
            .one_core()
            .side("ropewalk", |size| {
                let (lock, condition) = black_box((Lock::new(), Condition::new()));
                let _held = lock.hold().expect("it is free");
                repeat(size, || {
                    black_box(&condition).notify(1, &lock);
                })
            })
            .side("std", |size| {
                let condition = black_box(std::sync::Condvar::new());
                repeat(size, || black_box(&condition).notify_one())
            })
            .side("parking_lot", |size| {
                let condition = black_box(parking_lot::Condvar::new());
                repeat(size, || {
                    black_box(&condition).notify_one();
                })
            }),
        Row::new("event set, wait and clear").one_core().side("ropewalk", |size| {
            let event = black_box(Event::new());
            repeat(size, || {
                black_box(&event).set();
                event.wait().expect("it is set");
                event.clear();
            })
        }),
        Row::new("barrier of one")
            .one_core()
            .side("ropewalk", |size| {
                let barrier = black_box(ropewalk::sync::Barrier::new(1));
                repeat(size, || {
                    black_box(&barrier).wait().expect("it is whole");
                })
            })
            .side("std", |size| {
                let barrier = black_box(Barrier::new(1));
                repeat(size, || {
                    black_box(&barrier).wait();
                })
            }),
        Row::new("semaphore made and dropped").one_core().side("ropewalk", |size| {
            repeat(size, || {
                black_box(Semaphore::new(1));
            })
        }),
    ]
}
