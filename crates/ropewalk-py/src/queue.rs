//! `queue.Queue`, `LifoQueue` and `PriorityQueue`.
//!
//! The classes are in `queue_classes.rs`, and `ropewalk/queue.py` completes them with what is easier
//! to say in Python: `__init__`, the hooks and the attributes. An instance is in one of three modes:
//!
//! | mode | `core` | where its items are |
//! |---|---|---|
//! | fast | set, not retired | in the core's queue |
//! | inflated | set, retired | in `self.queue`, as in CPython; was fast before |
//! | slow | not set | in `self.queue`; a subclass overrides hooks, or `__init__` has not run |
//!
//! It inflates when somebody touches what only CPython's own has (`mutex`, `queue` ...). Threads that
//! wait in the core's queue are woken by its retirement and go on waiting where the items are now.

#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use pyo3::Borrowed;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyType};
use ropewalk::queue::{GetError, JoinError, PutError};
use ropewalk::wait::Deadline;

use super::direct;
use super::error::Error;
use super::host::{self, Kept, Made};
use super::origin::{self, Site};
use super::queue_core::{Core, GetFailed, Item, PutFailed};
use super::queue_parts::{self, Held, Parts, not_blocking};
use super::queue_timeout::Patience;
use super::room::Room;
use super::runtime::generic_alias;
use super::timeout::Given;

/// What the three queues have in common but their fast methods.
///
/// Python's interpreter has a short way to a method only where the object's class is the very one
/// that the method belongs to: so each of the three has fast methods of its own.
#[pyclass(frozen, subclass, dict, weakref, module = "ropewalk._ropewalk", name = "_QueueBase")]
#[derive(Debug)]
pub(crate) struct QueueBase {
    core: OnceLock<Core>,
    /// Whether it was made the way of CPython, so that it can never be fast.
    never_fast: AtomicBool,
    /// Whether `put` and `get` are the ones of this class, so that `put_nowait` need not ask.
    own_put_and_get: AtomicBool,
    /// `maxsize` as the program gave it, while it is fast: negative as well.
    maxsize: AtomicIsize,
    site: Site,
}

/// The operations on a queue that is not fast, in Python.
fn slow<'py>(
    py: Python<'py>,
    name: &str,
    args: impl host::Several<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    static SLOW: Kept = Kept::new();
    let module = SLOW.get_or_make(py, || host::import(host::word!(py, "ropewalk._queue_slow")?))?;
    host::call_method(module, &host::text(py, name)?, args)
}

/// The argument as it was given, for the slow way, which looks at it only when it has to.
fn block_or_true<'py>(py: Python<'py>, block: Given<'_, 'py>) -> Bound<'py, PyAny> {
    match block.get() {
        Some(block) => block.to_owned(),
        None => PyBool::new(py, true).to_owned().into_any(),
    }
}

/// The core's limit for a `maxsize`: no limit is 0.
fn limit(maxsize: isize) -> usize {
    usize::try_from(maxsize).unwrap_or(0)
}

/// What is left of a wait, as the timeout of the operation that takes it up.
fn left(deadline: Deadline) -> Option<f64> {
    deadline.left().map(|left| left.as_secs_f64())
}

impl QueueBase {
    pub(crate) fn make(py: Python<'_>) -> Self {
        Self {
            core: OnceLock::new(),
            never_fast: AtomicBool::new(false),
            own_put_and_get: AtomicBool::new(false),
            maxsize: AtomicIsize::new(0),
            site: origin::here(py),
        }
    }

    /// The core's queue, unless it never was fast.
    #[inline]
    fn core(&self) -> Option<&Core> {
        self.core.get()
    }

    /// The core's queue if the instance is fast now.
    fn fast(&self) -> Option<&Core> {
        self.core().filter(|core| !core.is_retired())
    }

    pub(crate) fn set_name(slf: &Bound<'_, Self>, name: &str) -> PyResult<()> {
        match slf.get().fast() {
            Some(core) => core.set_name(name),
            // One that is not waits in conditions of Python's.
            None => drop(slow(slf.py(), "set_name", (slf, name))?),
        }
        Ok(())
    }

    /// Takes all items out and, the queue being unlocked, drops them.
    fn drop_items(&self) {
        let items = self.core().map(Core::drain).unwrap_or_default();
        if !items.is_empty() {
            host::attached(|py| host::discard_all(py, items));
        }
    }

