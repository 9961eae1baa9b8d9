//! Rows, and how they are measured: the sides in turns, batch by batch.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// One measured batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) operations: u64,
    pub(crate) taken: Duration,
    /// What the thread with the fewest operations got, of what the one with the most got.
    pub(crate) fairness: Option<f64>,
}

impl Sample {
    pub(crate) fn new(operations: u64, taken: Duration) -> Self {
        Self { operations, taken, fairness: None }
    }

    fn nanoseconds(&self) -> f64 {
        self.taken.as_secs_f64() * 1e9 / self.operations as f64
    }
}

/// Does a batch of the given size.
pub(crate) type Measure = Box<dyn Fn(u64) -> Sample>;

/// One side of a row.
pub(crate) struct Side {
    name: &'static str,
    measure: Measure,
}

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) smoke: bool,
}

/// One line of the table; the first side is Ropewalk's.
pub(crate) struct Row {
    pub(crate) name: String,
    sides: Vec<Side>,
    one_core: bool,
    /// The size of a batch, where that is a duration in milliseconds and not found by trying.
    milliseconds: Option<u64>,
}

const BATCH: Duration = Duration::from_millis(20);

impl Row {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), sides: Vec::new(), one_core: false, milliseconds: None }
    }

    pub(crate) fn side(
        mut self,
        name: &'static str,
        measure: impl Fn(u64) -> Sample + 'static,
    ) -> Self {
        self.sides.push(Side { name, measure: Box::new(measure) });
        self
    }

    /// Pins the row to one core; then the fastest batch counts, elsewhere the median.
    pub(crate) fn one_core(mut self) -> Self {
        self.one_core = true;
        self
    }

    pub(crate) fn lasting(mut self, milliseconds: u64) -> Self {
        self.milliseconds = Some(milliseconds);
        self
    }

    /// Measures all sides and returns the line for the table.
    pub(crate) fn run(&self, plan: Plan) -> String {
        let _pinned = self.one_core.then(Pinned::new);
        let sizes: Vec<u64> = self.sides.iter().map(|side| self.size(side, plan)).collect();
        let mut samples = vec![Vec::new(); self.sides.len()];
        let rounds = if plan.smoke { 1 } else { plan.rounds };
        for round in 0..rounds {
            for turn in 0..self.sides.len() {
                let side = if round % 2 == 0 { turn } else { self.sides.len() - 1 - turn };
                samples[side].push((self.sides[side].measure)(sizes[side]));
            }
        }
        self.line(&samples)
    }

    fn size(&self, side: &Side, plan: Plan) -> u64 {
        if plan.smoke {
            return 2;
        }
        if let Some(milliseconds) = self.milliseconds {
            return milliseconds;
        }
        let mut tried = 1;
        loop {
            // The fastest of some: one that another program interrupted would end the search.
            let taken = (0..3).map(|_| (side.measure)(tried).taken).min().unwrap_or(BATCH);
            if taken * 8 >= BATCH {
                let full = u128::from(tried) * BATCH.as_nanos() / taken.as_nanos();
                return u64::try_from(full).unwrap_or(u64::MAX).max(1);
            }
            tried *= 4;
        }
    }

    fn line(&self, samples: &[Vec<Sample>]) -> String {
        let name = if self.one_core { format!("{} *", self.name) } else { self.name.clone() };
        let mut text = format!("{name:<38}");
        let own = self.time(&samples[0]);
        for (side, taken) in self.sides.iter().zip(samples) {
            let time = self.time(taken);
            let _ = write!(text, " {} {}", side.name, readable(time));
            if side.name != self.sides[0].name {
                let _ = write!(text, " ({:.2}x)", time / own);
            }
            let mut shares: Vec<f64> = taken.iter().filter_map(|it| it.fairness).collect();
            if !shares.is_empty() {
                let _ = write!(text, " least/most {:.2}", middle(&mut shares));
            }
            text.push(';');
        }
        text.pop();
        text
    }

    fn time(&self, samples: &[Sample]) -> f64 {
        let mut times: Vec<f64> = samples.iter().map(Sample::nanoseconds).collect();
        let median = middle(&mut times);
        if self.one_core { times[0] } else { median }
    }
}

/// Sorts the numbers and returns the one in the middle.
fn middle(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn readable(nanoseconds: f64) -> String {
    if nanoseconds < 1e3 {
        format!("{nanoseconds:.1} ns")
    } else if nanoseconds < 1e6 {
        format!("{:.2} us", nanoseconds / 1e3)
    } else {
        format!("{:.2} ms", nanoseconds / 1e6)
    }
}

/// Times `size` turns of `operation`.
pub(crate) fn repeat(size: u64, mut operation: impl FnMut()) -> Sample {
    let start = Instant::now();
    for _ in 0..size {
        operation();
    }
    Sample::new(size, start.elapsed())
}

/// Keeps the calling thread, and those that it starts, on one core while it lives.
struct Pinned {
    #[cfg(target_os = "linux")]
    before: libc::cpu_set_t,
}

#[cfg(target_os = "linux")]
impl Pinned {
    fn new() -> Self {
        // SAFETY: a cpu_set_t is plain bits, and all zeros is the empty set.
        let (mut before, mut only): (libc::cpu_set_t, libc::cpu_set_t) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: both sets live here and have the size that is passed; 0 is the calling thread.
        unsafe {
            libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut before);
            let last =
                (0..libc::CPU_SETSIZE as usize).rfind(|core| libc::CPU_ISSET(*core, &before));
            libc::CPU_SET(last.expect("the thread may run somewhere"), &mut only);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const only);
        }
        Self { before }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe {
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const self.before);
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Pinned {
    fn new() -> Self {
        Self {}
    }
}
