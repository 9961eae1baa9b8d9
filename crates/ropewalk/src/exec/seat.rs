//! One of a pool's threads, and its wait for the next job.

use std::sync::Arc;

use super::work::{Phase, WorkQueue};
use crate::primitive::thread_word;
use crate::wait::{
    Deadline, Park, Parked, Resource, ResourceKind, WaitError, WaitList, current, park,
};

/// One of the pool's threads, from its start to its end: dropping it says that the thread leaves.
#[derive(Debug)]
pub struct Seat<J> {
    queue: Arc<WorkQueue<J>>,
    word: usize,
    /// Whether it does a job.
    busy: bool,
    /// Whether it starts another thread and will look again.
    scouts: bool,
}

/// What one of the pool's threads is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<J> {
    /// This job.
    Job(J),
    /// To start one more thread, which is counted already, and to ask again. If that fails,
    /// [`WorkQueue::start_failed`] says so. Only of a queue that defers threads
    /// ([`WorkQueue::defer_threads`]).
    Spawn,
    /// To leave.
    End,
}

/// What a thread that asked for a job gets.
enum Found<J> {
    Job { job: J, wake: bool, place: bool, attended: bool },
    Spawn,
    Nothing,
    End,
}

impl<J> Seat<J> {
    /// The next job, waiting for it as long as it takes; `None` if there will be none: the thread
    /// is to leave.
    ///
    /// # Errors
    /// [`WaitError`], on the main thread only.
    pub fn next_job(&mut self) -> Result<Option<J>, WaitError> {
        Ok(match self.next(false)? {
            Next::Job(job) => Some(job),
            Next::Spawn | Next::End => None,
        })
    }

    /// What the thread is to do next, waiting for it as long as it takes. It asks for another
    /// thread only if `may_start`.
    ///
    /// # Errors
    /// [`WaitError`], on the main thread only.
    pub fn next(&mut self, may_start: bool) -> Result<Next<J>, WaitError> {
        let mut woken = false;
        loop {
            match self.look(woken, may_start) {
                Found::Job { job, wake, place, attended } => {
                    self.pass_on(wake, place, attended);
                    return Ok(Next::Job(job));
                }
                Found::Spawn => return Ok(Next::Spawn),
                Found::End => {
                    self.queue.tell_attendants();
                    return Ok(Next::End);
                }
                Found::Nothing => self.queue.tell_attendants(),
            }
            let queue = &*self.queue;
            let request = Park {
                queue: &queue.idle,
                what: &Idle(queue.idle_id()),
                deadline: Deadline::NEVER,
                since: None,
                next: None,
            };
            let nothing = |list: &mut WaitList| {
                let mut state = queue.state.lock();
                let nothing = state.jobs.is_empty() && state.phase == Phase::Open;
                if nothing {
                    state.parked = list.len() + 1;
                }
                nothing
            };
            woken = matches!(
                park(&request, nothing, || true, |_| queue.give_back())?,
                Parked::Notified(_)
            );
        }
    }

    /// The next job, if there is one. Never blocks.
    pub fn try_job(&mut self) -> Option<J> {
        match self.look(false, false) {
            Found::Job { job, wake, place, attended } => {
                self.pass_on(wake, place, attended);
                Some(job)
            }
            Found::Spawn | Found::Nothing | Found::End => None,
        }
    }

    /// Says that the job is as good as done, so that the thread counts as one without work: to be
    /// called right before others can see that ([`FutureCell::finish_with`]), if no callback is to
    /// be called afterwards. Who then submits a job finds this thread idle.
    ///
    /// [`FutureCell::finish_with`]: super::FutureCell::finish_with
    pub fn rest(&mut self) {
        if std::mem::take(&mut self.busy) {
            let mut state = self.queue.state.lock();
            state.busy -= 1;
            self.queue.note(&state);
        }
    }

    /// Says that the job that was taken last had been called off: for those who look.
    pub fn called_off(&self) {
        #[cfg(not(loom))]
        {
            let _state = self.queue.state.lock();
            self.queue.crew.info.note_not_run();
        }
    }

    fn look(&mut self, woken: bool, may_start: bool) -> Found<J> {
        let mut state = self.queue.state.lock();
        if woken {
            state.waking = false;
        }
        if std::mem::take(&mut self.scouts) {
            state.scouting = state.scouting.saturating_sub(1);
        }
        if std::mem::take(&mut self.busy) {
            state.busy -= 1;
        }
        if may_start && state.wants_scout() {
            self.scouts = true;
            state.scouting += 1;
            self.queue.note_completeness(&state);
            return Found::Spawn;
        }
        let job = state.jobs.pop();
        if job.is_some() {
            self.busy = true;
            state.busy += 1;
            #[cfg(not(loom))]
            self.queue.crew.info.note_taken();
        }
        if state.phase != Phase::Open && state.jobs.is_empty() {
            self.queue.note_completeness(&state);
        } else {
            self.queue.note(&state);
        }
        match job {
            Some(job) => {
                let attended = state.attending > 0;
                Found::Job {
                    job,
                    wake: state.wants_wake(),
                    place: state.submitters_parked,
                    attended,
                }
            }
            None if state.phase == Phase::Open => Found::Nothing,
            None => Found::End,
        }
    }

    fn pass_on(&self, wake: bool, place: bool, attended: bool) {
        if wake {
            self.queue.wake_worker();
        }
        if attended {
            self.queue.tell_attendants();
        }
        if place {
            self.queue.wake_submitter();
        }
    }
}

impl<J> WorkQueue<J> {
    /// Sits down as one of the pool's threads: the first thing that a started thread does.
    pub fn enter(self: &Arc<Self>) -> Seat<J> {
        let word = thread_word();
        drop(current());
        self.crew.join(word);
        let mut state = self.state.lock();
        state.starting = state.starting.saturating_sub(1);
        self.note_completeness(&state);
        drop(state);
        self.tell_attendants();
        Seat { queue: self.clone(), word, busy: false, scouts: false }
    }

    fn idle_id(&self) -> usize {
        std::ptr::from_ref(&self.idle) as usize
    }

    /// Hands on a wake that its receiver could not use.
    fn give_back(&self) {
        let wake = {
            let mut state = self.state.lock();
            state.waking = false;
            state.wants_wake()
        };
        if wake {
            self.wake_worker();
        } else {
            self.tell_attendants();
        }
    }
}

impl<J> Drop for Seat<J> {
    fn drop(&mut self) {
        {
            let mut state = self.queue.state.lock();
            state.threads = state.threads.saturating_sub(1);
            if self.busy {
                state.busy = state.busy.saturating_sub(1);
            }
            if self.scouts {
                state.scouting = state.scouting.saturating_sub(1);
            }
            self.queue.note_completeness(&state);
        }
        self.queue.tell_attendants();
        // Only now: without it the others may look as if they were all that there ever will be.
        self.queue.crew.leave(self.word);
    }
}

/// Work, as what a thread without any waits for.
struct Idle(usize);

impl Resource for Idle {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Work
    }
    fn id(&self) -> usize {
        self.0
    }
}
