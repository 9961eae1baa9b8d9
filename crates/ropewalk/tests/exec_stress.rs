//! Many threads on futures and pools, invariants checked at the end. Also run by ThreadSanitizer.

#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ropewalk::exec::{
    Cancel, Collector, FutureCell, SubmitError, Submitter, TaskError, ThreadPool, Until, Watch,
    as_completed, wait,
};
use ropewalk::wait::Deadline;

const ROUNDS: usize = if cfg!(debug_assertions) { 300 } else { 3_000 };

/// Numbers that look random; a test that fails says its seed.
struct Random(usize);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

fn a_seed() -> usize {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| now.subsec_nanos() as usize | 1)
}

/// None at all, or a few microseconds.
fn patience(random: &mut Random) -> Deadline {
    match random.next(3) {
        0 => Deadline::NEVER,
        _ => Deadline::after(Duration::from_micros(random.next(50) as u64)),
    }
}

type Cell = FutureCell<Result<usize, ()>, usize>;

/// What became of some futures.
#[derive(Default)]
struct Ends {
    callbacks: AtomicUsize,
    called: AtomicUsize,
    ended: AtomicUsize,
}

/// Ends each future in every way.
fn end_all(cells: &[Cell], ends: &Ends, seed: usize) {
    let mut random = Random(seed);
    let call = |callbacks: usize| {
        ends.called.fetch_add(callbacks, Ordering::Relaxed);
    };
    for _ in 0..32 {
        let future = &cells[random.next(cells.len())];
        match random.next(4) {
            0 => {
                count(&ends.callbacks);
                call(usize::from(future.add_callback(1).is_some()));
            }
            1 => drop(future.wait_until(Deadline::after(Duration::from_micros(20)))),
            2 => {
                if let Cancel::Cancelled(fired) = future.cancel() {
                    count(&ends.ended);
                    call(fired.into_iter().count());
                }
            }
            _ => drop(future.start()),
        }
    }
    for future in cells {
        if let Ok(fired) = future.finish(Ok(seed)) {
            count(&ends.ended);
            call(fired.into_iter().count());
        }
        let _ = future.start();
    }
}

/// Waits for all of them together, then for each alone.
fn wait_for_all(cells: &[Cell]) {
    let collector = Arc::new(Collector::new());
    for (index, cell) in cells.iter().enumerate() {
        if let Watch::Done { failed } = cell.watch(&collector, index) {
            collector.add(index, failed);
        }
    }
    let mut order = Vec::new();
    for _ in cells {
        order.extend(collector.next_until(Deadline::NEVER, &()).unwrap());
    }
    order.sort_unstable();
    assert_eq!(order, (0..cells.len()).collect::<Vec<_>>());
    assert_eq!(collector.next_until(Deadline::PAST, &()).unwrap(), None);
    for cell in cells {
        assert!(cell.wait_until(Deadline::NEVER).unwrap());
    }
}

