"""When a pool starts its threads: never later than a task could need one."""

from __future__ import annotations

import threading as any_threading
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from ropewalk import threading
from ropewalk.concurrent import futures as ours
from ropewalk.concurrent.futures import thread as our_thread
from tests.futures.kit import LIMIT, Started, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# Of the stdlib or ours.
Pool: TypeAlias = Any

WORKERS = 4


def _leave_at_once(pool: Pool) -> None:
    pool.shutdown()


def _leave_without_waiting(pool: Pool) -> None:
    pool.shutdown(wait=False)


def _sleep(pool: Pool) -> None:
    until(lambda: pool._work_queue.empty(), "begun")


def _compute(pool: Pool) -> None:
    end = time.monotonic() + LIMIT
    while not pool._work_queue.empty():
        assert time.monotonic() < end
        sum(range(1000))


def _nothing(pool: Pool) -> None:
    """Wait for the tasks only."""


@pytest.mark.parametrize(
    "then", [_leave_at_once, _leave_without_waiting, _sleep, _compute, _nothing]
)
@pytest.mark.parametrize("idle", [False, True])
def test_tasks_that_wait_for_each_other(
    futures: ModuleType, then: Callable[[Pool], None], idle: bool
) -> None:
    """Each needs a thread of its own, whatever the submitter does next.

    They wait in a barrier of the stdlib's, of which ours knows nothing.
    """
    for _ in range(30):
        meet = any_threading.Barrier(WORKERS)
        pool = futures.ThreadPoolExecutor(WORKERS)
        if idle:
            # One thread has nothing to do when the tasks come.
            pool.submit(abs, 1).result(LIMIT)
        tasks = [pool.submit(meet.wait, LIMIT) for _ in range(WORKERS)]
        then(pool)
        assert sorted(task.result(LIMIT) for task in tasks) == list(range(WORKERS))
        pool.shutdown()
        assert not any(thread.is_alive() for thread in pool._threads)


def test_one_thread_does_a_burst_of_short_tasks() -> None:
    """If it is not interrupted, which another program on the machine may do now and then."""
    numbers = set()
    for _ in range(50):
        with ours.ThreadPoolExecutor(WORKERS) as pool:
            tasks = [pool.submit(abs, -number) for number in range(4)]
        assert [task.result(0) for task in tasks] == [0, 1, 2, 3]
        numbers.add(len(pool._threads))
    assert 1 in numbers


def test_tasks_begin_in_their_order() -> None:
    for _ in range(30):
        begun: list[int] = []
        with ours.ThreadPoolExecutor(WORKERS) as pool:
            pool.submit(abs, 1).result(LIMIT)
            for number in range(100):
                pool.submit(begun.append, number)
        assert begun == list(range(100))


def test_who_counts_the_threads_finds_those_that_were_put_off() -> None:
    for _ in range(30):
        with ours.ThreadPoolExecutor(WORKERS) as pool:
            pool.submit(abs, 1).result(LIMIT)
            gate = threading.Event()
            for _task in range(WORKERS * 3):
                pool.submit(gate.wait)
            threads = pool._threads
            assert len(threads) == WORKERS
            assert all(thread.is_alive() and thread.ident for thread in threads)
            for thread in threads:
                # As programs do that do not want the exit to wait.
                del our_thread._threads_queues[thread]
            gate.set()


class OwnSubmit(ours.ThreadPoolExecutor):
    """A pool whose `submit` is a copy of CPython's, as of those that bound their queues."""

    def submit(  # type: ignore[override]
        self, fn: Callable[..., object], /, *args: object, **kwargs: object
    ) -> ours.Future[object]:
        """Submit under the locks."""
        with self._shutdown_lock, our_thread._global_shutdown_lock:
            future: ours.Future[object] = ours.Future()
            self._work_queue.put(our_thread._make_item(future, fn, args, kwargs))
            self._adjust_thread_count()
            return future


def test_a_submit_of_a_programs_own_starts_threads_under_the_locks() -> None:
    meet = any_threading.Barrier(2)
    with OwnSubmit(2) as pool:
        tasks = [pool.submit(meet.wait, LIMIT) for _ in range(2)]
        assert {task.result(LIMIT) for task in tasks} == {0, 1}
        assert len(pool._threads) == 2


