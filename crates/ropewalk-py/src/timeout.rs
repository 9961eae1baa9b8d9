//! Timeouts as Python programs give them.
//!
//! The usual types are read here. Everything else is given to a free lock of CPython's own, which
//! refuses what CPython refuses, in the words of the running version, and otherwise returns at once.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::time::Duration;

use pyo3::Borrowed;
use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt};
use ropewalk::wait::Deadline;

use super::host::{self, Made};

/// An argument that may be left out; unlike with `Option`, a `None` that was given is seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given<'a, 'py>(Option<Borrowed<'a, 'py, PyAny>>);

impl<'a, 'py> FromPyObject<'a, 'py> for Given<'a, 'py> {
    type Error = Infallible;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self(Some(value)))
    }
}

impl<'a, 'py> From<Borrowed<'a, 'py, PyAny>> for Given<'a, 'py> {
    fn from(value: Borrowed<'a, 'py, PyAny>) -> Self {
        Self(Some(value))
    }
}

impl<'a, 'py> Given<'a, 'py> {
    pub(crate) const NOT: Self = Self(None);

    pub(crate) fn get(self) -> Option<Borrowed<'a, 'py, PyAny>> {
        self.0
    }

    /// The value, a `None` that was given counting as left out.
    pub(crate) fn not_none(self) -> Option<Borrowed<'a, 'py, PyAny>> {
        self.0.filter(|value| !value.is_none())
    }
}

/// `threading.TIMEOUT_MAX`: the longest timeout in seconds that a lock takes.
pub(crate) const TIMEOUT_MAX: f64 = 9_223_372_036.0;

/// How long a lock's `acquire` may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    Try,
    /// Until then.
    Until(Deadline),
}

/// The arguments of `Lock.acquire(blocking=True, timeout=-1)`.
#[inline]
pub(crate) fn lock_arguments(
    py: Python<'_>,
    blocking: Given<'_, '_>,
    timeout: Given<'_, '_>,
) -> PyResult<Patience> {
    if blocking.get().is_none() && timeout.get().is_none() {
        return Ok(Patience::Until(Deadline::NEVER));
    }
    lock_arguments_slow(py, blocking, timeout)
}

#[expect(clippy::float_cmp, reason = "-1 and 0 are exact")]
fn lock_arguments_slow(
    py: Python<'_>,
    blocking: Given<'_, '_>,
    timeout: Given<'_, '_>,
) -> PyResult<Patience> {
    let usual_blocking = match blocking.get() {
        None => Some(true),
        Some(value) => value.cast::<PyBool>().ok().map(|value| value.is_true()),
    };
    let usual_timeout = match timeout.get() {
        None => Some(-1.0),
        Some(value) => usual_seconds(&value),
    };
    if let (Some(blocking), Some(seconds)) = (usual_blocking, usual_timeout) {
        let in_range = (0.0..=TIMEOUT_MAX).contains(&seconds);
        match blocking {
            true if seconds == -1.0 => return Ok(Patience::Until(Deadline::NEVER)),
            true if seconds == 0.0 => return Ok(Patience::Try),
            true if in_range => return Ok(Patience::Until(after(seconds))),
            false if seconds == -1.0 => return Ok(Patience::Try),
            _ => {}
        }
    }
    // Unusual or wrong: CPython's own lock decides.
    let judge = host::cpython_lock_acquire(py)?;
    let blocking = plain_blocking(py, blocking)?;
    let seconds = match timeout.get() {
        None => {
            host::call(&judge, (&blocking,), None)?;
            -1.0
        }
        Some(value) => {
            let value = plain(&value)?;
            host::call(&judge, (&blocking, &value), None)?;
            host::as_float(&value)?
        }
    };
    Ok(match (host::is_true(&blocking)?, seconds) {
        (false, _) => Patience::Try,
        (true, seconds) if seconds < 0.0 => Patience::Until(Deadline::NEVER),
        (true, seconds) => Patience::Until(after(seconds)),
    })
}

/// The `blocking` of a lock, without code of the program's, which runs once: an int up to CPython
/// 3.11, true or false afterwards.
fn plain_blocking<'py>(py: Python<'py>, blocking: Given<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let truth = match blocking.get() {
        None => true,
        Some(value) if py.version_info() < (3, 12) => return as_int(&value),
        Some(value) => host::is_true(&value)?,
    };
    Ok(PyBool::new(py, truth).to_owned().into_any())
}

/// A timeout as CPython's own lock takes it, without code of the program's, which runs once.
pub(crate) fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if value.is_instance_of::<PyFloat>() {
        return value.extract::<f64>()?.made(value.py());
    }
    as_int(value)
}

/// The int that an object stands for; the object itself, for CPython to refuse, if there is none.
fn as_int<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let has_int = host::attribute_opt(&value.get_type(), host::word!(value.py(), "__index__")?)?;
    if has_int.is_some() { host::index(value) } else { Ok(value.clone()) }
}

/// A finite float or an int that fits one.
pub(crate) fn usual_seconds(value: &Bound<'_, PyAny>) -> Option<f64> {
    if value.is_exact_instance_of::<PyFloat>() {
        value.extract::<f64>().ok().filter(|seconds| seconds.is_finite())
    } else if value.is_exact_instance_of::<PyInt>() {
        // A small one first: to ask an int for a float makes an object.
        let small = value.extract::<i32>().map(f64::from);
        small.or_else(|_| value.extract::<f64>()).ok()
    } else {
        None
    }
}