/// Threads that end each future in every way at the same time: each callback comes out once, each
/// collector is told once, and whoever waits goes on.
#[test]
fn each_future_ends_once() {
    let first_seed = a_seed();
    for round in 0..ROUNDS {
        let cells: Arc<Vec<Cell>> = Arc::new((0..8).map(|_| Cell::new()).collect());
        let ends = Arc::new(Ends::default());
        let seed = first_seed + 8 * round;
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (cells, ends) = (cells.clone(), ends.clone());
                thread::spawn(move || match number {
                    0 | 1 => end_all(&cells, &ends, seed + number),
                    _ => wait_for_all(&cells),
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(counted(&ends.ended), 8, "seed {seed}");
        assert_eq!(counted(&ends.called), counted(&ends.callbacks), "seed {seed}");
    }
}

/// What became of the tasks.
#[derive(Default)]
struct Tally {
    attempted: AtomicUsize,
    submitted: AtomicUsize,
    /// Tasks that ran, which those that were cancelled did not.
    ran: AtomicUsize,
    returned: AtomicUsize,
    panicked: AtomicUsize,
    cancelled: AtomicUsize,
    told: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn counted(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

/// A panic that no hook reports: there will be thousands.
fn fail() -> usize {
    std::panic::resume_unwind(Box::new("on purpose"))
}

fn submit_some(submitter: &Submitter, tally: &Arc<Tally>, seed: usize, tasks: usize) {
    let mut random = Random(seed);
    let mut futures = Vec::new();
    for number in 0..tasks {
        let kind = random.next(8);
        let its = tally.clone();
        let task = move || {
            count(&its.ran);
            match kind {
                0 => fail(),
                1 => (0..100).fold(number, |sum, i| sum ^ i),
                _ => number,
            }
        };
        let priority = [0, 0, 0, 0, 0, 0, -1, 1][random.next(8)];
        let urgent = submitter.clone().with_priority(priority);
        count(&tally.attempted);
        match urgent.submit_until(task, patience(&mut random)) {
            Ok(future) => {
                count(&tally.submitted);
                let its = tally.clone();
                future.on_done(move || count(&its.told));
                if random.next(6) == 0 {
                    future.cancel();
                }
                futures.push(future);
            }
            Err(SubmitError::Full(_) | SubmitError::ShutDown(_)) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    let account = |result| match result {
        Ok(_) => count(&tally.returned),
        Err(TaskError::Panicked(_)) => count(&tally.panicked),
        Err(TaskError::Cancelled) => count(&tally.cancelled),
        Err(error) => panic!("seed {seed}: {error}"),
    };
    match random.next(3) {
        0 => futures.into_iter().for_each(|future| account(future.result())),
        1 => as_completed(futures).for_each(|done| account(done.unwrap().1.result())),
        _ => {
            while !futures.is_empty() {
                let done = wait(&futures, Until::First, patience(&mut random)).unwrap().done;
                for index in done.into_iter().rev() {
                    account(futures.swap_remove(index).result());
                }
            }
        }
    }
}

/// Every task that was submitted ends once: it returns, panics or is cancelled, and its callback
/// is called.
#[test]
fn submitted_is_resolved_exactly_once() {
    let seed = a_seed();
    for round in 0..ROUNDS / 20 {
        let mut random = Random(seed + round);
        let pool = ThreadPool::builder()
            .threads(1 + random.next(4))
            .max_pending(random.next(3) * 4)
            .build();
        let tally = Arc::new(Tally::default());
        let cancel = random.next(2) == 0;
        let submitters: Vec<_> = (0..3)
            .map(|number| {
                let (submitter, tally) = (pool.submitter(), tally.clone());
                let seed = seed + round * 8 + number;
                thread::spawn(move || submit_some(&submitter, &tally, seed, 200))
            })
            .collect();
        if random.next(2) == 0 {
            let enough = random.next(600);
            while counted(&tally.attempted) < enough {
                thread::yield_now();
            }
            pool.shutdown(cancel);
        }
        for submitter in submitters {
            submitter.join().unwrap();
        }
        pool.join().unwrap();
        let ended = counted(&tally.returned) + counted(&tally.panicked);
        let resolved = ended + counted(&tally.cancelled);
        assert_eq!(resolved, counted(&tally.submitted), "seed {seed}, round {round}");
        assert_eq!(ended, counted(&tally.ran), "seed {seed}, round {round}");
        assert_eq!(counted(&tally.told), resolved, "seed {seed}, round {round}");
    }
}

/// Tasks that submit tasks and wait for them, in a pool that is large enough: no wait is refused.
#[test]
fn nested_tasks_are_no_deadlock() {
    fn tree(submitter: &Submitter, depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let its = [submitter.clone(), submitter.clone()];
        let halves =
            its.map(|it| submitter.submit(move || tree(&it, depth - 1)).expect("it is open"));
        halves.into_iter().map(|half| half.result().expect("no deadlock")).sum()
    }
    for _ in 0..ROUNDS / 100 {
        let pool = ThreadPool::new(64);
        assert_eq!(tree(&pool.submitter(), 5), 32);
    }
}

/// Pools that are too small for what waits in them: each wait ends, as one is refused.
#[test]
fn no_pool_hangs_for_ever() {
    fn chain(submitter: &Submitter, depth: usize) -> Result<usize, TaskError> {
        if depth == 0 {
            return Ok(0);
        }
        let its = submitter.clone();
        match submitter.submit(move || chain(&its, depth - 1)) {
            Ok(next) => next.result()?,
            // A wait above was refused, and the pool has been dropped since.
            Err(_closed) => Err(TaskError::Cancelled),
        }
    }
    for _ in 0..ROUNDS / 20 {
        let pool = ThreadPool::new(3);
        let chains = [(); 4].map(|()| {
            let submitter = pool.submitter();
            pool.submit(move || chain(&submitter, 3)).expect("it is open")
        });
        for each in chains {
            match each.result().expect("this thread may wait") {
                Ok(length) => assert_eq!(length, 0),
                Err(error) => assert!(matches!(error, TaskError::Wait(_)), "{error}"),
            }
        }
    }
}