def test_threads_that_a_trace_function_stops(
    futures: ModuleType, request: pytest.FixtureRequest
) -> None:
    """It is called in a new thread before that looks for tasks."""
    module = threading if futures is ours else any_threading
    meet = any_threading.Barrier(2)
    seen = any_threading.local()

    def trace(*_args: object) -> None:
        if not hasattr(seen, "here"):
            seen.here = True
            meet.wait(LIMIT)

    request.addfinalizer(lambda: module.settrace(None))
    pool = futures.ThreadPoolExecutor(2)
    module.settrace(trace)
    tasks = [pool.submit(abs, -number) for number in range(3)]
    assert [task.result(LIMIT) for task in tasks] == [0, 1, 2]
    module.settrace(None)
    pool.shutdown()


def test_threads_that_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is there does all tasks; who submits is told, as by CPython's, if it is asked."""
    pool = ours.ThreadPoolExecutor(WORKERS)
    pool.submit(abs, 1).result(LIMIT)

    def no_more(*_args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "_start_new_thread", no_more)
    tasks = [pool.submit(abs, -number) for number in range(20)]
    assert len(pool._threads) == 1
    assert [task.result(LIMIT) for task in tasks] == list(range(20))
    # A thread of the pool that could not start another one goes on without.
    assert not caplog.records
    gate, entered = threading.Event(), threading.Event()

    def blocks() -> None:
        entered.set()
        assert gate.wait(LIMIT)

    pool.submit(blocks)
    assert entered.wait(LIMIT)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        pool.submit(abs, 1)
    monkeypatch.undo()
    # Both tasks that are queued now need no more than one thread.
    assert pool.submit(abs, -2).result(LIMIT) == 2
    gate.set()
    pool.shutdown()


def test_an_initializer_that_counts_the_threads(futures: ModuleType) -> None:
    """It does not wait for itself."""
    counts: list[int] = []

    def initialize() -> None:
        counts.append(len(pool._threads))

    pool = futures.ThreadPoolExecutor(3, initializer=initialize)
    meet = any_threading.Barrier(3)
    tasks = [pool.submit(meet.wait, LIMIT) for _ in range(3)]
    assert sorted(task.result(LIMIT) for task in tasks) == [0, 1, 2]
    pool.shutdown()
    assert len(counts) == 3


def test_who_counts_the_threads_may_hold_what_a_submit_needs() -> None:
    pool = ours.ThreadPoolExecutor(2)
    gate = threading.Event()
    # The first job: a thread that had done one might not have said yet that it is free.
    pool.submit(gate.wait)
    with pool._shutdown_lock:
        # It asks for a second thread, for which it needs the lock.
        submits = Started(lambda: [pool.submit(gate.wait) for _ in range(2)]).until_blocked()
        assert len(pool._threads) >= 1
    tasks = submits.result()
    assert isinstance(tasks, list)
    gate.set()
    assert [task.result(LIMIT) for task in tasks] == [True, True]
    pool.shutdown()


def test_a_start_that_counts_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that a submit asks for, one that a thread of the pool does, one for who shuts it down."""
    counts: list[int] = []
    pool = ours.ThreadPoolExecutor(WORKERS)
    own_start = threading.Thread.start

    def start(self: threading.Thread) -> None:
        counts.append(len(pool._threads))
        own_start(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    meet = any_threading.Barrier(WORKERS)
    tasks = [pool.submit(meet.wait, LIMIT) for _ in range(WORKERS)]
    pool.shutdown()
    assert sorted(task.result(0) for task in tasks) == list(range(WORKERS))
    assert sorted(counts) == list(range(WORKERS))


def test_the_threads_have_names_of_their_own() -> None:
    """Several submit at once, and threads of the pool start others meanwhile."""
    gate = any_threading.Event()
    for _ in range(10):
        gate.clear()
        with ours.ThreadPoolExecutor(4 * WORKERS, "p") as pool:

            def submit_four(pool: Pool = pool) -> None:
                for _ in range(4):
                    pool.submit(gate.wait, LIMIT)

            submits = [Started(submit_four) for _ in range(4)]
            for submit in submits:
                submit.result()
            names = sorted(thread.name for thread in pool._threads)
            gate.set()
        assert len(set(names)) == len(names), names