    /// The number of items while it is fast.
    fn len(&self) -> Option<usize> {
        let core = self.core()?;
        match core.len() {
            // One that is retired has no items.
            0 => (!core.is_retired()).then_some(0),
            len => Some(len),
        }
    }

    #[cold]
    fn put_failed(
        slf: &Bound<'_, Self>,
        core: &Core,
        error: PutFailed,
        patience: Patience<'_>,
    ) -> PyResult<()> {
        match error {
            PutError::Full(item) => {
                let Some(deadline) = patience.deadline()? else { return Err(Error::Full.into()) };
                match core.put_until(item, deadline) {
                    Ok(()) => Ok(()),
                    Err(PutError::Retired(item)) => {
                        Self::put_slow(slf, &item.into_bound(slf.py()), true, left(deadline))
                    }
                    Err(error) => Err(Error::from(error).into()),
                }
            }
            PutError::Retired(item) => {
                let blocks = !matches!(patience, Patience::Try);
                let timeout = match patience {
                    Patience::Until(deadline) => left(deadline),
                    Patience::Try => None,
                    Patience::Odd(value) => {
                        return slow(slf.py(), "put", (slf, item, true, value)).map(|_| ());
                    }
                };
                Self::put_slow(slf, &item.into_bound(slf.py()), blocks, timeout)
            }
            error => Err(Error::from(error).into()),
        }
    }

    fn put_slow(
        slf: &Bound<'_, Self>,
        item: &Bound<'_, PyAny>,
        block: bool,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        slow(slf.py(), "put", (slf, item, block, timeout)).map(|_| ())
    }

    #[cold]
    fn get_failed(
        slf: &Bound<'_, Self>,
        core: &Core,
        error: GetFailed,
        patience: Patience<'_>,
    ) -> PyResult<Item> {
        match error {
            GetError::Empty => {
                let Some(deadline) = patience.deadline()? else { return Err(Error::Empty.into()) };
                match core.get_until(deadline) {
                    Ok(item) => Ok(item),
                    Err(GetError::Retired) => Self::get_slow(slf, true, left(deadline)),
                    Err(error) => Err(Error::from(error).into()),
                }
            }
            GetError::Retired => match patience {
                Patience::Try => Self::get_slow(slf, false, None),
                Patience::Until(deadline) => Self::get_slow(slf, true, left(deadline)),
                Patience::Odd(value) => Ok(slow(slf.py(), "get", (slf, true, value))?.unbind()),
            },
            error => Err(Error::from(error).into()),
        }
    }

    fn get_slow(slf: &Bound<'_, Self>, block: bool, timeout: Option<f64>) -> PyResult<Item> {
        Ok(slow(slf.py(), "get", (slf, block, timeout))?.unbind())
    }
}

impl QueueBase {
    #[inline]
    pub(crate) fn put<'py>(
        slf: &Bound<'py, Self>,
        item: &Bound<'py, PyAny>,
        block: Given<'_, 'py>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<()> {
        let py = slf.py();
        let given = block.get().is_some() || timeout.get().is_some();
        let Some(core) = slf.get().core().filter(|core| !(given && core.is_retired())) else {
            let block = block_or_true(py, block);
            return slow(py, "put", (slf, item, block, timeout.not_none())).map(|_| ());
        };
        let mut patience = Patience::Until(Deadline::NEVER);
        // As in CPython, a queue without a limit does not look at them.
        if given && !(core.maxsize() == 0 || core.is_shut_down()) {
            patience = Patience::new(py, block, timeout)?;
        }
        match core.try_put(item.clone().unbind()) {
            Ok(()) => Ok(()),
            Err(error) => Self::put_failed(slf, core, error, patience),
        }
    }

