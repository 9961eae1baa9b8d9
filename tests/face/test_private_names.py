"""Names of our own in the public classes: a program's subclass must not meet them by accident."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import concurrent.futures as stdlib_futures
import queue as stdlib_queue
import sys
import threading as stdlib_threading
from typing import Any

import pytest

from ropewalk import queue, threading
from ropewalk.concurrent import futures

# Longer than anything here takes: a hang is a failure and not a wait.
LIMIT = 30.0
OURS = "_ropewalk_"

# What newer versions of CPython have, and no code of ours asks for where CPython does not.
NEWER = {
    "Thread": {"_set_os_name"},
    "Timer": {"_set_os_name"},
    "RLock": {"_recursion_count"},
    "Future": {"_get_snapshot"},
    # What older ones have: our own pool works alike on all.
    "ThreadPoolExecutor": {"_initializer", "_initargs"},
}

CLASSES: list[tuple[Any, Any, str, tuple[Any, ...]]] = [
    (threading, stdlib_threading, "Thread", ()),
    (threading, stdlib_threading, "Timer", (1, print)),
    (threading, stdlib_threading, "Lock", ()),
    (threading, stdlib_threading, "RLock", ()),
    (threading, stdlib_threading, "Condition", ()),
    (threading, stdlib_threading, "Semaphore", ()),
    (threading, stdlib_threading, "BoundedSemaphore", ()),
    (threading, stdlib_threading, "Event", ()),
    (threading, stdlib_threading, "Barrier", (1,)),
    (threading, stdlib_threading, "local", ()),
    (queue, stdlib_queue, "Queue", ()),
    (queue, stdlib_queue, "LifoQueue", ()),
    (queue, stdlib_queue, "PriorityQueue", ()),
    (queue, stdlib_queue, "SimpleQueue", ()),
    (futures, stdlib_futures, "Executor", ()),
    (futures, stdlib_futures, "Future", ()),
    (futures, stdlib_futures, "ThreadPoolExecutor", (1,)),
    (futures, stdlib_futures, "ProcessPoolExecutor", (1,)),
]


def privates(thing: object) -> set[str]:
    # Of those with attributes that an instance gets when they are first asked for as well.
    return {name for name in dir(thing) if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize(
    ("ours", "stock", "name", "args"), CLASSES, ids=[name for _, _, name, _ in CLASSES]
)
def test_what_cpython_does_not_have_has_a_prefix(
    ours: Any, stock: Any, name: str, args: tuple[Any, ...]
) -> None:
    unknown = privates(getattr(ours, name)(*args)) - privates(getattr(stock, name)(*args))
    unknown -= NEWER.get(name, set())
    assert {each for each in unknown if not each.startswith(OURS)} == set()


def test_a_pool_with_a_bound_of_its_own() -> None:
    class Bounded(futures.ThreadPoolExecutor):
        def __init__(self, workers: int, most: int) -> None:
            self._max_pending = threading.BoundedSemaphore(most)
            super().__init__(workers)

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            self._max_pending.acquire()
            future = super().submit(fn, *args, **kwargs)
            future.add_done_callback(lambda _: self._max_pending.release())
            return future

    with Bounded(2, 3) as pool:
        tasks = [pool.submit(abs, -number) for number in range(9)]
        assert [task.result(LIMIT) for task in tasks] == list(range(9))


POOL_NAMES = [
    *("_daemon", "_is_fast", "_make_thread", "_max_pending", "_note_most", "_note_shutdown"),
    *("_refuse", "_set_refuses", "_slow_submit", "_start", "_start_asked", "_submit_as"),
]


@pytest.mark.parametrize("name", POOL_NAMES)
@pytest.mark.parametrize("value", [None, 10, "mine", lambda _: "mine"])
def test_a_pool_with_a_name_of_the_program_s(name: str, value: object) -> None:
    kind: Any = type("Mine", (futures.ThreadPoolExecutor,), {name: value})
    for pool in (kind(2), futures.ThreadPoolExecutor(2)):
        setattr(pool, name, value)
        with pool:
            assert pool.submit(pow, 2, 3).result(LIMIT) == 8
            assert list(pool.map(abs, [-1, -2])) == [1, 2]
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(abs, 1)


QUEUE_NAMES = [
    *("_get_maxsize", "_get_shutdown", "_get_unfinished", "_inflate", "_is_fast"),
    *("_is_known_to_core", "_put_or_get_replaced", "_set_maxsize", "_set_shutdown"),
    *("_set_unfinished", "_start", "_start_slow"),
]


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue"])
@pytest.mark.parametrize("name", QUEUE_NAMES)
@pytest.mark.parametrize("value", [None, 10, "mine", lambda _: "mine"])
def test_a_queue_with_a_name_of_the_program_s(kind: str, name: str, value: object) -> None:
    mine: Any = type("Mine", (getattr(queue, kind),), {name: value})
    for q in (mine(), getattr(queue, kind)()):
        setattr(q, name, value)
        q.put(1)
        q.maxsize = 5
        assert (q.get(), q.qsize(), q.maxsize, q.unfinished_tasks) == (1, 0, 5, 1)
        assert list(q.queue) == []
        q.task_done()
        q.join()
        q.shutdown()
        with pytest.raises(queue.ShutDown):
            q.put(2)


def test_a_queue_that_starts_something() -> None:
    class Lazy(queue.Queue[int]):
        def __init__(self) -> None:
            super().__init__()
            self._start()

        def _start(self) -> None:
            threading.Thread(target=self.put, args=(1,)).start()

    assert Lazy().get(timeout=LIMIT) == 1


FUTURE_NAMES = ["_inflate", "_is_fast", "_peek_exception", "_peek_result", "_peek_state"]


@pytest.mark.parametrize("name", FUTURE_NAMES)
@pytest.mark.parametrize("value", [None, 10, "mine", lambda _: "mine"])
def test_a_future_with_a_name_of_the_program_s(name: str, value: object) -> None:
    mine: Any = type("Mine", (futures.Future,), {name: value})
    for future in (mine(), futures.Future[int]()):
        setattr(future, name, value)
        future.set_result(1)
        assert future._state == "FINISHED"
        assert (future.result(LIMIT), futures.wait([future]).done) == (1, {future})
        with future._condition:
            assert future._result == 1


def test_a_queue_with_a_flag_of_the_program_s() -> None:
    """`is_shutdown` is CPython's from 3.13 on."""

    class Stoppable(queue.Queue[int]):
        def __init__(self) -> None:
            super().__init__()
            self.is_shutdown = False

        def stop(self) -> None:
            self.is_shutdown = True

    for touched in (False, True):
        q = Stoppable()
        if touched:
            assert list(q.queue) == []
        q.stop()
        assert q.is_shutdown is True
        if sys.version_info >= (3, 13):
            with pytest.raises(queue.ShutDown):
                q.put(1)
            continue
        q.put(1)
        assert q.get() == 1
        q.is_shutdown = False
        q.shutdown()
        assert q.is_shutdown is False
        with pytest.raises(queue.ShutDown):
            q.put(1)


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue"])
def test_a_queue_whose_class_has_a_flag(kind: str) -> None:
    base: Any = getattr(queue, kind)

    class Stoppable(base):  # type: ignore[misc]
        is_shutdown = False

    q = Stoppable()
    q.put(1)
    q.is_shutdown = True
    assert q.is_shutdown is True
    if sys.version_info >= (3, 13):
        with pytest.raises(queue.ShutDown):
            q.put(2)
    else:
        q.put(2)
    assert q.qsize() == (1 if sys.version_info >= (3, 13) else 2)


