//! Submitting a job to a pool: its outcomes, and the wait for a place.

use std::fmt;

use super::crew::Crew;
use super::work::{Phase, WorkQueue};
use crate::wait::{
    Deadline, Park, Parked, Resource, ResourceKind, Since, WaitError, WaitQueue, park_and_take,
};

/// What came of submitting a job, which is queued in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a thread may have to be started"]
pub enum Submitted {
    /// There are threads for it.
    Queued,
    /// One more thread is to be started by the caller; it is counted already. If that fails,
    /// [`WorkQueue::start_failed`] says so.
    Spawn,
}

/// Why a job was not queued; it comes back.
#[non_exhaustive]
pub enum SubmitError<J> {
    /// There was no free place, or none became free in time.
    Full(J),
    /// The pool is shut down.
    ShutDown(J),
    /// The pool is broken.
    Broken(J),
    /// The wait for a place ended early.
    Wait(J, WaitError),
    /// There is no memory for one job more.
    NoMemory(J),
    /// There is no thread and none could be started. Only [`ThreadPool`](super::ThreadPool) says so.
    NoThread(J),
}

impl<J> SubmitError<J> {
    /// The job that was not queued.
    #[must_use]
    pub fn into_job(self) -> J {
        match self {
            Self::Full(job)
            | Self::ShutDown(job)
            | Self::Broken(job)
            | Self::Wait(job, _)
            | Self::NoMemory(job)
            | Self::NoThread(job) => job,
        }
    }

    #[cfg(not(loom))]
    pub(super) fn map<K>(self, other: impl FnOnce(J) -> K) -> SubmitError<K> {
        match self {
            Self::Full(job) => SubmitError::Full(other(job)),
            Self::ShutDown(job) => SubmitError::ShutDown(other(job)),
            Self::Broken(job) => SubmitError::Broken(other(job)),
            Self::Wait(job, error) => SubmitError::Wait(other(job), error),
            Self::NoMemory(job) => SubmitError::NoMemory(other(job)),
            Self::NoThread(job) => SubmitError::NoThread(other(job)),
        }
    }
}

impl<J> fmt::Display for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the pool's queue is full"),
            Self::ShutDown(_) => f.write_str("the pool is shut down"),
            Self::Broken(_) => f.write_str("the pool is broken"),
            Self::Wait(_, error) => error.fmt(f),
            Self::NoMemory(_) => f.write_str("there is no memory for one job more"),
            Self::NoThread(_) => f.write_str("the pool has no thread and none could be started"),
        }
    }
}

impl<J> fmt::Debug for SubmitError<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full(_) => "Full",
            Self::ShutDown(_) => "ShutDown",
            Self::Broken(_) => "Broken",
            Self::Wait(..) => "Wait",
            Self::NoMemory(_) => "NoMemory",
            Self::NoThread(_) => "NoThread",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

impl<J> std::error::Error for SubmitError<J> {}

impl<J> WorkQueue<J> {
    /// Queues a job if there is a place. Never blocks.
    ///
    /// # Errors
    /// [`SubmitError`], which gives the job back.
    pub fn try_submit(&self, job: J, priority: i64) -> Result<Submitted, SubmitError<J>> {
        let (wake, spawn) = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Open if state.jobs.len() < state.limit => {}
                Phase::Open => return Err(SubmitError::Full(job)),
                Phase::ShutDown => return Err(SubmitError::ShutDown(job)),
                Phase::Broken => return Err(SubmitError::Broken(job)),
            }
            if let Err(job) = state.jobs.push(job, priority) {
                return Err(SubmitError::NoMemory(job));
            }
            let wake = state.wants_wake();
            let spawn = !(state.defers && state.has_scout()) && state.claim();
            self.note(&state);
            (wake, spawn)
        };
        if wake {
            self.wake_worker();
        }
        Ok(if spawn { Submitted::Spawn } else { Submitted::Queued })
    }

    /// Queues a job, waiting for a place as long as it takes. Jobs of a higher priority are done
    /// first; the usual one is 0.
    ///
    /// # Errors
    /// [`SubmitError`], which gives the job back; never [`SubmitError::Full`].
    pub fn submit(&self, job: J, priority: i64) -> Result<Submitted, SubmitError<J>> {
        self.submit_until(job, priority, Deadline::NEVER)
    }

    /// Queues a job, waiting for a place until the deadline.
    ///
    /// # Errors
    /// [`SubmitError`], which gives the job back.
    pub fn submit_until(
        &self,
        mut job: J,
        priority: i64,
        mut deadline: Deadline,
    ) -> Result<Submitted, SubmitError<J>> {
        let mut since = None;
        loop {
            match self.try_submit(job, priority) {
                Err(SubmitError::Full(back)) if !deadline.has_passed() => job = back,
                Err(error @ SubmitError::NoMemory(_)) => {
                    // The place is another's.
                    self.wake_submitter();
                    return Err(error);
                }
                result => return result,
            }
            let turn = *since.get_or_insert_with(Since::now);
            match self.wait_for_place(deadline, turn) {
                Ok(Parked::Notified(_)) => since = Some(turn.in_vain()),
                Ok(Parked::Retry) => {}
                Ok(Parked::TimedOut) => deadline = Deadline::PAST,
                Err(error) => return Err(SubmitError::Wait(job, error)),
            }
        }
    }

    fn wait_for_place(&self, deadline: Deadline, since: Since) -> Result<Parked, WaitError> {
        let what = Place { queue: &self.places, crew: &self.crew };
        let request =
            Park { queue: &self.places, what: &what, deadline, since: Some(since), next: None };
        let is_full = |_: &mut _| {
            let mut state = self.state.lock();
            let full = state.phase == Phase::Open && state.jobs.len() >= state.limit;
            state.submitters_parked |= full;
            full
        };
        park_and_take(&request, &is_full, |_| self.wake_submitter(), &|_| {})
    }
}

/// A free place, as what a submitter waits for.
struct Place<'a> {
    queue: &'a WaitQueue,
    crew: &'a Crew,
}

impl Resource for Place<'_> {
    fn kind(&self) -> ResourceKind {
        ResourceKind::PoolPlace
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self.queue) as usize
    }
    fn label(&self) -> Option<String> {
        Some(self.crew.name().to_string())
    }
    fn helpers(&self, _need: usize, helper: &mut dyn FnMut(usize) -> bool) -> bool {
        self.crew.helpers(helper)
    }
}
