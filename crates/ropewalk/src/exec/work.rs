//! The queue of a pool: who waits for work, who is on the way to it, when one more thread is needed.
//!
//! All counts are one [`State`] under a short lock. Threads that find no job, and submitters that
//! find no place, each wait in a queue of their own.
//!
//! Invariants:
//! 1. If a job is queued and a thread is parked, then a wake is in flight (`waking`). Whoever adds
//!    a job sees to that; so does a woken thread, which ends the flight, before it goes to work.
//!    So no job is left lying, and a burst of submits costs one wake as long as the woken thread
//!    has not come.
//! 2. If a place is free and a submitter is parked, then one that was woken is on its way: each job
//!    that is taken wakes one, and a wake that its receiver cannot use goes to the next.
//! 3. A thread, or a submitter, says that it is parked under its wait queue's lock and the
//!    state's, in the section in which it sees that there is nothing to be had. A wait queue is
//!    locked before the state, never after it.
//! 4. No job is dropped, and nothing of a user runs, in a section.
//!
//! When threads are asked for is said, with more invariants, in `scouts.rs`.

use std::fmt;
use std::sync::Arc;

use super::crew::Crew;
use super::jobs::Jobs;
use crate::primitive::{ShortLock, thread_word};
use crate::wait::{NORMAL, WaitQueue, WakeList};
#[cfg(not(loom))]
use crate::watch;

/// The jobs of a pool and the threads that do them. A host starts the threads itself: for each
/// [`Submitted::Spawn`](super::Submitted::Spawn) one, which sits down ([`WorkQueue::enter`]) and asks for jobs until there
/// are no more ([`Seat::next_job`](super::Seat::next_job)).
///
/// ```
/// use ropewalk::exec::{Submitted, WorkQueue};
/// use std::sync::Arc;
///
/// let queue = Arc::new(WorkQueue::new("adders", 2, 0));
/// assert!(matches!(queue.submit(1, 0), Ok(Submitted::Spawn)));
/// let worker = std::thread::spawn({
///     let queue = queue.clone();
///     move || {
///         let mut seat = queue.enter();
///         let mut sum = 0;
///         while let Ok(Some(job)) = seat.next_job() {
///             sum += job;
///         }
///         sum
///     }
/// });
/// assert!(queue.shut_down(false).is_empty());
/// assert_eq!(worker.join().unwrap(), 1);
/// ```
///
/// # Interruption
/// A submit that waits for a place runs the host's signal handlers and ends if one of them raised;
/// the job comes back. In the child of a fork the threads are not there: see
/// [`WorkQueue::after_fork_in_child`].
pub struct WorkQueue<J> {
    pub(super) state: ShortLock<State<J>>,
    pub(super) crew: Arc<Crew>,
    pub(super) idle: WaitQueue,
    pub(super) places: WaitQueue,
    pub(super) attendants: WaitQueue,
}

pub(super) struct State<J> {
    pub(super) jobs: Jobs<J>,
    /// So many jobs may wait.
    pub(super) limit: usize,
    /// So many threads may be there.
    pub(super) most: usize,
    /// Those that are there or being started.
    pub(super) threads: usize,
    /// Those that are being started.
    pub(super) starting: usize,
    /// Those that do a job.
    pub(super) busy: usize,
    /// Those that stand in the queue of the idle.
    pub(super) parked: usize,
    /// One that stood there was woken and has not looked yet.
    pub(super) waking: bool,
    /// A submitter may stand in the queue for places.
    pub(super) submitters_parked: bool,
    /// Whether threads are asked for only when those on their way to the queue are too few.
    pub(super) defers: bool,
    /// Those that start another thread and will look again before they do a job.
    pub(super) scouting: usize,
    /// Those who wait for the jobs to be done and see to the threads.
    pub(super) attending: usize,
    /// Threads, by their words, that start another one, and whether others wait for that.
    pub(super) launches: Vec<(usize, bool)>,
    pub(super) phase: Phase,
}

/// Whether a pool takes jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It does.
    Open,
    /// No more; those that it has are done.
    ShutDown,
    /// No more, and it has none: its threads could not be prepared for work.
    Broken,
}

impl<J> fmt::Debug for WorkQueue<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("WorkQueue")
            .field("phase", &state.phase)
            .field("pending", &state.jobs.len())
            .field("threads", &state.threads)
            .field("busy", &state.busy)
            .finish_non_exhaustive()
    }
}

impl<J> State<J> {
    /// Says that one is to be woken, if that is needed.
    pub(super) fn wants_wake(&mut self) -> bool {
        let wake = self.parked > 0 && !self.waking && !self.jobs.is_empty();
        self.waking |= wake;
        wake
    }

    /// How many threads are there, or are being started, that do no job.
    pub(super) fn idle(&self) -> usize {
        self.threads.saturating_sub(self.busy)
    }

    fn close(&mut self, phase: Phase) {
        if self.phase != Phase::Broken {
            self.phase = phase;
        }
    }
}

impl<J> WorkQueue<J> {
    /// A pool called `name`, without threads, for at most `threads` of them, in which at most
    /// `max_pending` jobs may wait (0 means no limit).
    ///
    /// # Panics
    /// If `threads` is 0: nothing would ever be done.
    #[must_use]
    pub fn new(name: &str, threads: usize, max_pending: usize) -> Self {
        assert!(threads > 0, "a pool needs at least one thread");
        Self {
            state: ShortLock::new(State {
                jobs: Jobs::new(),
                limit: if max_pending == 0 { usize::MAX } else { max_pending },
                most: threads,
                threads: 0,
                starting: 0,
                busy: 0,
                parked: 0,
                waking: false,
                submitters_parked: false,
                defers: false,
                scouting: 0,
                attending: 0,
                launches: Vec::new(),
                phase: Phase::Open,
            }),
            crew: Arc::new(Crew::new(name)),
            idle: WaitQueue::new(),
            places: WaitQueue::new(),
            attendants: WaitQueue::new(),
        }
    }