def test_a_queue_whose_class_has_a_part() -> None:
    """CPython's `__init__` gives the instance its own."""

    class Sized(queue.Queue[int]):
        maxsize = 3
        unfinished_tasks = 7
        mutex: Any = None

    q = Sized(1)
    assert (q.maxsize, q.unfinished_tasks) == (1, 0)
    q.put(1)
    assert q.full()
    with q.mutex:
        assert q._qsize() == 1


# The last ones belong to CPython in the other versions.
THREAD_NAMES = [
    *("_enter_limbo", "_inherit_context", "_join", "_launch"),
    *(["_after_fork", "_handle"] if sys.version_info < (3, 13) else ["_is_stopped"]),
    *(["_context", "_set_os_name"] if sys.version_info < (3, 14) else ["_handle"]),
]
TIMER_NAMES = [
    *("_become_a_thread", "_due_at", "_fits_the_wheel", "_leave_the_wheel", "_on_due"),
    *("_put_on_the_wheel", "_wheel"),
]


@pytest.mark.parametrize("name", THREAD_NAMES)
@pytest.mark.parametrize("value", [None, 10, "mine", lambda _: "mine"])
def test_a_thread_with_a_name_of_the_program_s(name: str, value: object) -> None:
    ran: list[int] = []
    mine: Any = type("Mine", (threading.Thread,), {name: value})
    for kind in (mine, threading.Thread):
        thread = kind(target=ran.append, args=(1,))
        setattr(thread, name, value)
        thread.name = "renamed"
        thread.start()
        thread.join(LIMIT)
        assert not thread.is_alive()
        assert getattr(thread, name) is value
    assert ran == [1, 1]


@pytest.mark.parametrize("name", THREAD_NAMES + TIMER_NAMES)
@pytest.mark.parametrize("value", [None, 10, "mine", lambda _: "mine"])
def test_a_timer_with_a_name_of_the_program_s(name: str, value: object) -> None:
    ran: list[int] = []
    mine: Any = type("Mine", (threading.Timer,), {name: value})
    for kind in (mine, threading.Timer):
        soon, never = kind(0.01, ran.append, (1,)), kind(600, ran.append, (2,))
        for timer in (soon, never):
            setattr(timer, name, value)
            timer.start()
        # Makes a thread of it.
        assert never.ident is not None
        never.cancel()
        for timer in (soon, never):
            timer.join(LIMIT)
            assert not timer.is_alive()
    assert ran == [1, 1]


def test_threads_with_methods_of_their_own() -> None:
    class Service(threading.Thread):
        begun = False

        def _launch(self) -> None:
            self.begun = True

        def run(self) -> None:
            self._launch()

        def _join(self) -> None:
            super().join(LIMIT)

    service = Service()
    service.start()
    service._join()
    assert service.begun


def test_a_thread_with_a_flag_of_the_program_s() -> None:
    """CPython before 3.13 sets it at the end."""

    class Stoppable(threading.Thread):
        def __init__(self) -> None:
            super().__init__()
            self._is_stopped = False
            self.asked = threading.Event()

        def run(self) -> None:
            while not self._is_stopped:
                self.asked.wait(LIMIT)

    thread = Stoppable()
    thread.start()
    assert thread.is_alive()
    thread._is_stopped = True
    thread.asked.set()
    thread.join(LIMIT)
    assert thread._is_stopped is True
    assert not thread.is_alive()
