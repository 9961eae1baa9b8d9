//! When one more thread is started: at once, or only when those on their way are too few.
//!
//! Usually a submit that finds more jobs than idle threads asks its caller for one more thread. On
//! a host with one lock that is often too early. The submitter has the lock, a thread that was
//! woken or started waits for it, and may do all the jobs of a burst before it lets go of it again:
//! those threads that were started besides find nothing. So there threads are *deferred*: a thread
//! that is on its way to the queue and will look before it does anything else is a **scout**, and
//! who submits while there is one leaves it to the scout to ask for more.
//!
//! | scout | from | until |
//! |---|---|---|
//! | `starting` | a thread was asked for | it sits down, or could not be started |
//! | `waking` | an idle thread was woken | it looks |
//! | `scouting` | a scout asked for one more thread | it looks again, having started that |
//!
//! A scout that looks and finds more jobs than idle threads, with no other scout on its way, asks
//! for one more thread *before* it takes a job, and stays a scout until that is started. So jobs
//! begin in their order, and the new thread does them while the scout waits for the host's lock:
//! as soon as a job blocks, and so lets go of the lock, the scout is there to start the next.
//!
//! Who waits for the jobs of a pool to be done anyway may **attend** to it (`attending`): it waits
//! until the scouts have looked, and then for the host's lock, as every waiter does that was woken.
//! It gets that when a job blocks or all are done; only if some are left it starts a thread. While
//! somebody attends, scouts ask for none.
//!
//! Invariants, of a queue that defers:
//! 1. If jobs are queued, more of them than there are idle threads, and there may be more threads,
//!    then there is a scout, or somebody attends, or a thread that was idle when the pool was
//!    closed is about to look. So no job waits for a thread that could be started, unless for as
//!    long as the host's lock is held, without which no thread could begin it.
//! 2. Between becoming a scout and looking a thread runs no code of a user.
//! 3. Who waits as an attendant is told of every change that may end the wait: each look, each
//!    sitting down and failure to do so, each end of a launch, each taking out of jobs.
//!
//! Whoever starts a thread says so ([`WorkQueue::launch`]): who counts the threads waits until those
//! are in their place that nobody's submit is about to bring.

use super::work::{State, WorkQueue};
use crate::primitive::thread_word;
use crate::wait::{Deadline, NORMAL, Park, Resource, ResourceKind, WaitError, WaitQueue, park};

impl<J> State<J> {
    /// Whether a thread is on its way to the queue that will look before it does anything else.
    pub(super) fn has_scout(&self) -> bool {
        self.starting > 0 || self.waking || self.scouting > 0
    }

    fn may_grow(&self) -> bool {
        self.threads < self.most && self.jobs.len() > self.idle()
    }

    /// Counts one more thread that is to be started, if there are too few for the jobs.
    pub(super) fn claim(&mut self) -> bool {
        let claimed = self.may_grow();
        if claimed {
            self.threads += 1;
            self.starting += 1;
        }
        claimed
    }

    /// For a thread that looks: counts one more thread that it is to start before it takes a job.
    pub(super) fn wants_scout(&mut self) -> bool {
        // Whoever is parked will be woken, and look.
        self.defers && self.attending == 0 && self.parked == 0 && !self.has_scout() && self.claim()
    }
}

impl<J> WorkQueue<J> {
    /// Says whether threads are started only when those that are on their way are too few: for a
    /// host with one lock, whose threads run no code of a user between their start, or their wake,
    /// and their look at the queue ([`Seat::next`](super::Seat::next)).
    pub fn defer_threads(&self, defers: bool) {
        let mut state = self.state.lock();
        state.defers = defers;
        self.note_completeness(&state);
    }

    /// Whether there are too few threads for the jobs: then one more is to be started by the
    /// caller, and is counted already.
    #[must_use = "the thread is counted already"]
    pub fn claim_thread(&self) -> bool {
        let mut state = self.state.lock();
        let claimed = state.claim();
        self.note_completeness(&state);
        claimed
    }

