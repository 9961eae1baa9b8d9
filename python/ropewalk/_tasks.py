"""The tasks of `ropewalk.futures`: their names, limits and cancellation, and the exit."""

from __future__ import annotations

import sys
import weakref
from contextlib import suppress
from time import monotonic
from typing import Any

from ropewalk._ropewalk import TimerHandle
from ropewalk.concurrent.futures import _base, thread
from ropewalk.threading import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ropewalk.futures import ThreadPoolExecutor

__name__ = "ropewalk.futures"

# After so many seconds an exit says what it waits for.
_PATIENCE = 2.0


class TaskOptions:
    """What a task was submitted with."""

    __slots__ = ("name", "priority", "timeout")

    def __init__(
        self, *, timeout: float | None = None, priority: int = 0, name: str | None = None
    ) -> None:
        """As `ThreadPoolExecutor.with_options()`."""
        if timeout is not None and timeout <= 0:
            raise ValueError("timeout must be greater than 0")
        self.timeout = timeout
        self.priority = priority
        self.name = name


class Task:
    """One call in a pool, as its own code sees it through `current_task()`."""

    __slots__ = ("__weakref__", "_began", "_cancelled", "_pool", "_timeout", "name")

    def __init__(
        self, pool: ThreadPoolExecutor, options: TaskOptions, fn: Callable[..., object]
    ) -> None:
        """For a call of `fn`."""
        self.name: str = options.name or getattr(fn, "__qualname__", None) or repr(fn)
        self._timeout = options.timeout
        self._pool = weakref.ref(pool)
        self._began: float | None = None
        self._cancelled = False

    def __repr__(self) -> str:
        return f"<Task {self.name!r}{' cancelled' if self._cancelled else ''}>"

    @property
    def deadline(self) -> float | None:
        """When its time is up, as `time.monotonic()` counts; None if it has no limit."""
        if self._timeout is None or self._began is None:
            return None
        return self._began + self._timeout

    def cancelled(self) -> bool:
        """Whether it is to end: its future's `cancel()` was called, or its time is up."""
        return self._cancelled

    def raise_if_cancelled(self) -> None:
        """End the task if it is to end.

        Raises:
            CancelledError: it is.
        """
        if self._cancelled:
            raise _base.CancelledError

    def request_cancel(self) -> None:
        """Have `cancelled()` say so."""
        self._cancelled = True

    def run(
        self,
        future: Future,
        fn: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> object:
        """Make the call, in a thread of the pool."""
        outer = getattr(_current, "task", None)
        pool = self._pool()
        tasks: set[Task] = set() if pool is None else pool._ropewalk_tasks
        del pool
        self._began = monotonic()
        timer = None
        if self._timeout is not None:
            timer = TimerHandle(self._timeout, _TimeIsUp(self, future))
            timer.start()
        tasks.add(self)
        _current.task = self
        try:
            return fn(*args, **kwargs)
        finally:
            _current.task = outer
            tasks.discard(self)
            if timer is not None:
                timer.cancel()
            # What was raised refers to this frame.
            del future, fn, args, kwargs


class _TimeIsUp:
    """Ends a task's future when its time is up; the task learns of it when it asks."""

    __slots__ = ("_future", "_task")

    def __init__(self, task: Task, future: Future) -> None:
        self._task = task
        self._future = future

    def __call__(self) -> None:
        task = self._task
        task.request_cancel()
        error = _base.TimeoutError(f"task {task.name!r} ran for longer than {task._timeout:g} s")
        # It may have ended at the same moment.
        with suppress(_base.InvalidStateError):
            self._future.set_exception(error)


class Future(_base.Future[Any]):
    """The future of a task of `ropewalk.futures`."""

    def __init__(self, work_queue: object, task: Task) -> None:
        """Made by the pool."""
        super().__init__()
        self._ropewalk_task = task

    def cancel(self) -> bool:
        """Cancel the task if it has not begun, and otherwise ask it to end.

        Returns:
            Whether it is cancelled: False if it runs, in which case `current_task().cancelled()`
            is true there from now on.
        """
        if super().cancel():
            return True
        if not self.done():
            self._ropewalk_task.request_cancel()
        return False


_current = local()


def current_task() -> Task:
    """The task that the calling thread runs.

    Raises:
        RuntimeError: it runs none that was submitted to a pool of `ropewalk.futures`.
    """
    task: Task | None = getattr(_current, "task", None)
    if task is None:
        raise RuntimeError("no task of ropewalk.futures runs in this thread")
    return task


_pools: weakref.WeakSet[ThreadPoolExecutor] = weakref.WeakSet()
_registered = False


def at_exit(pool: ThreadPoolExecutor) -> None:
    """Have the interpreter's exit do with the pool's tasks what the pool's policy says."""
    global _registered
    if not _registered:
        try:
            thread._register_atexit(_exit)
        except RuntimeError as error:
            raise RuntimeError("cannot make a pool after interpreter shutdown") from error
        _registered = True
    _pools.add(pool)


def _exit() -> None:
    global _notice
    if _notice is not None:
        return
    waits = []
    for pool in list(_pools):
        if pool._ropewalk_exit_policy == "wait":
            waits.append(pool)
            continue
        pool.shutdown(wait=False, cancel_futures=True)
        for task in list(pool._ropewalk_tasks):
            task.request_cancel()
        if pool._ropewalk_exit_policy == "cancel":
            waits.append(pool)
    if waits:
        _notice = TimerHandle(_PATIENCE, _Notice(waits))
        _notice.start()


_notice: TimerHandle | None = None


class _Notice:
    """Says for what tasks the exit waits."""

    __slots__ = ("_pools",)

    def __init__(self, pools: list[ThreadPoolExecutor]) -> None:
        self._pools = pools

    def __call__(self) -> None:
        now = monotonic()
        running = [
            f"{task.name!r} (runs for {now - task._began:.1f} s)"
            for pool in self._pools
            for task in list(pool._ropewalk_tasks)
            if task._began is not None
        ]
        queued = sum(pool._work_queue.qsize() for pool in self._pools)
        if running and sys.stderr is not None:
            more = f", and {queued} that wait for a thread" if queued else ""
            sys.stderr.write(f"ropewalk: the exit waits for {', '.join(running)}{more}\n")
            sys.stderr.flush()


del TYPE_CHECKING
