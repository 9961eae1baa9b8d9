//! Why a queue refused.

use std::convert::Infallible;
use std::fmt;

use crate::wait::WaitError;

/// Why an item was not put. The item comes back, except after a failed comparison.
///
/// `E` is what comparing two items may fail with, which only priority queues do.
#[derive(Debug)]
#[non_exhaustive]
pub enum PutError<T, E = Infallible> {
    /// There was no free place, or none became free in time.
    Full(T),
    /// The queue is shut down.
    ShutDown(T),
    /// The queue was retired ([`retire`](crate::queue::Queue::retire)).
    Retired(T),
    /// There is no memory for one more item.
    NoMemory(T),
    /// The wait ended early.
    Wait(T, WaitError),
    /// A comparison failed. The item is in the queue, at a place that may be wrong.
    Order(E),
}

impl<T, E> PutError<T, E> {
    /// The item that was not put.
    #[must_use]
    pub fn into_item(self) -> Option<T> {
        match self {
            Self::Full(item)
            | Self::ShutDown(item)
            | Self::Retired(item)
            | Self::NoMemory(item)
            | Self::Wait(item, _) => Some(item),
            Self::Order(_) => None,
        }
    }
}

impl<T> PutError<T> {
    /// The same error for a queue whose comparisons may fail.
    #[must_use]
    pub fn widen<E>(self) -> PutError<T, E> {
        match self {
            Self::Full(item) => PutError::Full(item),
            Self::ShutDown(item) => PutError::ShutDown(item),
            Self::Retired(item) => PutError::Retired(item),
            Self::NoMemory(item) => PutError::NoMemory(item),
            Self::Wait(item, error) => PutError::Wait(item, error),
            Self::Order(never) => match never {},
        }
    }
}

impl<T, E: fmt::Display> fmt::Display for PutError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the queue is full"),
            Self::ShutDown(_) => f.write_str("the queue is shut down"),
            Self::Retired(_) => f.write_str("the queue is retired"),
            Self::NoMemory(_) => f.write_str("no memory for one more item"),
            Self::Wait(_, error) => error.fmt(f),
            Self::Order(error) => error.fmt(f),
        }
    }
}

impl<T: fmt::Debug, E: fmt::Debug + fmt::Display> std::error::Error for PutError<T, E> {}

/// Why no item was got.
#[derive(Debug)]
#[non_exhaustive]
pub enum GetError<E = Infallible> {
    /// There was no item, or none came in time.
    Empty,
    /// The queue is shut down and has no item left.
    ShutDown,
    /// The queue was retired ([`retire`](crate::queue::Queue::retire)).
    Retired,
    /// The wait ended early.
    Wait(WaitError),
    /// A comparison failed; the item that was to be got is dropped.
    Order(E),
}

impl GetError {
    /// The same error for a queue whose comparisons may fail.
    #[must_use]
    pub fn widen<E>(self) -> GetError<E> {
        match self {
            Self::Empty => GetError::Empty,
            Self::ShutDown => GetError::ShutDown,
            Self::Retired => GetError::Retired,
            Self::Wait(error) => GetError::Wait(error),
            Self::Order(never) => match never {},
        }
    }
}

impl<E> From<WaitError> for GetError<E> {
    fn from(error: WaitError) -> Self {
        Self::Wait(error)
    }
}

impl<E: fmt::Display> fmt::Display for GetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the queue is empty"),
            Self::ShutDown => f.write_str("the queue is shut down"),
            Self::Retired => f.write_str("the queue is retired"),
            Self::Wait(error) => error.fmt(f),
            Self::Order(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for GetError<E> {}

/// `task_done` was called more often than items were put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTasksDone;

impl fmt::Display for TooManyTasksDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done() called too many times")
    }
}

impl std::error::Error for TooManyTasksDone {}

/// Why [`join`](crate::queue::Queue::join) failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// The queue was retired ([`retire`](crate::queue::Queue::retire)).
    Retired,
    /// The wait ended early.
    Wait(WaitError),
}

impl From<WaitError> for JoinError {
    fn from(error: WaitError) -> Self {
        Self::Wait(error)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retired => f.write_str("the queue is retired"),
            Self::Wait(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {}
