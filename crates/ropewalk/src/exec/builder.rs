//! How a pool is to be, said step by step.

use std::fmt;

use super::pool::ThreadPool;
use crate::primitive::{AtomicUsize, Ordering};

/// How a pool is to be.
///
/// ```
/// use ropewalk::exec::ThreadPool;
///
/// let pool = ThreadPool::builder().threads(2).name("worker").max_pending(100).build();
/// let name = pool.submit(|| std::thread::current().name().map(String::from))?;
/// assert_eq!(name.result()?.as_deref(), Some("worker_0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Builder {
    threads: Option<usize>,
    name: Option<String>,
    max_pending: usize,
    initializer: Option<Initializer>,
}

pub(super) type Initializer = Box<dyn Fn() + Send + Sync>;

/// How many pools were made that have no name of their own.
static POOLS: AtomicUsize = AtomicUsize::new(0);

impl Builder {
    /// At most so many threads; without this, as many as the machine runs at once.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The name of the pool, and of its threads with a number each.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// At most so many tasks wait for their turn; 0, which it is without this, means no limit.
    #[must_use]
    pub fn max_pending(mut self, tasks: usize) -> Self {
        self.max_pending = tasks;
        self
    }

    /// What each thread does before its first task. If it panics, the pool is broken: tasks that
    /// wait fail with [`TaskError::Broken`](super::TaskError::Broken), and no more are taken.
    #[must_use]
    pub fn initializer(mut self, initializer: impl Fn() + Send + Sync + 'static) -> Self {
        self.initializer = Some(Box::new(initializer));
        self
    }

    /// The pool.
    ///
    /// # Panics
    /// If it is to have 0 threads.
    #[must_use]
    pub fn build(self) -> ThreadPool {
        let threads = self
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(4, Into::into));
        let name = self.name.unwrap_or_else(|| {
            // Relaxed: a number that no other pool has.
            format!("ThreadPool-{}", POOLS.fetch_add(1, Ordering::Relaxed))
        });
        ThreadPool::with(name, threads, self.max_pending, self.initializer)
    }
}

impl Default for ThreadPool {
    /// A pool of as many threads as the machine runs at once.
    fn default() -> Self {
        Self::builder().build()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("threads", &self.threads)
            .field("name", &self.name)
            .field("max_pending", &self.max_pending)
            .finish_non_exhaustive()
    }
}
