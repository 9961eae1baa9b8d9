"""The sides of the comparison: the stdlib, Ropewalk, peers, and the floor."""

import concurrent.futures
import contextlib
import importlib
import importlib.util
import os
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol, cast


class LockLike(Protocol):
    """Lock, RLock, Semaphore, BoundedSemaphore."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> object: ...
    def __exit__(self, kind: None, error: None, traceback: None, /) -> object: ...


class ConditionLike(Protocol):
    """Condition."""

    def wait(self) -> object: ...
    def notify(self) -> object: ...
    def notify_all(self) -> object: ...
    def __enter__(self) -> object: ...
    def __exit__(self, kind: None, error: None, traceback: None, /) -> object: ...


class EventLike(Protocol):
    """Event."""

    def set(self) -> object: ...
    def wait(self) -> object: ...
    def clear(self) -> object: ...


class QueueLike(Protocol):
    """Queue, LifoQueue, PriorityQueue, SimpleQueue."""

    def put(self, item: object, /) -> object: ...
    def get(self) -> object: ...


class ThreadLike(Protocol):
    """Thread and Timer."""

    def start(self) -> None: ...
    def join(self) -> None: ...


class TimerLike(ThreadLike, Protocol):
    """Timer."""

    def cancel(self) -> None: ...


class FutureLike(Protocol):
    """Future."""

    def set_result(self, result: object, /) -> object: ...
    def result(self) -> object: ...
    def add_done_callback(self, fn: Callable[[Any], object], /) -> object: ...


class PoolLike(Protocol):
    """ThreadPoolExecutor."""

    def submit(self, fn: Callable[..., object], /, *args: object) -> FutureLike: ...
    def map(
        self, fn: Callable[..., object], /, *iterables: Iterable[object]
    ) -> Iterable[object]: ...
    def shutdown(self) -> object: ...
    def __enter__(self) -> "PoolLike": ...
    def __exit__(self, kind: None, error: None, traceback: None, /) -> object: ...


class PoolsLike(Protocol):
    """A module with a pool whose results can be asked for."""

    ThreadPoolExecutor: Callable[[int], PoolLike]


class FuturesLike(PoolsLike, Protocol):
    """The module concurrent.futures."""

    Future: Callable[[], FutureLike]
    wait: Callable[..., tuple[set[Any], set[Any]]]
    as_completed: Callable[[Iterable[Any]], Iterable[object]]


@dataclass(frozen=True)
class Kit:
    """What one side offers; None where it has no such thing.

    spelling: how this side spells methods that the stdlib spells otherwise.
    driver: the class of the threads that drive its measures (the stdlib's for all sides, unless
    the benchmark is asked otherwise).
    """

    name: str
    version: str = ""
    lock: Callable[[], LockLike] | None = None
    rlock: Callable[[], LockLike] | None = None
    semaphore: Callable[[], LockLike] | None = None
    empty_semaphore: Callable[[], LockLike] | None = None
    bounded_semaphore: Callable[[], LockLike] | None = None
    condition: Callable[[], ConditionLike] | None = None
    event: Callable[[], EventLike] | None = None
    barrier_of_one: Callable[[], object] | None = None
    thread: Callable[..., ThreadLike] | None = None
    timer: Callable[..., TimerLike] | None = None
    queue: Callable[[], QueueLike] | None = None
    queue_of_100: Callable[[], QueueLike] | None = None
    queue_of_1: Callable[[], QueueLike] | None = None
    lifo_queue: Callable[[], QueueLike] | None = None
    priority_queue: Callable[[], QueueLike] | None = None
    simple_queue: Callable[[], QueueLike] | None = None
    future: Callable[[], FutureLike] | None = None
    pools: PoolsLike | None = None
    futures: FuturesLike | None = None
    driver: Callable[..., ThreadLike] = threading.Thread
    spelling: dict[str, str] = field(default_factory=dict)


def _from_modules(
    name: str, number: str, locks: ModuleType, queues: ModuleType, futures: ModuleType
) -> Kit:
    return Kit(
        name,
        number,
        lock=locks.Lock,
        rlock=locks.RLock,
        semaphore=locks.Semaphore,
        empty_semaphore=lambda: locks.Semaphore(0),
        bounded_semaphore=locks.BoundedSemaphore,
        condition=locks.Condition,
        event=locks.Event,
        barrier_of_one=lambda: locks.Barrier(1),
        thread=locks.Thread,
        timer=locks.Timer,
        queue=queues.Queue,
        queue_of_100=lambda: queues.Queue(100),
        queue_of_1=lambda: queues.Queue(1),
        lifo_queue=queues.LifoQueue,
        priority_queue=queues.PriorityQueue,
        simple_queue=queues.SimpleQueue,
        future=futures.Future,
        pools=cast("PoolsLike", futures),
        futures=cast("FuturesLike", futures),
    )


class NotStockError(RuntimeError):
    """The stdlib's names are not the stdlib's: the comparison would be with ourselves."""


def stock() -> Kit:
    """Return the stdlib's own; raise NotStockError if something has replaced it."""
    home = os.path.dirname(os.__file__)
    pure = {
        "threading.Thread.start": threading.Thread.start,
        "threading.Semaphore.acquire": threading.Semaphore.acquire,
        "threading.Event.wait": threading.Event.wait,
        "queue.Queue.put": queue.Queue.put,
        "concurrent.futures.Future.result": concurrent.futures.Future.result,
    }
    for name, function in pure.items():
        code = getattr(function, "__code__", None)
        if code is None or not os.path.abspath(code.co_filename).startswith(home):
            raise NotStockError(f"{name} is not the standard library's")
    return _from_modules("stock", "", threading, queue, concurrent.futures)


