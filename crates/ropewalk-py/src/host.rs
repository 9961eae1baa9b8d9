//! The one place that detaches from the interpreter and attaches to it.
//!
//! Two things make it more than two calls.
//!
//! **Finalization.** Up to Python 3.13, a thread that wants the GIL after the interpreter has begun
//! to finalize is ended by `pthread_exit`, which unwinds its stack; Rust frames must not be unwound
//! by it (the process would abort). So each call that may end so is declared `C-unwind`, with a
//! guard on our side of it whose drop never returns: such a thread sleeps until the process ends,
//! which is what Python does itself from 3.14 on.
//!
//! **Exit.** Background threads of the runtime attach only through [`call_attached`], which a gate
//! closes before the interpreter finalizes.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::{PyErr, ffi};
use ropewalk::wait::{Deadline, Host, HostSite, ResourceKind};

use super::{finalization, late, reporter, signals};

mod guarded;
mod kept;
mod made;
mod sent;
mod soon;

pub(crate) use soon::note_call;

use guarded::{PyErr_CheckSignals, PyGILState_Release, PyThreadState_Clear, guarded};
pub(crate) use guarded::{
    add, allocate, as_float, attribute, attribute_opt, call, call_method, call_tuple, call0,
    compare, discard, discard_all, drop_reference, end_weak_references, import, index, is_true,
    iterator, move_between_sets, next, raise, report_unraisable, repr, set_item, shown, subtract,
    warn,
};
pub(crate) use kept::{Kept, Word, word};
pub(crate) use made::{Made, Several, dict, error, interned, list, put_in, text, tuple};

// PyO3 declares these as unwinding as well, for those versions of Python.
unsafe extern "C-unwind" {
    fn PyEval_SaveThread() -> *mut ffi::PyThreadState;
    fn PyEval_RestoreThread(state: *mut ffi::PyThreadState);
    fn PyGILState_Ensure() -> c_int;
}

/// How long [`give_way_until`] does at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lets other threads have the GIL until something is so, for a second at most. No handlers of signals
/// run meanwhile.
pub(crate) fn give_way_until(py: Python<'_>, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < end {
        after_you(py);
    }
}

/// Whether there is a GIL, as there was at the time of the import. A hint.
static HAS_GIL: AtomicBool = AtomicBool::new(true);

/// Lets a thread that is ready go first, on this processor and with the GIL: once, and if there is
/// none nothing happens.
pub(crate) fn after_you(_py: Python<'_>) {
    Python3.detached(&mut || {
        ropewalk::wait::let_go();
        std::thread::yield_now();
    });
}

/// Nanoseconds on a clock that moves every few milliseconds, and costs a fourth of a better one.
#[cfg(target_os = "linux")]
fn ticks() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for writing for the time of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Nanoseconds, in steps of four milliseconds.
#[cfg(not(target_os = "linux"))]
fn ticks() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let elapsed = START.get_or_init(std::time::Instant::now).elapsed().as_millis() & !3;
    u64::try_from(elapsed).unwrap_or(u64::MAX / 1_000_000) * 1_000_000
}

thread_local! {
    /// When this thread last ran code of Python's in `breathe`.
    static TURN_BEGAN: Cell<u64> = const { Cell::new(0) };
}

/// Lets another thread have the GIL if it has asked for that, as the interpreter does only while it
/// runs code of Python's: runs some, every few milliseconds.
///
/// To let go of the GIL without being asked would keep others from it: they ask for it when nobody
/// has let go for a while, and who is only told that it was free comes too late.
///
/// # Errors
/// What an asynchronous exception raises.
pub(crate) fn breathe(py: Python<'_>) -> PyResult<()> {
    let now = ticks();
    if now == TURN_BEGAN.replace(now) {
        return Ok(());
    }
    call0(nothing(py)?).map(drop)
}

/// A function of Python's that does nothing: when it is called the interpreter sees to what is due.
fn nothing(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static NOTHING: Kept = Kept::new();
    // With globals of its own: those of whoever runs would live as long as it.
    NOTHING.get_or_make(py, || py.eval(c"lambda: None", Some(&dict(py)?), None))
}

/// Python as the host of the runtime.
struct Python3;

pub(crate) fn is_attached() -> bool {
    // `PyGILState_Check` alone would not do: once the process has made a sub-interpreter it says
    // yes to every thread, also to our monitor, which would then release somebody else's GIL. A
    // thread without a state of its own is not attached.
    // SAFETY: both may be called from any thread at any time after the interpreter was initialized.
    unsafe { !ffi::PyGILState_GetThisThreadState().is_null() && ffi::PyGILState_Check() == 1 }
}

