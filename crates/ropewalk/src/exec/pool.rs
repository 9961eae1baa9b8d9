//! A pool of threads for Rust programs.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::builder::{Builder, Initializer};
use super::future::Future;
use super::submit::{SubmitError, Submitted};
use super::task::{Job, Task};
use super::work::{Phase, WorkQueue};
use crate::primitive::{AtomicUsize, Ordering, ShortLock, thread_word};
use crate::sync::{Event, ThreadLife};
use crate::wait::{Deadline, WaitError, current, survives};
use crate::watch;

/// Threads that do tasks: at most so many, each started when it is needed and kept for the next
/// task.
///
/// Dropping the pool waits for all tasks. A task that waits for others of the same pool occupies its
/// thread meanwhile; if that leaves no thread for the others, the wait fails as a deadlock.
///
/// ```
/// use ropewalk::exec::ThreadPool;
///
/// let pool = ThreadPool::new(4);
/// let squares: Vec<_> = (0..10).map(|i| pool.submit(move || i * i)).collect::<Result<_, _>>()?;
/// let mut sum = 0;
/// for future in squares {
///     sum += future.result()?;
/// }
/// assert_eq!(sum, 285);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Interruption
/// Waits for a place ([`Builder::max_pending`]) and for the threads' end ([`ThreadPool::shutdown`])
/// run the host's signal handlers and end if one of them raised. In the child of a fork none of the
/// pool's threads is there: make a new one.
#[derive(Debug)]
pub struct ThreadPool {
    submitter: Submitter,
}

/// A handle by which tasks are submitted, with a priority: for tasks that submit tasks, say. It does
/// not keep the pool from being shut down.
///
/// ```
/// use ropewalk::exec::ThreadPool;
///
/// let pool = ThreadPool::new(2);
/// let submitter = pool.submitter();
/// let outer = pool.submit(move || submitter.submit(|| 1).map(|inner| inner.result()))?;
/// assert_eq!(outer.result()?.unwrap()?, 1);
/// let urgent = pool.submitter().with_priority(10);
/// assert_eq!(urgent.submit(|| 2)?.result()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Submitter {
    shared: Arc<Shared>,
    priority: i64,
}

struct Shared {
    queue: Arc<WorkQueue<Job>>,
    name: String,
    initializer: Option<Initializer>,
    /// The threads that were started.
    threads: ShortLock<Vec<Member>>,
    /// How many that would be, had none failed to start.
    numbers: AtomicUsize,
    /// Set when the last thread has left a pool that is shut down.
    deserted: Event,
}

/// One thread of a pool.
struct Member {
    life: Arc<ThreadLife>,
    /// Set by whoever starts it, once that is done.
    handle: Option<JoinHandle<()>>,
}

// An initializer that panics is its pool's last, and is caught.
impl UnwindSafe for Submitter {}
impl RefUnwindSafe for Submitter {}

impl fmt::Debug for Submitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter")
            .field("pool", &self.shared.name)
            .field("queue", &self.shared.queue)
            .field("priority", &self.priority)
            .finish()
    }
}

impl ThreadPool {
    /// A pool of at most `threads` threads.
    ///
    /// # Panics
    /// If `threads` is 0.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self::builder().threads(threads).build()
    }

    pub(super) fn with(
        name: String,
        threads: usize,
        max_pending: usize,
        initializer: Option<Initializer>,
    ) -> Self {
        let shared = Arc::new(Shared {
            queue: Arc::new(WorkQueue::new(&name, threads, max_pending)),
            name,
            initializer,
            threads: ShortLock::new(Vec::new()),
            numbers: AtomicUsize::new(0),
            deserted: Event::new(),
        });
        Self { submitter: Submitter { shared, priority: 0 } }
    }

    /// A pool that is described step by step.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A handle by which tasks can be submitted from anywhere.
    #[must_use]
    pub fn submitter(&self) -> Submitter {
        self.submitter.clone()
    }

    /// Submits a task, waiting for a place if only so many may wait for their turn.
    ///
    /// # Errors
    /// [`SubmitError`], which gives the task back; never [`SubmitError::Full`].
    pub fn submit<T, F>(&self, task: F) -> Result<Future<T>, SubmitError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.submitter.submit(task)
    }

    /// Submits a task if there is a place for it. Never blocks.
    ///
    /// # Errors
    /// [`SubmitError`], which gives the task back.
    pub fn try_submit<T, F>(&self, task: F) -> Result<Future<T>, SubmitError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.submitter.submit_until(task, Deadline::PAST)
    }

    /// Submits a task, waiting for a place until the deadline.
    ///
    /// # Errors
    /// [`SubmitError`], which gives the task back.
    pub fn submit_until<T, F>(
        &self,
        task: F,
        deadline: Deadline,
    ) -> Result<Future<T>, SubmitError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.submitter.submit_until(task, deadline)
    }

    /// Takes no more tasks. Those that wait for their turn are still done, or are cancelled if
    /// `cancel`. Does not wait for them: see [`ThreadPool::join`].
    ///
    /// ```
    /// use ropewalk::exec::{SubmitError, ThreadPool};
    ///
    /// let pool = ThreadPool::new(1);
    /// let future = pool.submit(|| 1)?;
    /// pool.shutdown(false);
    /// assert!(matches!(pool.submit(|| 2), Err(SubmitError::ShutDown(_))));
    /// pool.join()?;
    /// assert_eq!(future.try_result().unwrap()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self, cancel: bool) {
        // A job that is dropped is cancelled.
        drop(self.submitter.shared.queue.shut_down(cancel));
    }

    /// Shuts down and waits until all tasks are done and all threads have ended.
    ///
    /// # Errors
    /// [`WaitError`], a deadlock among them if it is called by a task of the pool.
    pub fn join(&self) -> Result<(), WaitError> {
        self.join_until(Deadline::NEVER).map(drop)
    }

    /// Shuts down and waits until all tasks are done and all threads have ended, or until the
    /// deadline; returns whether they have.
    ///
    /// # Errors
    /// As [`ThreadPool::join`].
    pub fn join_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        self.shutdown(false);
        let shared = &self.submitter.shared;
        let lives: Vec<_> =
            shared.threads.lock().iter().map(|member| member.life.clone()).collect();
        for life in lives {
            if !life.join_until(deadline)? {
                return Ok(false);
            }
        }
        // Somebody who submitted a task right before the shutdown may be about to start a thread.
        Ok(shared.queue.threads() == 0 || shared.deserted.wait_until(deadline)?)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if self.submitter.shared.queue.crew().has(thread_word()) {
            // A task was the last that owned the pool: it does not wait for its own end.
            self.shutdown(false);
        } else if self.join().is_ok() {
            let threads = std::mem::take(&mut *self.submitter.shared.threads.lock());
            for member in threads {
                // Its life is over: what is left is the system's to do. A panic has been reported.
                let _ = member.handle.map(JoinHandle::join);
            }
        }
    }
}

