//! The Python face of Ropewalk: the extension module `ropewalk._ropewalk`.
//!
//! The classes here convert arguments, call the core and convert results. `host.rs` is the only
//! file that detaches from and attaches to the interpreter, `error.rs` the only one that turns an
//! error of the core into a Python exception.

#![expect(clippy::doc_markdown, reason = "most of it is shown by Python's help()")]

use pyo3::prelude::*;

mod barrier;
mod chunks;
mod condition;
mod dealloc;
mod direct;
mod error;
mod event;
mod finalization;
mod floor;
mod future;
mod future_moved;
mod future_short;
mod future_wait;
mod gil;
mod host;
mod inflated;
mod inspect;
mod late;
mod lock;
mod making;
mod name;
mod order;
mod origin;
mod overrides;
mod pool;
mod pool_queue;
mod queue;
mod queue_classes;
mod queue_core;
mod queue_parts;
mod queue_simple;
mod queue_timeout;
mod reporter;
mod rlock;
mod room;
mod runtime;
mod semaphore;
mod signals;
mod thread;
mod timeout;
mod timer;

/// The compiled half of `ropewalk`.
#[pymodule(gil_used = false)]
mod _ropewalk {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::barrier::PyBarrier;
    #[pymodule_export]
    use super::condition::PyCondition;
    #[pymodule_export]
    use super::event::PyEvent;
    #[pymodule_export]
    use super::floor::Floor;
    #[pymodule_export]
    use super::future::PyFuture;
    #[pymodule_export]
    use super::future_moved::set_installed;
    #[pymodule_export]
    use super::future_wait::{AsCompleted, Results, wait};
    #[pymodule_export]
    use super::inspect::{
        keep_ended, lock_owner, report, serve, serve_when_needed, set_name, snapshot,
        socket_folder, start_trace, stop_serving, stop_trace,
    };
    #[pymodule_export]
    use super::late::before_fork;
    #[pymodule_export]
    use super::order::set_lock_order;
    #[pymodule_export]
    use super::pool::{PyPool, refuse_submits};
    #[pymodule_export]
    use super::pool_queue::PyWorkQueue;
    #[pymodule_export]
    use super::queue::QueueBase;
    #[pymodule_export]
    use super::queue_classes::{PyLifoQueue, PyPriorityQueue, PyQueue};
    #[pymodule_export]
    use super::queue_simple::PySimpleQueue;
    #[pymodule_export]
    use super::rlock::PyRLock;
    #[pymodule_export]
    use super::runtime::{
        blocked_threads, prepare_exit, report_unraisable, set_deadlock_mode, set_reporter,
        set_suspect_grace, starting_threads,
    };
    #[pymodule_export]
    use super::semaphore::{PyBoundedSemaphore, PySemaphore};
    #[pymodule_export]
    use super::thread::ThreadHandle;
    #[pymodule_export]
    use super::timer::TimerHandle;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        super::host::install(module)?;
        super::finalization::prepare(py)?;
        super::chunks::install();
        super::dealloc::install(py);
        super::runtime::name_as_python_would(py)?;
        super::semaphore::keep_methods(py)?;
        super::condition::keep_methods(py)?;
        super::name::install::<super::lock::PyLock>(py);
        super::name::install::<super::rlock::PyRLock>(py);
        super::name::install::<super::queue_simple::PySimpleQueue>(py);
        super::queue_timeout::original_simple_queue(py)?;
        super::lock::install_short_ways(py)?;
        super::rlock::install_short_ways(py)?;
        super::semaphore::install_short_ways(py)?;
        super::semaphore::install_bounded_short_ways(py)?;
        super::condition::install_short_ways(py)?;
        super::event::install_short_ways(py)?;
        super::barrier::install_short_ways(py)?;
        super::queue_classes::install_fifo_short_ways(py)?;
        super::queue_classes::install_lifo_short_ways(py)?;
        super::queue_simple::install_short_ways(py)?;
        super::future_short::install_short_ways(py)?;
        super::making::install::<super::future::PyFuture>(py);
        super::making::install::<super::event::PyEvent>(py);
        super::making::install::<super::semaphore::PySemaphore>(py);
        let queue = super::host::import(super::host::word!(py, "_queue")?)?;
        module.add("_Empty", super::host::attribute(&queue, super::host::word!(py, "Empty")?)?)?;
        // Its own name is CPython's, `lock`.
        module.add("Lock", py.get_type::<super::lock::PyLock>())?;
        module.add("DeadlockError", py.get_type::<super::error::DeadlockError>())?;
        module.add("BrokenBarrierError", py.get_type::<super::error::BrokenBarrierError>())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