impl Host for Python3 {
    fn detached(&self, sleep: &mut dyn FnMut()) {
        if !is_attached() {
            return sleep();
        }
        // SAFETY: this thread is attached; what runs in between touches no Python object.
        let state = guarded(|| unsafe { PyEval_SaveThread() });
        sleep();
        // SAFETY: the state is the one that was saved, and this thread's.
        guarded(|| unsafe { PyEval_RestoreThread(state) });
    }

    fn holds_lock(&self) -> bool {
        HAS_GIL.load(Ordering::Relaxed) && is_attached()
    }

    fn soon(&self, work: fn()) {
        soon::soon(work);
    }

    fn signals_raised(&self) -> bool {
        // SAFETY: called only when attached. Handlers run Python code, on the main thread; from
        // CPython 3.12 on a garbage collection that is due runs as well, on any thread.
        is_attached() && unsafe { PyErr_CheckSignals() } != 0
    }

    fn is_sent(&self) -> bool {
        sent::is_there() && is_attached()
    }

    fn sent_raised(&self) -> bool {
        self.is_sent() && Python::attach(sent::raise)
    }

    fn refuses(&self, what: ResourceKind, deadline: Deadline) -> bool {
        !gate_is_open()
            && is_attached()
            && Python::attach(|py| match finalization::refusal(py, what, deadline) {
                Some(error) => {
                    error.restore(py);
                    true
                }
                None => false,
            })
    }

    fn set_aside(&self) -> Box<dyn FnOnce() + '_> {
        let error = Python::try_attach(PyErr::take).flatten();
        Box::new(move || {
            if let Some(error) = error {
                Python::attach(|py| error.restore(py));
            }
        })
    }

    fn attached(&self, work: &mut dyn FnMut()) {
        enter(|_| work());
    }

    fn outside_help(&self) -> bool {
        // Who looks from outside must not wait for the GIL: forks and the exit keep it, and wait for the
        // thread that answers.
        !is_attached() || Python::try_attach(signals::user_handles_signals).unwrap_or(true)
    }

    fn is_own_lock(&self, address: usize) -> bool {
        super::gil::is_in(address)
    }

    fn describe_origin(&self, site: HostSite) -> Option<Arc<str>> {
        super::origin::describe(site)
    }

    fn is_own_site(&self, site: HostSite) -> bool {
        super::origin::is_own(site)
    }
}

/// The exception that [`Host::signals_raised`] or [`Host::refuses`] told of.
pub(crate) fn pending_exception(py: Python<'_>) -> PyErr {
    PyErr::take(py).unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))
}

/// Whether background threads may attach.
static OPEN: AtomicBool = AtomicBool::new(true);

/// Whether the interpreter's exit has not got as far as to keep background threads out.
pub(crate) fn gate_is_open() -> bool {
    // SeqCst: pairs with `close_gate`, for those that it looks for when it has closed the gate.
    OPEN.load(Ordering::SeqCst)
}

/// How many of them are about to.
static ENTERING: AtomicUsize = AtomicUsize::new(0);

/// Attaches the calling thread, which is not one of Python's, runs `work` and detaches; `None` if
/// the interpreter is about to exit. Python code that `work` runs must be [`guarded`].
pub(crate) fn enter<R>(work: impl for<'py> FnOnce(Python<'py>) -> R) -> Option<R> {
    // SeqCst: either we see the gate closed, or `close_gate` sees us entering and waits. It waits
    // detached, so we can get in.
    ENTERING.fetch_add(1, Ordering::SeqCst);
    if !gate_is_open() {
        ENTERING.fetch_sub(1, Ordering::SeqCst);
        return None;
    }
    let state = OwnState::attach();
    ENTERING.fetch_sub(1, Ordering::SeqCst);
    let state = state?;
    let result = Python::attach(work);
    state.detach();
    Some(result)
}

/// Whether CPython keeps its list of thread states whole during a fork: from 3.12 on.
static FORKS_WHOLE: AtomicBool = AtomicBool::new(true);

/// Whether Python has a thread.
fn has_threads() -> bool {
    // SAFETY: the interpreter was initialized; there is no main one any more when it has gone. The
    // results are only compared.
    unsafe {
        let main = ffi::PyInterpreterState_Main();
        !main.is_null() && !ffi::PyInterpreterState_ThreadHead(main).is_null()
    }
}

/// The state of a thread that is attached for once.
enum OwnState {
    Ensured(ffi::PyGILState_STATE),
    Made(*mut ffi::PyThreadState),
}

