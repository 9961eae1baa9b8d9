"""Drop-in `concurrent.futures.thread`: the thread pool.

A pool's jobs are in a queue of the core in Rust, and its threads, which are `threading.Thread`s,
take them from there. A class that overrides what CPython's own methods call
(`_adjust_thread_count`, `_initializer_failed` ...) is run by CPython's own code, on our futures,
queues and threads.

`_threads_queues`, `_global_shutdown_lock` and the like are CPython's own objects, and serve both
kinds of pools.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import weakref

from ropewalk import _futures_stock, _stdlib, queue, threading
from ropewalk._ropewalk import _refuse_submits, _ThreadPool, _WorkQueue
from ropewalk._unannotated import unannotated
from ropewalk.concurrent.futures import _base

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# The stdlib's own name: what is defined below carries it, as pickles and reprs expect.
__name__ = "concurrent.futures.thread"
__author__ = "Brian Quinlan (brian@sweetapp.com)"

_stock = _stdlib.load("concurrent.futures.thread")
# The one that CPython's code has registered its `_python_exit` with: ours only if it is installed.
_exiting_threading = _stock.threading
vars(_stock).update(_base=_base, queue=queue, threading=threading)

_threads_queues: weakref.WeakKeyDictionary[threading.Thread, Any] = _stock._threads_queues
_global_shutdown_lock = _stock._global_shutdown_lock
_python_exit = _stock._python_exit
BrokenThreadPool: type[RuntimeError] = _stock.BrokenThreadPool
_WorkItem = _stock._WorkItem
if TYPE_CHECKING:
    from typing import Any as _StockPool
else:
    _StockPool = _stock.ThreadPoolExecutor
# The same: for calls of its methods.
_stock_pool: Any = _stock.ThreadPoolExecutor
_TAKES_CONTEXT = hasattr(_StockPool, "prepare_context")


def __getattr__(name: str) -> object:
    """`_shutdown`, whether the interpreter exits, and what other versions have."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return vars(_stock)[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def _make_item(future: object, fn: object, args: object, kwargs: object) -> object:
    """What CPython's pool would have put into its queue."""
    if _TAKES_CONTEXT:
        return _WorkItem(future, (fn, args, kwargs))
    return _WorkItem(future, fn, args, kwargs)


def _run_item(item: Any) -> None:  # noqa: ANN401
    """Do what a program has put into the queue itself."""
    if _TAKES_CONTEXT:
        # The initializer is a matter of the thread.
        item.run(_stock.WorkerContext(None, ()))
    else:
        item.run()


# Whether a thread that has begun may do all of a burst of jobs before the next one could.
_ONE_LOCK: bool = getattr(sys, "_is_gil_enabled", lambda: True)()

# Those that have threads, which the child of a fork has not.
_pools: weakref.WeakSet[ThreadPoolExecutor] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool._shutdown_lock._at_fork_reinit()
        pool.__dict__["_threads"].clear()
        pool._work_queue._after_fork()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _register_atexit(function: Callable[[], object]) -> None:
    """Have a function called before any exit joins threads; maybe twice.

    Later registered is earlier called. Both modules' exits may be the first, the stdlib's and ours:
    who uninstalls changes that.
    """
    _exiting_threading._register_atexit(function)
    if _exiting_threading is not threading:
        threading._register_atexit(function)


if _exiting_threading is not threading:
    threading._register_atexit(_python_exit)
# From then on nobody can submit, and the stdlib's own function ends the threads.
_register_atexit(_refuse_submits)


class _Noted:
    """An attribute whose new values the core is told of."""

    __slots__ = ("_name", "_tell")

    def __init__(self, name: str, tell: Callable[[ThreadPoolExecutor, Any], None]) -> None:
        self._name = name
        self._tell = tell

    def __get__(self, pool: ThreadPoolExecutor | None, owner: type) -> Any:  # noqa: ANN401
        if pool is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute {self._name!r}")
        try:
            return pool.__dict__[self._name]
        except KeyError:
            raise AttributeError(
                f"{owner.__name__!r} object has no attribute {self._name!r}"
            ) from None

    def __set__(self, pool: ThreadPoolExecutor, value: object) -> None:
        pool.__dict__[self._name] = value
        if pool._ropewalk_is_fast():
            self._tell(pool, value)