pub(crate) fn after(seconds: f64) -> Deadline {
    Deadline::after(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The `timeout=None` of a class that CPython writes in Python: `None` is forever, zero and less
/// is not at all.
pub(crate) fn optional_timeout(py: Python<'_>, timeout: Given<'_, '_>) -> PyResult<Deadline> {
    let Some(value) = timeout.not_none() else { return Ok(Deadline::NEVER) };
    match usual_seconds(&value) {
        Some(seconds) if seconds <= 0.0 => return Ok(Deadline::PAST),
        Some(seconds) if seconds <= TIMEOUT_MAX => return Ok(after(seconds)),
        _ => {}
    }
    // What is not a number is zero up to CPython 3.13, and its lock's to refuse from 3.14 on.
    let at_once = if py.version_info() >= (3, 14) {
        host::compare(&value, CompareOp::Le, 0)?
    } else {
        !host::compare(&value, CompareOp::Gt, 0)?
    };
    if at_once {
        return Ok(Deadline::PAST);
    }
    judged(py, &value)
}

/// A timeout that CPython's own lock takes.
pub(crate) fn judged(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Deadline> {
    let value = plain(value)?;
    host::call(&host::cpython_lock_acquire(py)?, (true, &value), None)?;
    Ok(after(host::as_float(&value)?))
}

/// As [`optional_timeout`], where CPython's code adds the timeout to the time before anything else:
/// what cannot be added is refused in those words. With what is not a number it tries again and
/// again, up to CPython 3.13.
pub(crate) fn added_timeout(py: Python<'_>, timeout: Given<'_, '_>) -> PyResult<Deadline> {
    let Some(value) = timeout.not_none() else { return Ok(Deadline::NEVER) };
    if usual_seconds(&value).is_none() {
        let sum = host::add(&0.0.made(py)?, &value)?;
        if py.version_info() < (3, 14) && !host::compare(&value, CompareOp::Gt, 0)? {
            let past = host::compare(&sum, CompareOp::Le, 0);
            host::discard(sum);
            return Ok(if past? { Deadline::PAST } else { Deadline::NEVER });
        }
        host::discard(sum);
    }
    optional_timeout(py, timeout)
}

/// When a timeout is over that is then given to somebody else's method, who judges it: only what
/// cannot be added to a time is refused.
#[derive(Debug)]
pub(crate) enum End<'py> {
    At(Deadline),
    /// A time of Python's clock with something added to it that is not a number.
    Sum(Bound<'py, PyAny>),
}

impl<'py> End<'py> {
    pub(crate) fn of(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = value.py();
        let seconds = if let Some(seconds) = usual_seconds(value) {
            seconds
        } else {
            let now = now(py)?;
            let sum = host::add(&now, value)?;
            match host::as_float(&sum) {
                Ok(end) => end - host::as_float(&now)?,
                Err(_) => return Ok(Self::Sum(sum)),
            }
        };
        Ok(Self::At(if seconds <= 0.0 { Deadline::PAST } else { after(seconds) }))
    }

    /// The timeout that is left; nothing when it is over.
    pub(crate) fn left(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self {
            Self::At(deadline) if deadline.has_passed() => Ok(None),
            Self::At(deadline) => deadline.left().map(|left| left.as_secs_f64()).made(py).map(Some),
            Self::Sum(end) => {
                let left = host::subtract(end, &now(py)?)?;
                Ok(if host::compare(&left, CompareOp::Le, 0)? { None } else { Some(left) })
            }
        }
    }
}

/// The time of Python's clock, in seconds.
fn now(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    host::call_method(&host::import(host::word!(py, "time")?)?, host::word!(py, "monotonic")?, ())
}

/// As [`optional_timeout`], where a wait judges what is left of it, if it comes to that.
pub(crate) fn unjudged_timeout(value: &Bound<'_, PyAny>) -> PyResult<Deadline> {
    match usual_seconds(value).map_or_else(|| host::as_float(value), Ok) {
        Ok(seconds) if seconds > 0.0 => Ok(after(seconds)),
        Ok(_) => Ok(Deadline::PAST),
        Err(_) => optional_timeout(value.py(), value.as_borrowed().into()),
    }
}

/// The timeout of a join that is not negative: a lock's, or `None`.
pub(crate) fn join_timeout(py: Python<'_>, timeout: Given<'_, '_>) -> PyResult<Deadline> {
    let Some(value) = timeout.not_none() else { return Ok(Deadline::NEVER) };
    match usual_seconds(&value) {
        Some(seconds) if seconds <= 0.0 => Ok(Deadline::PAST),
        Some(seconds) if seconds <= TIMEOUT_MAX => Ok(after(seconds)),
        _ => judged(py, &value),
    }
}

/// A number that must be whole and not negative, as CPython's code takes it: as an int, or as a
/// float that is one. `None` if it is neither; what is too large is cut to the largest.
pub(crate) fn whole_number(value: &Bound<'_, PyAny>) -> Option<usize> {
    if value.is_instance_of::<PyInt>() {
        return Some(value.extract::<usize>().unwrap_or(usize::MAX));
    }
    if let Ok(number) = host::index(value).and_then(|number| number.extract::<usize>()) {
        return Some(number);
    }
    let number = host::as_float(value)
        .ok()
        .filter(|number| number.fract() == 0.0 || number.is_infinite())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast that saturates is what is meant"
    )]
    Some(number as usize)
}

/// As [`whole_number`], refusing what is none in the words that CPython has for an index.
pub(crate) fn count(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    match whole_number(value) {
        Some(number) => Ok(number),
        None => host::index(value)?.extract(),
    }
}
