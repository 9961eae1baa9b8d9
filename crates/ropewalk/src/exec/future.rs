//! What a Rust program gets for a task that it submitted.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

use super::cell::{Cancel, FutureCell, Outcome};
use super::state::State;
use super::watchers::Fired;
use crate::primitive::ShortLock;
use crate::wait::{Deadline, WaitError, survives};

/// The payload of a panic.
pub type Payload = Box<dyn Any + Send>;

/// A callback of [`Future::on_done`].
pub(super) type Callback = Box<dyn FnOnce() + Send>;

/// How a task ended.
pub(super) enum Ended<T> {
    Returned(T),
    Panicked(Payload),
    Broken,
}

impl<T> Outcome for Ended<T> {
    fn is_failure(&self) -> bool {
        !matches!(self, Self::Returned(_))
    }
}

pub(super) type Cell<T> = FutureCell<Ended<T>, Callback>;

/// A task whose outcome is a `T`, whatever it does.
pub(super) trait HasCell<T>: Send + Sync + RefUnwindSafe {
    fn cell(&self) -> &Cell<T>;
}

/// The outcome of a task that was submitted to a pool, once it is there. Dropping it lets the task
/// go on.
///
/// ```
/// use ropewalk::exec::ThreadPool;
///
/// let pool = ThreadPool::new(2);
/// let future = pool.submit(|| 6 * 7)?;
/// assert_eq!(future.result()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Interruption
/// A blocked wait runs the host's signal handlers and ends if one of them raised; the task goes on.
pub struct Future<T> {
    task: Arc<dyn HasCell<T>>,
}

/// Why there is no result.
#[non_exhaustive]
pub enum TaskError {
    /// The task panicked; the panic hook has reported it.
    Panicked(Panic),
    /// The task was cancelled before it began, or its pool has dropped it.
    Cancelled,
    /// The pool's initializer panicked before the task began.
    Broken,
    /// The wait ended early; the task goes on.
    Wait(WaitError),
}

impl From<WaitError> for TaskError {
    fn from(error: WaitError) -> Self {
        Self::Wait(error)
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => f.debug_tuple("Panicked").field(&panic.message()).finish(),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::Broken => f.write_str("Broken"),
            Self::Wait(error) => f.debug_tuple("Wait").field(error).finish(),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => match panic.message() {
                Some(message) => write!(f, "the task panicked: {message}"),
                None => f.write_str("the task panicked"),
            },
            Self::Cancelled => f.write_str("the task was cancelled"),
            Self::Broken => f.write_str("the pool's initializer panicked"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TaskError {}

/// What a task panicked with.
///
/// ```
/// # use ropewalk::exec::{TaskError, ThreadPool};
/// let pool = ThreadPool::new(1);
/// let error = pool.submit(|| std::panic::resume_unwind(Box::new(7)))?.result().unwrap_err();
/// let TaskError::Panicked(panic) = error else { panic!("{error}") };
/// assert_eq!(panic.message(), None); // not a text
/// assert_eq!(panic.into_payload().downcast_ref(), Some(&7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Panic {
    message: Option<Cow<'static, str>>,
    /// Locked so that threads can share it: it may be something that only one may use at a time.
    payload: ShortLock<Payload>,
}

impl Panic {
    fn new(payload: Payload) -> Self {
        let literal = payload.downcast_ref::<&str>().copied().map(Cow::Borrowed);
        let text = || payload.downcast_ref::<String>().cloned().map(Cow::Owned);
        Self { message: literal.or_else(text), payload: ShortLock::new(payload) }
    }

    /// What was said, if it was a text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The payload, for `std::panic::resume_unwind`.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        self.payload.into_inner()
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message).finish()
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl<T> Future<T> {
    pub(super) fn new(task: Arc<dyn HasCell<T>>) -> Self {
        Self { task }
    }

    pub(super) fn cell(&self) -> &Cell<T> {
        self.task.cell()
    }

    /// How the task stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.cell().state()
    }

    /// Whether the task has ended or was cancelled.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.cell().is_done()
    }

    /// Cancels the task unless it runs or is done; returns whether it is cancelled.
    ///
    /// ```
    /// # use ropewalk::exec::{TaskError, ThreadPool};
    /// let pool = ThreadPool::new(1);
    /// let go = std::sync::Arc::new(ropewalk::sync::Event::new());
    /// let first = pool.submit({ let go = go.clone(); move || go.wait() })?;
    /// let second = pool.submit(|| 2)?;
    /// assert!(second.cancel());
    /// assert!(matches!(second.result(), Err(TaskError::Cancelled)));
    /// go.set();
    /// first.result()??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "what matters is often that it was tried")]
    pub fn cancel(&self) -> bool {
        cancel(self.cell())
    }

    /// Calls `callback` once the task is done: on the thread that ends it, or here and now if it is
    /// done already. Callbacks are called in the order in which they were given; if one panics,
    /// the panic hook reports it, and nothing else happens.
    ///
    /// ```
    /// # use ropewalk::exec::ThreadPool;
    /// # use ropewalk::sync::Event;
    /// let (pool, told) = (ThreadPool::new(1), std::sync::Arc::new(Event::new()));
    /// let future = pool.submit(|| 1)?;
    /// future.on_done({ let told = told.clone(); move || told.set() });
    /// told.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_done(&self, callback: impl FnOnce() + Send + 'static) {
        if let Some(callback) = self.cell().add_callback(Box::new(callback)) {
            call(callback);
        }
    }

    /// The result if the task is done; the future comes back if it is not. Never blocks.
    ///
    /// # Errors
    /// The future itself. The result inside is an error as for [`Future::result`].
    pub fn try_result(self) -> Result<Result<T, TaskError>, Self> {
        if self.is_done() { Ok(self.take()) } else { Err(self) }
    }

    fn take(self) -> Result<T, TaskError> {
        match self.cell().take_outcome() {
            Some(Ended::Returned(value)) => Ok(value),
            Some(Ended::Panicked(payload)) => Err(TaskError::Panicked(Panic::new(payload))),
            Some(Ended::Broken) => Err(TaskError::Broken),
            None => Err(TaskError::Cancelled),
        }
    }
}

impl<T: Send> Future<T> {
    /// Waits until the task is done or the deadline has passed; returns whether it is done.
    ///
    /// ```
    /// # use ropewalk::{exec::ThreadPool, wait::Deadline};
    /// # let pool = ThreadPool::new(1);
    /// let future = pool.submit(|| "done")?;
    /// assert!(future.wait_until(Deadline::NEVER)?);
    /// assert_eq!(future.try_result().unwrap()?, "done");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_until(&self, deadline: Deadline) -> Result<bool, WaitError> {
        self.cell().wait_until(deadline)
    }

    /// The result, waiting for it as long as it takes.
    ///
    /// # Errors
    /// [`TaskError`].
    pub fn result(self) -> Result<T, TaskError> {
        self.wait_until(Deadline::NEVER)?;
        self.take()
    }
}

/// Cancels, and tells everybody at once: nobody has to wait for the task's turn to learn of it.
pub(super) fn cancel<T>(cell: &Cell<T>) -> bool {
    match cell.cancel() {
        Cancel::Cancelled(fired) => {
            // The pool may have done that in between.
            let _ = cell.start();
            call_all(fired);
            true
        }
        Cancel::Already => true,
        Cancel::TooLate => false,
    }
}

pub(super) fn call_all(fired: Fired<Callback>) {
    fired.into_iter().for_each(call);
}

fn call(callback: Callback) {
    // A panic has been reported by the panic hook; the others are called nevertheless.
    survives(callback);
}