    #[inline]
    pub(crate) fn get<'py>(
        slf: &Bound<'py, Self>,
        block: Given<'_, 'py>,
        timeout: Given<'_, 'py>,
    ) -> PyResult<Item> {
        let py = slf.py();
        let given = block.get().is_some() || timeout.get().is_some();
        let Some(core) = slf.get().core().filter(|core| !(given && core.is_retired())) else {
            let block = block_or_true(py, block);
            return Ok(slow(py, "get", (slf, block, timeout.not_none()))?.unbind());
        };
        let mut patience = Patience::Until(Deadline::NEVER);
        if given && !(core.is_shut_down() && core.len() == 0) {
            patience = Patience::new(py, block, timeout)?;
        }
        match core.try_get() {
            Ok(item) => Ok(item),
            Err(error) => Self::get_failed(slf, core, error, patience),
        }
    }

    #[inline]
    pub(crate) fn put_nowait(
        slf: &Bound<'_, Self>,
        item: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Item>> {
        let this = slf.get();
        if let Some(core) = this.core().filter(|_| this.own_put_and_get.load(Ordering::Relaxed)) {
            match core.try_put(item.clone().unbind()) {
                Ok(()) => return Ok(None),
                // What is set on one that is not fast goes by unseen.
                Err(PutError::Retired(_)) => {}
                Err(error) => {
                    return Self::put_failed(slf, core, error, Patience::Try).map(|()| None);
                }
            }
        }
        let put = host::attribute(slf, host::word!(slf.py(), "put")?)?;
        host::call(&put, (item,), Some(&not_blocking(slf.py())?)).map(|it| Some(it.unbind()))
    }

    #[inline]
    pub(crate) fn get_nowait(slf: &Bound<'_, Self>) -> PyResult<Item> {
        let this = slf.get();
        if let Some(core) = this.core().filter(|_| this.own_put_and_get.load(Ordering::Relaxed)) {
            match core.try_get() {
                Ok(item) => return Ok(item),
                Err(GetError::Retired) => {}
                Err(error) => return Self::get_failed(slf, core, error, Patience::Try),
            }
        }
        let get = host::attribute(slf, host::word!(slf.py(), "get")?)?;
        host::call(&get, (), Some(&not_blocking(slf.py())?)).map(Bound::unbind)
    }

    #[inline]
    pub(crate) fn task_done(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().core() {
            Some(core) if core.task_done().is_ok() => Ok(()),
            // One that is retired has no tasks.
            Some(core) if !core.is_retired() => Err(Error::TooManyTasksDone.into()),
            _ => slow(slf.py(), "task_done", (slf,)).map(|_| ()),
        }
    }
}

/// The short ways: see [`direct`].
impl QueueBase {
    /// The core's queue, if no comparing belongs to it. `nowait` is for the two methods that are
    /// to call `put` and `get` of a subclass.
    #[inline]
    fn short_core(&self, nowait: bool) -> Option<&Core> {
        let core = self.core()?;
        let usable = !nowait || self.own_put_and_get.load(Ordering::Relaxed);
        (usable && !matches!(core, Core::Priority(_))).then_some(core)
    }

    #[expect(clippy::inline_always, reason = "the fast path")]
    #[inline(always)]
    pub(crate) fn short_put<'py>(
        slf: &Bound<'py, Self>,
        item: Borrowed<'_, 'py, PyAny>,
        nowait: bool,
    ) -> Option<Bound<'py, PyAny>> {
        match slf.get().short_core(nowait)?.try_put(item.to_owned().unbind()) {
            Ok(()) => Some(direct::nothing(slf.py())),
            Err(error) => direct::not_put(slf.py(), error),
        }
    }

    #[expect(clippy::inline_always, reason = "the fast path")]
    #[inline(always)]
    pub(crate) fn short_get<'py>(
        slf: &Bound<'py, Self>,
        nowait: bool,
    ) -> Option<Bound<'py, PyAny>> {
        let item = slf.get().short_core(nowait)?.try_get().ok()?;
        Some(item.into_bound(slf.py()))
    }

    #[inline]
    pub(crate) fn short_task_done<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyAny>> {
        slf.get().short_core(false)?.task_done().ok()?;
        Some(direct::nothing(slf.py()))
    }
}

#[pymethods]
impl QueueBase {
    /// Becomes fast: for `__init__`. False if it was made before, in one way or the other.
    fn _ropewalk_start(&self, kind: &str, maxsize: isize, own_put_and_get: bool) -> PyResult<bool> {
        let core = Core::new(kind, limit(maxsize), self.site.origin()).ok_or_else(|| {
            host::error::<PyRuntimeError>(format!("no such kind of queue: {kind}"))
        })?;
        if self.never_fast.load(Ordering::Relaxed) || self.core.set(core).is_err() {
            return Ok(false);
        }
        self.own_put_and_get.store(own_put_and_get, Ordering::Relaxed);
        self.maxsize.store(maxsize, Ordering::Relaxed);
        Ok(true)
    }

    /// Will never be fast: for `__init__`.
    fn _ropewalk_start_slow(&self) {
        self.never_fast.store(true, Ordering::Relaxed);
    }