def ropewalk() -> Kit | None:
    """Return Ropewalk's drop-in modules, or None if the package is not installed.

    A package that is there and does not import is an error, not an absence.
    """
    if importlib.util.find_spec("ropewalk") is None:
        return None
    locks = importlib.import_module("ropewalk.threading")
    queues = importlib.import_module("ropewalk.queue")
    futures = importlib.import_module("ropewalk.concurrent.futures")
    return _from_modules("ropewalk", _version("ropewalk"), locks, queues, futures)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def peers() -> list[Kit]:
    """Return the libraries that offer some of the same for threads, those that are installed."""
    found = []
    for make in (_fastrlock, _aiologic, _culsans, _pebble, _gevent):
        with contextlib.suppress(ImportError):
            found.append(make())
    return found


def _fastrlock() -> Kit:
    module = importlib.import_module("fastrlock.rlock")
    return Kit("fastrlock", _version("fastrlock"), rlock=module.FastRLock)


def _aiologic() -> Kit:
    module = importlib.import_module("aiologic")
    return Kit(
        "aiologic",
        _version("aiologic"),
        # Its Lock checks the owner: only this can be released by another thread, as a Lock can.
        lock=module.BinarySemaphore,
        rlock=module.RLock,
        semaphore=module.Semaphore,
        empty_semaphore=lambda: module.Semaphore(0),
        bounded_semaphore=module.BoundedSemaphore,
        condition=module.Condition,
        event=module.REvent,
        queue=module.Queue,
        queue_of_100=lambda: module.Queue(100),
        queue_of_1=lambda: module.Queue(1),
        lifo_queue=module.LifoQueue,
        priority_queue=module.PriorityQueue,
        simple_queue=module.SimpleQueue,
        spelling={
            "acquire": "green_acquire",
            "release": "green_release",
            "put": "green_put",
            "get": "green_get",
        },
    )


def _culsans() -> Kit:
    module = importlib.import_module("culsans")
    return Kit(
        "culsans",
        _version("culsans"),
        queue=module.Queue,
        queue_of_100=lambda: module.Queue(100),
        queue_of_1=lambda: module.Queue(1),
        lifo_queue=module.LifoQueue,
        priority_queue=module.PriorityQueue,
        spelling={"put": "sync_put", "get": "sync_get"},
    )


def _pebble() -> Kit:
    pebble = importlib.import_module("pebble")

    class Pool:
        """Pebble's pool under the names that the stdlib's has."""

        def __init__(self, workers: int) -> None:
            self._pool = pebble.ThreadPool(max_workers=workers)

        def submit(self, fn: Callable[..., object], /, *args: object) -> FutureLike:
            future: FutureLike = self._pool.submit(fn, *args)
            return future

        def map(
            self, fn: Callable[..., object], /, *iterables: Iterable[object]
        ) -> Iterable[object]:
            results: Iterable[object] = self._pool.map(fn, *iterables).result()
            return results

        def shutdown(self) -> None:
            self._pool.close()
            self._pool.join()

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, kind: None, error: None, traceback: None, /) -> None:
            self.shutdown()

    futures = SimpleNamespace(
        ThreadPoolExecutor=Pool,
        Future=concurrent.futures.Future,
        wait=concurrent.futures.wait,
        as_completed=concurrent.futures.as_completed,
    )
    return Kit(
        "pebble",
        _version("pebble"),
        pools=cast("PoolsLike", futures),
        futures=cast("FuturesLike", futures),
    )


def _gevent() -> Kit:
    # Its futures know nothing of `wait` and `as_completed`, nor of callbacks and tasks that are
    # submitted by tasks, unless its event loop runs as well.
    pools = importlib.import_module("gevent.threadpool")
    return Kit("gevent", _version("gevent"), pools=cast("PoolsLike", pools))
