//! What a host whose programs look into its pools needs besides.

use super::work::WorkQueue;

impl<J> WorkQueue<J> {
    /// How many threads have no job.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.state.lock().idle()
    }

    /// Takes one job out, the one that would be done next.
    #[must_use = "its future is to be ended"]
    pub fn take_job(&self) -> Option<J> {
        let (job, place) = {
            let mut state = self.state.lock();
            (state.jobs.pop(), state.submitters_parked)
        };
        if place {
            self.wake_submitter();
        }
        self.tell_attendants();
        job
    }

    /// Sets how many threads there may be. Those that are there stay; one more is asked for when a
    /// job is submitted.
    pub fn set_threads(&self, threads: usize) {
        {
            let mut state = self.state.lock();
            state.most = threads.max(1);
            self.note_completeness(&state);
        }
        self.tell_attendants();
    }

    /// For the garbage collector of a host: calls `each` with the jobs that wait, unless the
    /// calling thread itself is just changing them.
    pub fn try_visit(&self, each: impl FnMut(&J)) {
        if let Some(state) = self.state.lock_to_collect() {
            state.jobs.iter().for_each(each);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::super::{Submitted, WorkQueue};

    #[test]
    fn a_thread_that_is_given_up_while_it_works_is_not_idle() {
        let queue = Arc::new(WorkQueue::new("hosted", 1, 0));
        assert_eq!(queue.try_submit(1, 0).unwrap(), Submitted::Spawn);
        let mut seat = queue.enter();
        assert_eq!(seat.try_job(), Some(1));
        assert_eq!(queue.start_failed(), 0);
        assert_eq!(queue.idle(), 0);
    }

    #[test]
    fn a_host_may_look_and_take() {
        let queue = WorkQueue::new("hosted", 1, 0);
        assert_eq!(queue.try_submit("usual", 0).unwrap(), Submitted::Spawn);
        assert_eq!(queue.try_submit("urgent", 1).unwrap(), Submitted::Queued);
        assert_eq!(queue.idle(), 1);
        let mut seen = Vec::new();
        queue.try_visit(|job| seen.push(*job));
        assert_eq!(seen, ["usual", "urgent"]);
        assert_eq!(queue.take_job(), Some("urgent"));
        queue.set_threads(2);
        assert_eq!(queue.try_submit("more", 0).unwrap(), Submitted::Spawn);
        assert_eq!(queue.take_job(), Some("usual"));
        assert_eq!(queue.take_job(), Some("more"));
        assert_eq!(queue.take_job(), None);
    }
}