class _Replaced(_Noted):
    """An attribute that the core has as well, until a program sets it."""

    __slots__ = ()

    def __set__(self, pool: ThreadPoolExecutor, value: object) -> None:
        if pool._ropewalk_is_fast() and value is not self.__get__(pool, type(pool)):
            self._tell(pool, value)
        pool.__dict__[self._name] = value


class _IdleSemaphore:
    """`_idle_semaphore` of a fast pool: the core counts the threads that have nothing to do."""

    __slots__ = ("_queue",)

    def __init__(self, work_queue: _WorkQueue) -> None:
        self._queue = work_queue

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Whether a thread has nothing to do; never waits for one."""
        return self._queue._idle() > self._queue.qsize()

    def release(self, n: int = 1) -> None:
        """Nothing: who has nothing to do is seen."""


class _Starter:
    """Starts a thread of a pool, also when that is forgotten and its threads do what is left."""

    __slots__ = ("_args", "_daemon", "_pool", "_prefix", "_threads")

    def __init__(self, pool: ThreadPoolExecutor, threads: set[threading.Thread]) -> None:
        self._pool = weakref.ref(pool)
        self._threads = threads
        self._prefix = pool._thread_name_prefix or str(pool)
        self._daemon = pool._ropewalk_daemon
        self._args = (pool._work_queue, pool._initializer, pool._initargs)

    def __call__(self, may_wait: bool = False) -> None:
        """Start it; `may_wait` says that the caller cannot hold CPython's lock for exits."""
        work_queue = self._args[0]
        threads = self._threads
        if threading._trace_hook or threading._profile_hook:
            # The thread runs code of the program before it looks for jobs.
            work_queue._defer_threads(False)
        thread = threading.Thread(
            name=f"{self._prefix}_{work_queue._number()}",
            target=_run_worker,
            args=(self._pool, *self._args, self),
            daemon=self._daemon,
        )
        thread.start()
        is_first = not threads
        threads.add(thread)
        if self._daemon:
            return
        locked = _global_shutdown_lock.acquire(may_wait)
        try:
            if _stock._shutdown:
                # Too late for being told to leave by the exit, which joins it as any thread.
                work_queue.put(None)
            elif locked or is_first:
                # One is enough for all to be told.
                _threads_queues[thread] = work_queue
        finally:
            if locked:
                _global_shutdown_lock.release()


def _run_worker(
    executor_reference: weakref.ref[ThreadPoolExecutor],
    work_queue: _WorkQueue,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
    start: Callable[[], object],
) -> None:
    """What a thread of a fast pool does."""
    if initializer is not None:
        try:
            initializer(*initargs)
        except BaseException:
            _base.LOGGER.critical("Exception in initializer:", exc_info=True)
            executor = executor_reference()
            if executor is not None:
                executor._initializer_failed()
                if not executor._ropewalk_is_fast():
                    # Its queue was replaced meanwhile, but this one has jobs.
                    work_queue._break(BrokenThreadPool(executor._broken))
            return
    try:
        successor = work_queue._work(start)
    except BaseException:
        _base.LOGGER.critical("Exception in worker", exc_info=True)
        return
    if successor is None:
        return
    # The pool's queue was replaced: this is one of CPython's threads now.
    executor_reference, work_queue = successor
    if _TAKES_CONTEXT:
        _stock._worker(executor_reference, _stock.WorkerContext(None, ()), work_queue)
    else:
        _stock._worker(executor_reference, work_queue, None, ())


