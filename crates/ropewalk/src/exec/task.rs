//! The tasks of a pool, whatever they return.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::cell::FutureCell;
use super::crew::Crew;
use super::future::{Cell, Ended, HasCell, call_all, cancel};
use super::seat::Seat;
use super::state::State;
use crate::primitive::ShortLock;

/// A task in the queue. If it is dropped without having been done, it is cancelled.
pub(super) struct Job(Arc<dyn Run>);

trait Run: Send + Sync {
    /// Does the task, and says to the seat when it is as good as done.
    fn run(&self, seat: &mut Seat<Job>);
    /// It will not be done, as it was dropped or as the pool is broken.
    fn abandon(&self, broken: bool);
    /// Whether it was called off.
    fn is_cancelled(&self) -> bool;
}

impl Job {
    /// Does the task.
    pub(super) fn run(self, seat: &mut Seat<Self>) {
        self.0.run(seat);
    }

    /// Says that the task will not be done, as the pool is broken.
    pub(super) fn fail(self) {
        self.0.abandon(true);
    }

    /// Whether the task was called off.
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.abandon(false);
    }
}

/// A task that is done by a call.
pub(super) struct Task<T, F> {
    cell: Cell<T>,
    work: ShortLock<Option<F>>,
}

impl<T: Send, F: Send> HasCell<T> for Task<T, F> {
    fn cell(&self) -> &Cell<T> {
        &self.cell
    }
}

impl<T: Send + 'static, F: FnOnce() -> T + Send + 'static> Task<T, F> {
    /// A task for the pool with this crew, and the job that does it.
    pub(super) fn new(crew: &Arc<Crew>, work: F) -> (Arc<Self>, Job) {
        let cell = FutureCell::in_pool(crew.clone());
        let task = Arc::new(Self { cell, work: ShortLock::new(Some(work)) });
        (task.clone(), Job(task))
    }
}

impl<T, F> Task<T, F> {
    /// What is to be called, unless somebody has taken it.
    pub(super) fn take_work(&self) -> Option<F> {
        self.work.lock().take()
    }
}

impl<T: Send, F: FnOnce() -> T + Send> Run for Task<T, F> {
    fn run(&self, seat: &mut Seat<Job>) {
        let Some(work) = self.take_work() else { return };
        if self.cell.start() != Ok(true) {
            seat.called_off();
            return;
        }
        let ended = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Ended::Returned(value),
            Err(payload) => Ended::Panicked(payload),
        };
        let rest = |has_callbacks: bool| {
            if !has_callbacks {
                seat.rest();
            }
        };
        if let Ok(fired) = self.cell.finish_with(ended, rest) {
            call_all(fired);
        }
    }

    fn abandon(&self, broken: bool) {
        if self.cell.is_done() {
            return;
        }
        if !broken {
            cancel(&self.cell);
        } else if let Ok(fired) = self.cell.finish(Ended::Broken) {
            call_all(fired);
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(self.cell.state(), State::Cancelled | State::CancelledAndNotified)
    }
}
