"""Futures and thread pools with what the stdlib's do not have.

The classes and functions are those of `ropewalk.concurrent.futures`, with more keyword arguments::

    from ropewalk import futures

    with futures.ThreadPoolExecutor(8, max_pending=100, timeout=30) as pool:
        pages = [pool.with_options(name=url, priority=1).submit(fetch, url) for url in urls]
        for page in futures.as_completed(pages, progress=True):
            ...

What is for one task goes through `with_options()`: keyword arguments of `submit()` itself are
the function's own.

A thread cannot be stopped from outside. A task that is to end early asks now and then::

    def fetch(url):
        for part in parts(url):
            futures.current_task().raise_if_cancelled()
"""

from __future__ import annotations

import sys

from ropewalk import _tasks
from ropewalk._tasks import Future, Task, TaskOptions, current_task
from ropewalk.concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    InvalidStateError,
    TimeoutError,  # noqa: A004 - the stdlib's name
    wait,
)
from ropewalk.concurrent.futures import as_completed as _as_completed
from ropewalk.concurrent.futures.thread import BrokenThreadPool
from ropewalk.concurrent.futures.thread import ThreadPoolExecutor as _ThreadPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Literal, TypeVar

    _T = TypeVar("_T")

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenExecutor",
    "BrokenThreadPool",
    "CancelledError",
    "Executor",
    "Future",
    "InvalidStateError",
    "Task",
    "TaskOptions",
    "ThreadPoolExecutor",
    "TimeoutError",
    "as_completed",
    "current_task",
    "wait",
]


class ThreadPoolExecutor(_ThreadPoolExecutor):
    """A thread pool whose tasks can be bounded, timed, ordered and named."""

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_pending: int | None = None,
        on_full: Literal["block", "raise"] = "block",
        exit_policy: Literal["wait", "cancel", "abandon"] = "wait",
        timeout: float | None = None,
    ) -> None:
        """Make a pool.

        Args:
            max_workers: the largest number of threads, as in the stdlib.
            thread_name_prefix: how the threads' names begin.
            initializer: called by each thread before its first task.
            initargs: its arguments.
            max_pending: how many tasks may wait for a thread; None for no limit.
            on_full: what submitting one more does: "block" until there is a place, or "raise"
                `queue.Full`.
            exit_policy: what the interpreter's exit does with tasks: "wait" for all, "cancel" those
                that have not begun and ask the others to end, or "abandon" all of them. An exit
                that waits for longer than 2 seconds says on standard error for what.
            timeout: for how many seconds each task may run. Then its future fails with
                TimeoutError, and `current_task().cancelled()` is true in it; its thread is free
                for the next task when its function has returned.

        Raises:
            ValueError: a number that is not positive, or a policy that there is not.
        """
        if max_pending is not None and max_pending <= 0:
            raise ValueError("max_pending must be greater than 0")
        if on_full not in ("block", "raise"):
            raise ValueError(f"on_full must be 'block' or 'raise', not {on_full!r}")
        if exit_policy not in ("wait", "cancel", "abandon"):
            raise ValueError(
                f"exit_policy must be 'wait', 'cancel' or 'abandon', not {exit_policy!r}"
            )
        self._ropewalk_max_pending = max_pending or 0
        self._ropewalk_on_full = on_full
        self._ropewalk_exit_policy = exit_policy
        self._ropewalk_daemon = True if exit_policy == "abandon" else None
        self._ropewalk_options = TaskOptions(timeout=timeout)
        # Those that run now.
        self._ropewalk_tasks: set[Task] = set()
        super().__init__(max_workers, thread_name_prefix, initializer, initargs)
        if not self._ropewalk_is_fast():
            raise TypeError(
                f"{type(self).__name__} overrides a private method of the stdlib's pools; "
                "derive it from ropewalk.concurrent.futures.ThreadPoolExecutor"
            )
        self._ropewalk_jobs = self._work_queue
        _tasks.at_exit(self)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        priority: int = 0,
        name: str | None = None,
    ) -> Submitter:
        """What submits tasks with options of their own.

        Args:
            timeout: as for the pool, which gives it where this is None.
            priority: a task of a higher one is begun first; the usual one is 0.
            name: for people; the function's when None.

        Returns:
            An object with `submit(fn, /, *args, **kwargs)`.
        """
        if timeout is None:
            timeout = self._ropewalk_options.timeout
        return Submitter(self, TaskOptions(timeout=timeout, priority=priority, name=name))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:  # noqa: ANN401
        """Submit a call of `fn(*args, **kwargs)`.

        Raises:
            queue.Full: `max_pending` tasks wait, and the pool was made with `on_full="raise"`.
            RuntimeError: the pool is shut down or broken.
        """
        return self._ropewalk_submit_task(self._ropewalk_options, fn, args, kwargs)

    def _ropewalk_submit_task(
        self,
        options: TaskOptions,
        fn: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Future:
        task = Task(self, options, fn)
        future = Future(self._ropewalk_jobs, task)
        call = (task.run, (future, fn, args, kwargs))
        self._ropewalk_submit_as(future, options.priority, self._ropewalk_on_full == "block", call)
        return future

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        progress: bool = False,
    ) -> Iterator[_T]:
        """As the stdlib's, with `progress` as in `as_completed()`."""
        total = None
        if progress:
            iterables = tuple(
                each if hasattr(each, "__len__") else list(each) for each in iterables
            )
            total = min((len(each) for each in iterables), default=0)  # type: ignore[arg-type]
        results = super().map(
            fn, *iterables, timeout=timeout, chunksize=chunksize, buffersize=buffersize
        )
        return _drawn(results, total) if progress else results


class Submitter:
    """Submits tasks to a pool with certain options: see `ThreadPoolExecutor.with_options()`."""

    __slots__ = ("_options", "_pool")

    def __init__(self, pool: ThreadPoolExecutor, options: TaskOptions) -> None:
        """Submit to this pool, with these options."""
        self._pool = pool
        self._options = options

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:  # noqa: ANN401
        """As `ThreadPoolExecutor.submit()`."""
        return self._pool._ropewalk_submit_task(self._options, fn, args, kwargs)


def as_completed(
    fs: Iterable[_T], timeout: float | None = None, *, progress: bool = False
) -> Iterator[_T]:
    """As the stdlib's.

    Args:
        fs: the futures.
        timeout: for how many seconds all of them may take.
        progress: whether to draw how many are done, on standard error, if that is a terminal and
            `tqdm` or `rich` is installed (`pip install ropewalk[progress]`).
    """
    if not progress:
        return _as_completed(fs, timeout)
    futures = set(fs)
    return _drawn(_as_completed(futures, timeout), len(futures))


def _drawn(items: Iterator[_T], total: int | None) -> Iterator[_T]:
    if sys.stderr is None or not sys.stderr.isatty():
        return items
    try:
        from tqdm import tqdm  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        pass
    else:
        return iter(tqdm(items, total=total))
    try:
        from rich.console import Console  # type: ignore[import-not-found,unused-ignore]
        from rich.progress import track  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return items
    return iter(track(items, total=total, console=Console(stderr=True)))


del TYPE_CHECKING