class ThreadPoolExecutor(_ThreadPool, _StockPool, _base.Executor):  # type: ignore[misc]
    """Runs calls on a pool of threads, which are made when they are needed and used again."""

    # Numbers for the names of pools that were not given one.
    _counter = itertools.count().__next__

    # How many tasks may wait; 0 means no limit.
    _ropewalk_max_pending = 0
    # Whether the interpreter's exit does not wait for the threads; as the caller's when None.
    _ropewalk_daemon: bool | None = None

    _max_workers: Any = _Noted("_max_workers", lambda pool, most: pool._ropewalk_note_most(most))
    _broken: Any = _Noted("_broken", lambda pool, broken: pool._ropewalk_set_refuses(bool(broken)))
    _shutdown: Any = _Noted("_shutdown", lambda pool, _: pool._ropewalk_note_shutdown())
    _work_queue: Any = _Replaced("_work_queue", lambda pool, new: pool._ropewalk_leave(new))

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        **ctxkwargs: Any,  # noqa: ANN401
    ) -> None:
        """Initializes a new ThreadPoolExecutor instance.

        Args:
            max_workers: The maximum number of threads that can be used to
                execute the given calls.
            thread_name_prefix: An optional name prefix to give our threads.
            initializer: A callable used to initialize worker threads.
            initargs: A tuple of arguments to pass to the initializer.
            ctxkwargs: From Python 3.14 on, for a subclass's `prepare_context()`.
        """
        cls = type(self)
        if ctxkwargs or (
            cls is not ThreadPoolExecutor
            and any(_written(cls, name) is not own for name, own in _HOOKS.items())
        ):
            _stock_pool.__init__(
                self, max_workers, thread_name_prefix, initializer, initargs, **ctxkwargs
            )
            return
        if max_workers is None:
            max_workers = min(32, (_cpu_count() or 1) + 4)
        if max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        prefix = thread_name_prefix or f"ThreadPoolExecutor-{self._counter()}"
        work_queue = _WorkQueue(str(prefix), _whole(max_workers), self._ropewalk_max_pending)
        # An initializer may wait for the other threads' ones.
        if _ONE_LOCK and initializer is None:
            work_queue._defer_threads(True)
        # Not one by one: the core need not be told of what it begins with.
        self.__dict__.update(
            _max_workers=max_workers,
            _threads=set(),
            _broken=False,
            _shutdown=False,
            _shutdown_lock=threading.Lock(),
            _thread_name_prefix=prefix,
            _initializer=initializer,
            _initargs=initargs,
            _work_queue=work_queue,
        )
        self._ropewalk_start(work_queue)

    @property
    def _threads(self) -> Any:  # noqa: ANN401
        if self._ropewalk_is_fast():
            self._ropewalk_start_all()
        return self.__dict__["_threads"]

    @_threads.setter
    def _threads(self, threads: object) -> None:
        self.__dict__["_threads"] = threads

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """Beside the stdlib's package, asyncio asks whether it is one of the stdlib's."""
        return _futures_stock.class_of(type(self), "thread.ThreadPoolExecutor")

    @property
    def _idle_semaphore(self) -> Any:  # noqa: ANN401
        return self.__dict__.get("_idle_semaphore") or _IdleSemaphore(self._work_queue)

    @_idle_semaphore.setter
    def _idle_semaphore(self, semaphore: object) -> None:
        self.__dict__["_idle_semaphore"] = semaphore

    def _ropewalk_start_all(self) -> None:
        """Start those as well that were left to be started when they are needed."""
        if self.__dict__["_threads"]:
            try:  # noqa: SIM105 - contextlib is slow to import
                self._work_queue._start_all(self._ropewalk_make_thread)
            except RuntimeError:
                # No thread can be started now: those are left that are there.
                pass

    def _ropewalk_leave(self, work_queue: Any) -> None:  # noqa: ANN401
        """Leave the pool to CPython's code, which works with any queue.

        Its threads do what was submitted until now, and go on as CPython's.
        """
        self._ropewalk_start_all()
        threads = self.__dict__["_threads"]
        if threads:
            # From now on CPython's code starts them.
            self._work_queue._set_threads(len(threads))
        parts = _stock_pool(1, self._thread_name_prefix, self._initializer, self._initargs)
        for name, value in vars(parts).items():
            self.__dict__.setdefault(name, value)
        _pools.discard(self)
        for thread in list(threads):
            _threads_queues[thread] = work_queue

        def forgotten(_reference: object) -> None:
            work_queue.put(None)

        self._ropewalk_replace_queue((weakref.ref(self, forgotten), work_queue))

    def _ropewalk_note_most(self, most: float) -> None:
        if most > 0:
            self._work_queue._set_threads(_whole(most))

    def _ropewalk_note_shutdown(self) -> None:
        if self._shutdown:
            self._ropewalk_set_refuses(True)
            self._work_queue._close(False)

    def _ropewalk_slow_submit(
        self,
        fn: Callable[..., object],
        /,
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> object:
        return _stock_pool.submit(self, fn, *args, **kwargs)

    def _ropewalk_refuse(self) -> None:
        """Raise what speaks against submitting, if anything does."""
        if self._broken:
            raise BrokenThreadPool(self._broken)
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if _stock._shutdown:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    def _adjust_thread_count(self) -> None:
        if not self._ropewalk_is_fast():
            _stock_pool._adjust_thread_count(self)
            return
        self._work_queue._start_next(self._ropewalk_make_thread)

    def _ropewalk_start_asked(self) -> None:
        """Start a thread that a submit asked for; it takes that back if this fails."""
        with self._shutdown_lock:
            if self._shutdown and self.__dict__["_threads"]:
                # Meanwhile. Who shuts it down sees to the threads, and has begun to join them; or
                # nobody does.
                self._work_queue._start_none()
                if not self._work_queue._claim_if_unseen():
                    return
            self._ropewalk_make_thread(may_wait=True)

    def _ropewalk_make_thread(self, may_wait: bool = False) -> None:
        threads = self.__dict__["_threads"]
        if not threads:
            _pools.add(self)
        _Starter(self, threads)(may_wait)

    def _initializer_failed(self) -> None:
        if not self._ropewalk_is_fast():
            _stock_pool._initializer_failed(self)
            return
        with self._shutdown_lock:
            self._broken = "A thread initializer failed, the thread pool is not usable anymore"
            error = BrokenThreadPool(self._broken)
        self._work_queue._break(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Clean-up the resources associated with the Executor.

        It is safe to call this method several times. Otherwise, no other
        methods can be called after this one.

        Args:
            wait: If True then shutdown will not return until all running
                futures have finished executing and the resources used by the
                executor have been reclaimed.
            cancel_futures: If True then shutdown will cancel all pending
                futures. Futures that are completed or running will not be
                cancelled.
        """
        if not self._ropewalk_is_fast():
            _stock_pool.shutdown(self, wait, cancel_futures=cancel_futures)
            return
        with self._shutdown_lock:
            self._shutdown = True
        if cancel_futures:
            self._work_queue._close(True)
        if wait:
            self._work_queue._see_to_threads(self._ropewalk_make_thread)
            joined: set[threading.Thread] = set()
            # Threads start others, as long as there are too few for the jobs.
            while left := self.__dict__["_threads"] - joined:
                for thread in left:
                    thread.join()
                joined |= left


def _whole(most: float) -> int:
    """The number of threads as the core takes it: `max_workers` may be infinite."""
    return math.ceil(min(most, sys.maxsize))


def _written(cls: type, name: str) -> object:
    """What a class or the first base that has it says for a name."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


_cpu_count: Callable[[], int | None] = getattr(os, "process_cpu_count", os.cpu_count)
# What CPython's own methods call, as it is here: a class that overrides one is run by those.
_HOOKS: dict[str, object] = {
    name: _written(ThreadPoolExecutor, name)
    for name in ("_adjust_thread_count", "_initializer_failed", "prepare_context", "BROKEN")
}


unannotated(globals())
del unannotated