impl OwnState {
    /// The interpreter is initialized, and does not finalize before this returns.
    ///
    /// To make a state takes a lock of CPython's on the list of them. Everybody else has the GIL
    /// then, so that nobody can fork; we do not, and in CPython 3.11 the child of a fork in that
    /// moment would wait for ever.
    ///
    /// `None` if Python has no thread any more, nor memory for one: the child of a fork by another
    /// thread than the main one ends so, and CPython 3.11 and 3.12 would abort.
    fn attach() -> Option<Self> {
        // SAFETY: may be called at any time while the interpreter is initialized.
        let has_one = unsafe { !ffi::PyGILState_GetThisThreadState().is_null() };
        if !has_one && !has_threads() {
            return None;
        }
        if FORKS_WHOLE.load(Ordering::Relaxed) || has_one {
            // SAFETY: the interpreter is initialized.
            let state = guarded(|| unsafe { PyGILState_Ensure() });
            let is_locked = state == ffi::PyGILState_STATE::PyGILState_LOCKED as c_int;
            return Some(Self::Ensured(if is_locked {
                ffi::PyGILState_STATE::PyGILState_LOCKED
            } else {
                ffi::PyGILState_STATE::PyGILState_UNLOCKED
            }));
        }
        let state = ropewalk::fork::without_forks(|| {
            // SAFETY: the interpreter is initialized, and this thread has no state.
            unsafe { ffi::PyThreadState_New(ffi::PyInterpreterState_Main()) }
        });
        if state.is_null() {
            return None;
        }
        // SAFETY: a state of this thread's own, which is not attached.
        guarded(|| unsafe { PyEval_RestoreThread(state) });
        Some(Self::Made(state))
    }

    fn detach(self) {
        match self {
            // SAFETY: pairs with the Ensure above.
            Self::Ensured(state) => unsafe { PyGILState_Release(state) },
            Self::Made(state) => {
                // SAFETY: attached, with this state, which is not used again.
                unsafe {
                    PyThreadState_Clear(state);
                    ffi::PyThreadState_DeleteCurrent();
                }
            }
        }
    }
}

/// Attaches the calling thread, which is not one of Python's, calls `function()`, drops it and
/// detaches. An exception is reported as those of destructors are: nobody waits for it. Nothing
/// happens if the interpreter is about to exit.
pub(crate) fn call_attached(function: Py<PyAny>) {
    let mut function = Some(function);
    enter(|py| {
        let Some(function) = function.take() else { return };
        let function = function.into_bound(py);
        let result = call0(&function);
        match result {
            Ok(result) => discard(result),
            Err(error) => report_unraisable(py, error, Some(&function)),
        }
        discard(function);
    });
    // Dropping it detached, or at exit, could run code of the user where none may run.
    std::mem::forget(function);
}

/// The token for a thread that is attached anyway, where no argument can carry it.
pub(crate) fn attached<R>(call: impl for<'py> FnOnce(Python<'py>) -> R) -> R {
    Python::attach(call)
}

/// Keeps background threads from attaching from now on, and lets a report that is under way be told.
pub(crate) fn close_gate(py: Python<'_>) {
    OPEN.store(false, Ordering::SeqCst);
    // Only as long as somebody waits for the GIL, which is free now: moments, once.
    py.detach(|| {
        while ENTERING.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        reporter::wait_until_told();
    });
}

/// CPython's own `threading.Lock`, from before anybody replaced it: a type from 3.13 on, a
/// function before.
pub(crate) fn cpython_lock(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOCK: Kept = Kept::new();
    LOCK.get_or_make(py, || {
        let module = import(word!(py, "_thread")?)?;
        attribute(&module, word!(py, "lock")?)
            .or_else(|_| attribute(&module, word!(py, "allocate_lock")?))
    })
}

/// `acquire` of a new lock of CPython's own.
pub(crate) fn cpython_lock_acquire(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    attribute(&call0(cpython_lock(py)?)?, word!(py, "acquire")?)
}

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks there were on the way to this process.
pub(crate) fn forks() -> u32 {
    // Relaxed: it changes only in a fork, before there is another thread.
    FORKS.load(Ordering::Relaxed)
}

/// Makes Python the host.
pub(crate) fn install(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    FORKS_WHOLE.store(py.version_info() >= (3, 12), Ordering::Relaxed);
    ropewalk::wait::set_host(&Python3);
    sent::install(module.py())?;
    // Who was about to attach, or was telling, does not exist in the child.
    ropewalk::fork::install(|| {
        FORKS.fetch_add(1, Ordering::Relaxed);
        ENTERING.store(0, Ordering::SeqCst);
        reporter::forget();
        late::forget();
    });
    ropewalk::watch::set_reporter(reporter::report);
    let sys = import(word!(py, "sys")?)?;
    if let Some(is_enabled) = attribute_opt(&sys, word!(py, "_is_gil_enabled")?)? {
        HAS_GIL.store(is_true(&call0(&is_enabled)?)?, Ordering::Relaxed);
    }
    cpython_lock(py)?;
    signals::install(py)?;
    Ok(())
}