    /// As [`WorkQueue::claim_thread`], if there is no scout and nobody attends.
    #[must_use = "the thread is counted already"]
    pub fn claim_if_unseen(&self) -> bool {
        let mut state = self.state.lock();
        let claimed = state.attending == 0 && !state.has_scout() && state.claim();
        self.note_completeness(&state);
        claimed
    }

    /// Begins to see to the threads: from now on none is asked for by others. Who does that calls
    /// [`WorkQueue::attend`] until it has no more to do, and ends it ([`WorkQueue::leave`]).
    pub fn attend_to(&self) {
        self.state.lock().attending += 1;
    }

    /// Ends what `attend_to` began. Whether one more thread is to be started by the caller, as for
    /// [`WorkQueue::claim_thread`]; it will see to the others.
    #[must_use = "the thread is counted already"]
    pub fn leave(&self) -> bool {
        {
            let mut state = self.state.lock();
            state.attending = state.attending.saturating_sub(1);
        }
        self.claim_if_unseen()
    }

    /// Waits until every scout has looked. Whether one more thread is to be started by the caller,
    /// as for [`WorkQueue::claim_thread`], which is then to be called again; if not there is no
    /// need to attend any more.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn attend(&self) -> Result<bool, WaitError> {
        self.wait_while(Deadline::NEVER, |state| {
            state.threads < state.most && !state.jobs.is_empty() && state.has_scout()
        })?;
        Ok(self.claim_thread())
    }

    /// Says that the calling thread starts one of the pool's, until what this returns is dropped.
    /// Whether others wait for that ([`WorkQueue::wait_launched`]) is said by `awaited`.
    #[must_use = "dropping it ends the launch"]
    pub fn launch(&self, awaited: bool) -> Launch<'_, J> {
        let word = thread_word();
        self.state.lock().launches.push((word, awaited));
        Launch { queue: self, word, awaited }
    }

    /// Whether the calling thread is about to start one of the pool's.
    #[must_use]
    pub fn is_launching(&self) -> bool {
        let me = thread_word();
        self.state.lock().launches.iter().any(|&(word, _)| word == me)
    }

    /// Waits until nobody starts a thread any more that others wait for, or the time is up; to be
    /// called by one who attends.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_launched(&self, deadline: Deadline) -> Result<(), WaitError> {
        self.wait_while(deadline, |state| state.launches.iter().any(|&(_, awaited)| awaited))
    }

    fn wait_while(
        &self,
        deadline: Deadline,
        waits: impl Fn(&State<J>) -> bool,
    ) -> Result<(), WaitError> {
        while waits(&self.state.lock()) && !deadline.has_passed() {
            let what = Scouts(&self.attendants);
            let request =
                Park { queue: &self.attendants, what: &what, deadline, since: None, next: None };
            // A wake that crossed an exception needs no handing on: everybody was woken.
            park(&request, |_| waits(&self.state.lock()), || true, |_| {})?;
        }
        Ok(())
    }

    /// Tells those who attend of a change.
    pub(super) fn tell_attendants(&self) {
        if self.state.lock().attending > 0 {
            self.attendants.notify_many(usize::MAX, NORMAL);
        }
    }
}

/// A thread that starts one of a pool's, while it does so.
#[derive(Debug)]
pub struct Launch<'a, J> {
    queue: &'a WorkQueue<J>,
    word: usize,
    awaited: bool,
}

impl<J> Drop for Launch<'_, J> {
    fn drop(&mut self) {
        {
            let launches = &mut self.queue.state.lock().launches;
            // Not there in the child of a fork.
            if let Some(index) = launches.iter().position(|it| *it == (self.word, self.awaited)) {
                launches.swap_remove(index);
            }
        }
        self.queue.tell_attendants();
    }
}

/// A look of a pool's threads at its jobs, as what an attendant waits for: soon to come.
struct Scouts<'a>(&'a WaitQueue);

impl Resource for Scouts<'_> {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Thread
    }
    fn id(&self) -> usize {
        std::ptr::from_ref(self.0) as usize
    }
}
