"""The classes of the pretended replacement: CPython's own under another identity."""

from __future__ import annotations

import _thread
import concurrent.futures
import queue
import threading
from typing import Any

_stock: Any = threading
_allocate_lock = _thread.allocate_lock  # kept, because the name is replaced later


class Lock:
    """A wrapper, because CPython's lock cannot be subclassed."""

    def __init__(self) -> None:
        self._inner: Any = _allocate_lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return bool(self._inner.acquire(blocking, timeout))

    def release(self) -> None:
        self._inner.release()

    def locked(self) -> bool:
        return bool(self._inner.locked())

    def _at_fork_reinit(self) -> None:
        self._inner._at_fork_reinit()

    def __enter__(self) -> bool:
        return bool(self._inner.acquire())

    def __exit__(self, *_error: object) -> None:
        self._inner.release()


def _again(base: type) -> type:
    return type(base.__name__, (base,), {"__module__": base.__module__, "__doc__": base.__doc__})


RLock = _again(_stock._CRLock)
_PyRLock = _again(_stock._PyRLock)
Condition = _again(threading.Condition)
Semaphore = _again(threading.Semaphore)
BoundedSemaphore = _again(threading.BoundedSemaphore)
Event = _again(threading.Event)
Barrier = _again(threading.Barrier)
Thread = _again(threading.Thread)
Timer = _again(threading.Timer)
Queue = _again(queue.Queue)
LifoQueue = _again(queue.LifoQueue)
PriorityQueue = _again(queue.PriorityQueue)
SimpleQueue = _again(queue.SimpleQueue)
Future = _again(concurrent.futures.Future)
ThreadPoolExecutor = _again(concurrent.futures.ThreadPoolExecutor)