impl Submitter {
    /// The same, for tasks of this priority: higher ones are done first, equal ones first come
    /// first; without this it is 0.
    #[must_use]
    pub fn with_priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// As [`ThreadPool::submit`].
    ///
    /// # Errors
    /// As there.
    pub fn submit<T, F>(&self, task: F) -> Result<Future<T>, SubmitError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.submit_until(task, Deadline::NEVER)
    }

    /// As [`ThreadPool::try_submit`].
    ///
    /// # Errors
    /// As there.
    pub fn try_submit<T, F>(&self, task: F) -> Result<Future<T>, SubmitError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.submit_until(task, Deadline::PAST)
    }

    /// As [`ThreadPool::submit_until`].
    ///
    /// # Errors
    /// As there.
    #[expect(clippy::missing_panics_doc, reason = "a task that was not queued is as it was")]
    pub fn submit_until<T, F>(
        &self,
        task: F,
        deadline: Deadline,
    ) -> Result<Future<T>, SubmitError<F>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let queue = &self.shared.queue;
        let (task, job) = Task::new(queue.crew(), task);
        match queue.submit_until(job, self.priority, deadline) {
            Ok(Submitted::Queued) => {}
            Ok(Submitted::Spawn) => {
                if !self.shared.start_thread() && queue.start_failed() == 0 {
                    // Nobody is left to do them.
                    for job in queue.take_jobs() {
                        survives(|| drop(job));
                    }
                    self.shared.note_desertion();
                    if let Some(work) = task.take_work() {
                        return Err(SubmitError::NoThread(work));
                    }
                }
            }
            Err(error) => {
                return Err(error.map(|_job| {
                    task.take_work().expect("a task that was not queued was not done")
                }));
            }
        }
        Ok(Future::new(task))
    }
}

impl Shared {
    /// Starts one more thread; `false` if there can be none.
    fn start_thread(self: &Arc<Self>) -> bool {
        // Relaxed: a number that no other thread of the pool has.
        let name = format!("{}_{}", self.name, self.numbers.fetch_add(1, Ordering::Relaxed));
        let life = Arc::new(ThreadLife::new());
        // Before it runs: its first task may wait for the end of the pool, and so for its own.
        self.threads.lock().push(Member { life: life.clone(), handle: None });
        watch::thread_is_starting();
        let (shared, its) = (self.clone(), life.clone());
        let started = std::thread::Builder::new().name(name.clone()).spawn(move || {
            its.begin();
            current().set_name(&*name);
            watch::thread_has_started();
            // With the last that shares it the initializer is dropped.
            survives(move || shared.work());
            its.end();
            watch::thread_is_leaving(&current());
        });
        let mut threads = self.threads.lock();
        let place = threads.iter().position(|member| Arc::ptr_eq(&member.life, &life));
        match (started, place) {
            (Ok(handle), Some(place)) => threads[place].handle = Some(handle),
            // The pool is over already: the thread's end is nobody's business any more.
            (Ok(_), None) => {}
            (Err(_), place) => {
                place.map(|place| threads.swap_remove(place));
                drop(threads);
                watch::thread_has_started();
                return false;
            }
        }
        true
    }

    /// What each thread does.
    fn work(&self) {
        let mut seat = self.queue.enter();
        if !self.initializer.as_ref().is_none_or(survives) {
            let mut called_off = 0;
            for job in self.queue.break_down() {
                called_off += usize::from(job.is_cancelled());
                survives(|| job.fail());
            }
            self.queue.called_off(called_off);
        }
        while let Ok(Some(job)) = seat.next_job() {
            // A task's own panic is in its outcome. But what it captured or returned may be dropped
            // here, and the thread must go on.
            survives(|| job.run(&mut seat));
        }
        drop(seat);
        self.note_desertion();
    }

    fn note_desertion(&self) {
        if self.queue.phase() != Phase::Open && self.queue.threads() == 0 {
            self.deserted.set();
        }
    }
}