    /// Its threads, for the futures of its jobs ([`FutureCell::in_pool`](super::FutureCell::in_pool)).
    #[must_use]
    pub fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// Whether it takes jobs.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// How many jobs wait for their turn.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state.lock().jobs.len()
    }

    /// How many threads there are, those included that are being started.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.state.lock().threads
    }

    /// The thread that [`Submitted::Spawn`](super::Submitted::Spawn) asked for could not be started. Returns how many there
    /// are left; the jobs stay where they are ([`WorkQueue::take_jobs`]).
    pub fn start_failed(&self) -> usize {
        let threads = {
            let mut state = self.state.lock();
            state.threads = state.threads.saturating_sub(1);
            state.starting = state.starting.saturating_sub(1);
            self.note_completeness(&state);
            state.threads
        };
        self.tell_attendants();
        threads
    }

    /// Takes all jobs out that wait for their turn.
    #[must_use = "their futures are to be ended"]
    pub fn take_jobs(&self) -> Vec<J> {
        let jobs = {
            let mut state = self.state.lock();
            let jobs = state.jobs.take_all();
            self.note_cancelled(jobs.len());
            self.note_completeness(&state);
            jobs
        };
        self.wake_submitters();
        self.tell_attendants();
        jobs.into_vec()
    }

    /// Takes no more jobs. Those that wait are still done, or are given out if `cancel`; then the
    /// threads leave. So it is as well when the owner of the pool is gone.
    #[must_use = "their futures are to be ended"]
    pub fn shut_down(&self, cancel: bool) -> Vec<J> {
        self.close(Phase::ShutDown, cancel)
    }

    /// Takes no more jobs, gives out those that wait, and has the threads leave.
    #[must_use = "their futures are to be ended"]
    pub fn break_down(&self) -> Vec<J> {
        self.close(Phase::Broken, true)
    }

    /// Says that so many jobs that [`WorkQueue::break_down`] has given out had been called off: for
    /// those who look.
    pub fn called_off(&self, jobs: usize) {
        let _state = self.state.lock();
        self.note_cancelled(jobs);
    }

    fn close(&self, phase: Phase, cancel: bool) -> Vec<J> {
        let jobs = {
            let mut state = self.state.lock();
            state.close(phase);
            let jobs = if cancel { state.jobs.take_all() } else { Jobs::new() };
            if phase != Phase::Broken {
                // Of a broken pool they fail, but those that were called off before.
                self.note_cancelled(jobs.len());
            }
            self.note_completeness(&state);
            jobs
        };
        let mut wakes = WakeList::default();
        {
            let mut list = self.idle.lock();
            self.state.lock().parked = 0;
            list.pop_all(NORMAL, &mut wakes);
        }
        wakes.wake();
        self.wake_submitters();
        self.tell_attendants();
        jobs.into_vec()
    }

    /// To be called in the child of a fork before the pool is used there, by a thread that uses it
    /// alone: no thread of the pool is there but, maybe, the calling one.
    pub fn after_fork_in_child(&self) {
        let me = thread_word();
        let left = self.crew.keep_only(me);
        let mut state = self.state.lock();
        (state.threads, state.starting, state.busy) = (left, 0, left);
        (state.parked, state.waking, state.submitters_parked) = (0, false, false);
        (state.scouting, state.attending) = (0, 0);
        state.launches.clear();
        self.note_completeness(&state);
    }

    /// Tells those who look of a change.
    #[inline]
    pub(super) fn note(&self, state: &State<J>) {
        #[cfg(not(loom))]
        self.crew.info.note(watch::PoolState {
            most: state.most,
            threads: state.threads,
            busy: state.busy,
            queued: state.jobs.len(),
        });
        #[cfg(loom)]
        let _ = state;
    }

    fn note_cancelled(&self, jobs: usize) {
        #[cfg(not(loom))]
        self.crew.info.note_cancelled(jobs);
        #[cfg(loom)]
        let _ = jobs;
    }

    pub(super) fn note_completeness(&self, state: &State<J>) {
        self.note(state);
        let full = state.threads >= state.most
            || state.phase != Phase::Open && (!state.defers || state.jobs.is_empty());
        self.crew.set_complete(full && state.starting == 0);
    }

    /// Wakes one thread that has no job, as `wants_wake` said.
    pub(super) fn wake_worker(&self) {
        let woken = {
            let mut list = self.idle.lock();
            let mut state = self.state.lock();
            // Done by another one meanwhile: nobody is needed.
            let woken = if state.jobs.is_empty() { None } else { list.pop(NORMAL) };
            state.parked = list.len();
            state.waking = woken.is_some();
            woken
        };
        match woken {
            Some(woken) => woken.wake(),
            None => self.tell_attendants(),
        }
    }

    pub(super) fn wake_submitter(&self) {
        let woken = {
            let mut list = self.places.lock();
            let woken = list.pop(NORMAL);
            self.state.lock().submitters_parked = !list.is_empty();
            woken
        };
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    fn wake_submitters(&self) {
        let mut wakes = WakeList::default();
        {
            let mut list = self.places.lock();
            self.state.lock().submitters_parked = false;
            list.pop_all(NORMAL, &mut wakes);
        }
        wakes.wake();
    }
}