    /// Blocks until all items in the Queue have been gotten and processed.
    ///
    /// The count of unfinished tasks goes up whenever an item is added to the queue. The count goes
    /// down whenever a consumer thread calls task_done() to indicate the item was retrieved and all
    /// work on it is complete.
    ///
    /// When the count of unfinished tasks drops to zero, join() unblocks.
    fn join(slf: &Bound<'_, Self>) -> PyResult<()> {
        if let Some(core) = slf.get().core() {
            match core.join() {
                Ok(()) => return Ok(()),
                Err(JoinError::Retired) => {}
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        slow(slf.py(), "join", (slf,)).map(|_| ())
    }

    /// Return the approximate size of the queue (not reliable!).
    fn qsize<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match slf.get().len() {
            Some(len) => len.made(py),
            None => slow(py, "qsize", (slf,)),
        }
    }

    /// Return True if the queue is empty, False otherwise (not reliable!).
    ///
    /// Use qsize() == 0 as a direct substitute, but be aware that either approach risks a race
    /// condition where a queue can grow before the result of empty() or qsize() can be used.
    ///
    /// To create code that needs to wait for all queued tasks to be completed, the preferred
    /// technique is to use the join() method.
    fn empty(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match slf.get().len() {
            Some(len) => Ok(len == 0),
            None => host::is_true(&slow(slf.py(), "empty", (slf,))?),
        }
    }

    /// Return True if the queue is full, False otherwise (not reliable!).
    ///
    /// Use qsize() >= n as a direct substitute, but be aware that either approach risks a race
    /// condition where a queue can shrink before the result of full() or qsize() can be used.
    fn full(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match slf.get().fast() {
            Some(core) => Ok(core.is_full()),
            None => host::is_true(&slow(slf.py(), "full", (slf,))?),
        }
    }

    /// Shut-down the queue, making queue gets and puts raise ShutDown.
    ///
    /// By default, gets will only raise once the queue is empty. Set 'immediate' to True to make
    /// gets raise immediately instead.
    ///
    /// All blocked callers of put() and get() will be unblocked. If 'immediate', a task is marked as
    /// done for each item remaining in the queue, which may unblock callers of join().
    #[pyo3(signature = (immediate=Given::NOT), text_signature = "($self, immediate=False)")]
    fn shutdown(slf: &Bound<'_, Self>, immediate: Given<'_, '_>) -> PyResult<()> {
        let immediate = match immediate.get() {
            Some(odd) if !odd.is_instance_of::<PyBool>() => {
                // CPython asks such a value when the queue is shut down already.
                Self::shutdown(slf, Given::NOT)?;
                host::is_true(&odd)?
            }
            usual => usual.map_or(Ok(false), |usual| host::is_true(&usual))?,
        };
        if let Some(core) = slf.get().fast() {
            let items = core.shut_down(immediate).map_err(Error::from)?;
            host::discard_all(slf.py(), items);
            if !core.is_retired() {
                return Ok(());
            }
        }
        slow(slf.py(), "shutdown", (slf, immediate)).map(|_| ())
    }

    /// See PEP 585
    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, object)
    }

    /// Whether it is fast.
    fn _ropewalk_is_fast(&self) -> bool {
        self.fast().is_some()
    }

    /// `unfinished_tasks` while it is fast.
    fn _ropewalk_get_unfinished<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.fast().map(Core::unfinished).made(py)
    }

    fn _ropewalk_set_unfinished(&self, tasks: isize) {
        if let Some(core) = self.fast() {
            core.set_unfinished(tasks);
        }
    }

    /// `is_shutdown` while it is fast.
    fn _ropewalk_get_shutdown(&self) -> Option<bool> {
        self.fast().map(Core::is_shut_down)
    }

    fn _ropewalk_set_shutdown(&self, shut_down: bool) -> PyResult<()> {
        match self.fast() {
            Some(core) if shut_down => {
                core.shut_down(false).map_err(Error::from)?;
            }
            Some(core) => core.reopen(),
            None => {}
        }
        Ok(())
    }

    /// `maxsize` while it is fast.
    fn _ropewalk_get_maxsize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.fast().map(|_| self.maxsize.load(Ordering::Relaxed)).made(py)
    }

    fn _ropewalk_set_maxsize(&self, maxsize: isize) {
        if let Some(core) = self.fast() {
            self.maxsize.store(maxsize, Ordering::Relaxed);
            core.set_maxsize(limit(maxsize));
        }
    }

    /// Says that `put` or `get` is replaced, so that `put_nowait` and `get_nowait` have to ask.
    fn _ropewalk_put_or_get_replaced(&self) {
        self.own_put_and_get.store(false, Ordering::Relaxed);
    }

    /// A mutex and the three conditions over it.
    #[pyo3(name = "_ropewalk_new_parts")]
    fn new_parts<'py>(&self, py: Python<'py>) -> PyResult<Parts<'py>> {
        queue_parts::new(py, &self.site)
    }

    /// Moves everything out of the core into attributes as CPython's queues have them.
    fn _ropewalk_inflate(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let Some(core) = slf.get().fast() else { return Ok(()) };
        // Everything that can fail or run code of the user comes first.
        let room = match core {
            Core::Fifo(_) => Room::deque(py, core.len())?,
            Core::Lifo(_) | Core::Priority(_) => Room::list(py, core.len())?,
        };
        let (unfinished, shut_down) = (core.unfinished(), core.is_shut_down());
        let (lock, [not_empty, not_full, all_tasks_done]) = slf.get().new_parts(py)?;
        let others = [
            ("maxsize", slf.get().maxsize.load(Ordering::Relaxed).made(py)?),
            ("queue", room.object().clone()),
            ("not_empty", not_empty.into_any()),
            ("not_full", not_full.into_any()),
            ("all_tasks_done", all_tasks_done.into_any()),
            ("unfinished_tasks", unfinished.made(py)?),
            (shutdown_name(py), shut_down.made(py)?),
        ];
        let others: Vec<_> = others
            .into_iter()
            .map(|(name, value)| Ok((host::text(py, name)?, value)))
            .collect::<PyResult<_>>()?;
        let attributes =
            host::attribute(slf, host::word!(py, "__dict__")?)?.cast_into::<PyDict>()?;
        // Held until everything is in its place: who finds it waits for that.
        lock.get().core.acquire().map_err(Error::from)?;
        let lock = Held(lock);
        let mutex = host::word!(py, "mutex")?;
        let first =
            host::call_method(&attributes, host::word!(py, "setdefault")?, (mutex, &lock.0))?;
        if !first.is(&lock.0) {
            // Another thread is at it. Once its lock is free, all is done.
            host::call_method(&first, host::word!(py, "acquire")?, ())?;
            host::call_method(&first, host::word!(py, "release")?, ())?;
            return Ok(());
        }
        let moved = others.iter().try_for_each(|(name, value)| attributes.set_item(name, value));
        match moved.and_then(|()| Ok(core.retire().map_err(Error::from)?)) {
            Ok(Some(contents)) => {
                let filled = room.fill(contents.items.into_iter().map(|item| item.into_bound(py)));
                // Another thread was there meanwhile.
                let counted = if contents.unfinished == unfinished {
                    Ok(())
                } else {
                    host::put_in(&attributes, "unfinished_tasks", contents.unfinished)
                };
                let closed = if contents.shut_down == shut_down {
                    Ok(())
                } else {
                    host::put_in(&attributes, shutdown_name(py), contents.shut_down)
                };
                let named = core.name().map_or(Ok(()), |name| {
                    slow(py, "set_name", (slf, name.as_ref())).map(host::discard)
                });
                filled.and(counted).and(closed).and(named)
            }
            Ok(None) => Ok(()),
            Err(error) => {
                // Interrupted while another thread compared two items, or without memory: it stays
                // as it was. Some of them may not be there yet.
                let names = others.iter().map(|(name, _)| name).chain([mutex]);
                names.for_each(|name| drop(attributes.del_item(name)));
                Err(error)
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut result = Ok(());
        if let Some(core) = self.core() {
            core.try_for_each(|item| {
                if result.is_ok() {
                    result = visit.call(item);
                }
            });
        }
        result
    }

    fn __clear__(&self) {
        self.drop_items();
    }
}

impl Drop for QueueBase {
    fn drop(&mut self) {
        self.drop_items();
    }
}

/// The attribute that says whether a queue is shut down: before CPython 3.13, where queues cannot
/// be, `is_shutdown` is the program's own.
fn shutdown_name(py: Python<'_>) -> &'static str {
    if py.version_info() >= (3, 13) { "is_shutdown" } else { "_ropewalk_is_shutdown" }
}
