"""The thread pool: threads, tasks, shutdown, and the names that programs touch."""

from __future__ import annotations

import asyncio
import gc
import logging
import queue
import re
import threading as any_threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import ropewalk
from ropewalk import queue as our_queue
from ropewalk import threading
from ropewalk.concurrent import futures as ours
from ropewalk.concurrent.futures import thread as our_thread
from tests.futures.kit import LIMIT, Gate, Started, until

if TYPE_CHECKING:
    from types import ModuleType


def test_a_call_with_any_arguments(futures: ModuleType) -> None:
    def capture(*args: object, **kwargs: object) -> object:
        return args, kwargs

    with futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(capture).result() == ((), {})
        assert pool.submit(capture, 1, self=2, fn=3).result() == ((1,), {"self": 2, "fn": 3})
        assert type(pool.submit(capture)) is futures.Future
        for wrong in ({"fn": capture}, {"arg": 1}):
            with pytest.raises(TypeError):
                pool.submit(**wrong)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_a_task_raises(futures: ModuleType, error: type[BaseException]) -> None:
    def fails() -> None:
        raise error("in a task")

    with futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(fails)
        with pytest.raises(error, match="in a task") as caught:
            future.result()
        assert caught.value is future.exception()
        names = [entry.name for entry in caught.traceback]
        assert names[-1] == "fails"
        # The thread goes on.
        assert pool.submit(abs, -1).result() == 1
        assert len(pool._threads) == 1


def test_threads_are_made_when_needed_and_used_again(futures: ModuleType) -> None:
    pool = futures.ThreadPoolExecutor(3, thread_name_prefix="mine")
    assert pool._threads == set()
    for _ in range(5):
        pool.submit(abs, 1).result()
    assert len(pool._threads) == 1
    gate = Gate()
    held = [pool.submit(gate) for _ in range(7)]
    assert len(pool._threads) == 3
    assert {thread.name for thread in pool._threads} == {"mine_0", "mine_1", "mine_2"}
    gate.open()
    pool.shutdown()
    assert [future.done() for future in held] == [True] * 7
    assert not any(thread.is_alive() for thread in pool._threads)


def test_threads_are_seen_by_threading() -> None:
    gate = Gate()
    with ours.ThreadPoolExecutor(2) as pool:
        pool.submit(gate)
        (thread,) = pool._threads
        assert type(thread) is threading.Thread
        assert thread in threading.enumerate()
        assert not thread.daemon
        gate.open()
    assert thread not in threading.enumerate()
    assert re.fullmatch(r"ThreadPoolExecutor-\d+_0", thread.name)


def test_tasks_may_submit_tasks(futures: ModuleType) -> None:
    with futures.ThreadPoolExecutor(4) as pool:

        def tree(depth: int) -> list[Any]:
            return [pool.submit(tree, depth - 1) for _ in range(2)] if depth else []

        level = tree(6)
        count = 0
        while level:
            count += len(level)
            level = [child for future in level for child in future.result()]
    assert count == 126


def test_arguments_that_make_no_pool(futures: ModuleType) -> None:
    for number in (0, -1):
        with pytest.raises(ValueError, match=r"^max_workers must be greater than 0$"):
            futures.ThreadPoolExecutor(number)
    with pytest.raises(TypeError, match=r"^initializer must be a callable$"):
        futures.ThreadPoolExecutor(initializer=3)
    with pytest.raises(TypeError):
        futures.ThreadPoolExecutor("many")


def test_the_usual_number_of_threads() -> None:
    import concurrent.futures

    stock = concurrent.futures.ThreadPoolExecutor()._max_workers
    assert ours.ThreadPoolExecutor()._max_workers == stock


# Shutdown


def test_no_task_after_shutdown(futures: ModuleType) -> None:
    pool = futures.ThreadPoolExecutor(1)
    pool.shutdown()
    pool.shutdown(wait=False)
    with pytest.raises(RuntimeError, match=r"^cannot schedule new futures after shutdown$"):
        pool.submit(abs, 1)
    with pytest.raises(RuntimeError, match=r"^cannot schedule new futures after shutdown$"):
        pool.map(abs, [1])


def test_shutdown_waits_for_what_was_submitted(futures: ModuleType) -> None:
    done: list[int] = []
    with futures.ThreadPoolExecutor(1) as pool:
        for number in range(20):
            pool.submit(done.append, number)
    assert done == list(range(20))


def test_shutdown_cancels_what_has_not_begun(futures: ModuleType) -> None:
    gate = Gate()
    pool = futures.ThreadPoolExecutor(1)
    running = pool.submit(gate, "ran")
    assert gate.entered.acquire(timeout=LIMIT)
    waiting = [pool.submit(abs, 1) for _ in range(5)]
    called: list[object] = []
    waiting[0].add_done_callback(called.append)
    pool.shutdown(wait=False, cancel_futures=True)
    assert [future.cancelled() for future in waiting] == [True] * 5
    assert called == [waiting[0]]
    gate.open()
    assert running.result() == "ran"
    pool.shutdown()


def test_who_collects_futures_is_told_of_those_that_a_shutdown_cancels() -> None:
    """In the stdlib `as_completed` waits for them for ever."""
    gate = Gate()
    pool = ours.ThreadPoolExecutor(1)
    pool.submit(gate)
    assert gate.entered.acquire(timeout=LIMIT)
    waiting = [pool.submit(abs, 1) for _ in range(3)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert set(ours.as_completed(waiting, timeout=LIMIT)) == set(waiting)
    assert ours.wait(waiting, timeout=LIMIT).not_done == set()
    gate.open()


def test_a_cancelled_task_is_not_run(futures: ModuleType) -> None:
    gate = Gate()
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(gate)
        assert gate.entered.acquire(timeout=LIMIT)
        ran: list[int] = []
        future = pool.submit(ran.append, 1)
        assert future.cancel()
        gate.open()
        assert futures.wait([future], timeout=LIMIT).done == {future}
    assert ran == []
    assert future._state == "CANCELLED_AND_NOTIFIED"


def test_a_pool_that_is_forgotten_ends(futures: ModuleType) -> None:
    pool = futures.ThreadPoolExecutor(2)
    done = [pool.submit(abs, -number) for number in range(5)]
    threads = list(pool._threads)
    gone = weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    assert [future.result() for future in done] == list(range(5))


def test_tasks_are_forgotten(futures: ModuleType) -> None:
    class Thing:
        def method(self) -> None:
            pass

    with futures.ThreadPoolExecutor(1) as pool:
        thing = Thing()
        gone = weakref.ref(thing)
        pool.submit(thing.method).result()
        del thing
        until(lambda: gone() is None, "freed")


def test_a_pool_in_a_cycle_with_its_tasks_is_collected() -> None:
    class Thing:
        pool: object = None

    thing: Any = Thing()
    thing.pool = ours.ThreadPoolExecutor(1)
    gate = Gate()
    thing.pool.submit(gate)
    assert gate.entered.acquire(timeout=LIMIT)
    queued = thing.pool.submit(lambda thing=thing: thing)
    assert thing.pool._work_queue.qsize() == 1
    seen = gc.get_referents(thing.pool._work_queue)
    assert any(each is queued for each in seen)
    gone = weakref.ref(thing)
    gate.open()
    assert queued.result() is thing
    del thing, seen, queued
    gc.collect()
    assert gone() is None


# Initializers


def test_each_thread_is_initialized(futures: ModuleType) -> None:
    local = any_threading.local()

    def initialize(value: str) -> None:
        local.value = value

    gate = Gate()
    with futures.ThreadPoolExecutor(2, initializer=initialize, initargs=("set",)) as pool:
        tasks = [pool.submit(lambda: (gate(), local.value)[1]) for _ in range(2)]
        gate.open()
        assert [task.result() for task in tasks] == ["set", "set"]


def test_a_failing_initializer_breaks_the_pool(
    futures: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()

    def fails() -> None:
        gate()
        raise ValueError("in an initializer")

    pool = futures.ThreadPoolExecutor(1, initializer=fails)
    tasks = [pool.submit(abs, 1) for _ in range(3)]
    gate.open()
    text = "^A thread initializer failed, the thread pool is not usable anymore$"
    for task in tasks:
        with pytest.raises(futures.thread.BrokenThreadPool, match=text):
            task.result(LIMIT)
    assert issubclass(futures.thread.BrokenThreadPool, futures.BrokenExecutor)
    assert pool._broken
    with pytest.raises(futures.BrokenExecutor, match=text):
        pool.submit(abs, 1)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("concurrent.futures", logging.CRITICAL)
    assert record.getMessage() == "Exception in initializer:"
    pool.shutdown()


# What CPython's have


def test_the_queue_of_jobs(futures: ModuleType) -> None:
    gate = Gate()
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(gate)
        assert gate.entered.acquire(timeout=LIMIT)
        jobs = pool._work_queue
        assert (jobs.qsize(), jobs.empty()) == (0, True)
        future = pool.submit(pow, 2, 3)
        assert (jobs.qsize(), jobs.empty()) == (1, False)
        item = jobs.get_nowait()
        assert item.future is future
        with pytest.raises(queue.Empty):
            jobs.get_nowait()
        jobs.put(None)
        jobs.put(item)
        gate.open()
        assert future.result(LIMIT) == 8


def test_a_larger_number_of_threads(futures: ModuleType) -> None:
    gate = Gate()
    with futures.ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            pool.submit(gate)
        assert len(pool._threads) == 1
        pool._max_workers = 3
        for _ in range(3):
            pool.submit(gate)
        assert len(pool._threads) == 3
        gate.open()


@pytest.mark.parametrize("name", ["_shutdown", "_broken"])
def test_flags_that_a_program_sets(futures: ModuleType, name: str) -> None:
    pool = futures.ThreadPoolExecutor(1)
    pool.submit(abs, 1).result()
    assert getattr(pool, name) is False
    setattr(pool, name, "by hand")
    assert getattr(pool, name) == "by hand"
    with pytest.raises(RuntimeError):
        pool.submit(abs, 1)
    pool._shutdown = True
    pool._work_queue.put(None)
    for thread in pool._threads:
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_idle_threads_are_counted() -> None:
    pool = ours.ThreadPoolExecutor(2)
    assert pool._idle_semaphore.acquire(timeout=0) is False
    pool.submit(abs, 1).result()
    assert pool._idle_semaphore.acquire(timeout=0) is True
    pool.shutdown()


def test_a_class_that_starts_threads_by_itself(futures: ModuleType) -> None:
    """As programs do that want daemons: by CPython's own names."""
    module = futures.thread

    class Daemons(futures.ThreadPoolExecutor):  # type: ignore[misc,name-defined]
        def _adjust_thread_count(self) -> None:
            if self._idle_semaphore.acquire(timeout=0):
                return

            def woken(_: object, q: Any = self._work_queue) -> None:  # noqa: ANN401
                q.put(None)

            if len(self._threads) < self._max_workers:
                # 3.14 gives its threads a context in place of the initializer.
                rest = (
                    (self._create_worker_context(), self._work_queue)
                    if hasattr(module, "WorkerContext")
                    else (self._work_queue, self._initializer, self._initargs)
                )
                thread = module.threading.Thread(
                    target=module._worker, args=(weakref.ref(self, woken), *rest), daemon=True
                )
                thread.start()
                self._threads.add(thread)
                module._threads_queues[thread] = self._work_queue

    with Daemons(2) as pool:
        future = pool.submit(pow, 2, 5)
        assert type(future) is futures.Future
        assert future.result(LIMIT) == 32
        assert list(pool.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]
        assert all(thread.daemon for thread in pool._threads)
        assert pool._threads <= set(module._threads_queues)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, 1)


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue"])
def test_a_queue_of_a_programs_own(futures: ModuleType, kind: str) -> None:
    """As programs do that want their pools bounded."""
    module = our_queue if futures is ours else queue

    class Bounded(futures.ThreadPoolExecutor):  # type: ignore[misc,name-defined]
        def __init__(self, threads: int, most: int) -> None:
            super().__init__(threads)
            self._work_queue = getattr(module, kind)(most)

    gate = Gate()
    with Bounded(1, 2) as pool:
        first = pool.submit(gate, "first")
        assert gate.entered.acquire(timeout=LIMIT)
        tasks = [pool.submit(pow, 2, number) for number in range(2)]
        assert pool._work_queue.full()
        more = Started(lambda: pool.submit(pow, 2, 5).result(LIMIT))
        until(lambda: pool._shutdown_lock.locked(), "at the bound")
        assert not tasks[0].done()
        gate.open()
        assert first.result(LIMIT) == "first"
        assert [task.result(LIMIT) for task in tasks] == [1, 2]
        assert more.result() == 32
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, 1)


def test_a_queue_that_is_replaced_at_work() -> None:
    """What was submitted before is done, by threads that then go on with the other queue."""
    gate = Gate()
    pool = ours.ThreadPoolExecutor(2)
    tasks = [pool.submit(gate, number) for number in range(6)]
    pool._work_queue = our_queue.SimpleQueue()
    tasks += [pool.submit(abs, -number) for number in range(6, 12)]
    assert len(pool._threads) == 2
    gate.open()
    assert [task.result(LIMIT) for task in tasks] == list(range(12))
    assert set(pool._threads) <= set(our_thread._threads_queues)
    pool.shutdown()
    assert not any(thread.is_alive() for thread in pool._threads)


def test_a_pool_with_another_queue_is_forgotten() -> None:
    pool = ours.ThreadPoolExecutor(2)
    pool.submit(abs, 1).result(LIMIT)
    threads = set(pool._threads)
    pool._work_queue = our_queue.SimpleQueue()
    task = pool.submit(abs, -2)
    threads |= pool._threads
    del pool
    assert task.result(LIMIT) == 2
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_a_class_that_overrides_submit(futures: ModuleType) -> None:
    class Counting(futures.ThreadPoolExecutor):  # type: ignore[misc,name-defined]
        count = 0

        def submit(self, fn: Any, /, *args: object, **kwargs: object) -> Any:  # noqa: ANN401
            self.count += 1
            return super().submit(fn, *args, **kwargs)

    with Counting(2) as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
        assert pool.submit(pow, 2, exp=2).result() == 4
    assert pool.count == 3


def test_a_future_that_somebody_else_ends(
    futures: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    with futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(gate)
        assert gate.entered.acquire(timeout=LIMIT)
        future.set_result("by hand")
        gate.open()
    assert future.result() == "by hand"
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.CRITICAL, "Exception in worker")


def test_the_names_of_the_module() -> None:
    import concurrent.futures
    import concurrent.futures.thread as stock

    for name in vars(stock):
        assert hasattr(our_thread, name), name
    for name in vars(concurrent.futures._base):
        assert hasattr(ours._base, name), name
    assert set(concurrent.futures.__all__) <= set(ours.__all__)
    assert ours.CancelledError is concurrent.futures.CancelledError
    assert ours.BrokenExecutor is concurrent.futures.BrokenExecutor
    assert issubclass(ours.ThreadPoolExecutor, ours.Executor)
    assert issubclass(ours.Executor, concurrent.futures.Executor)
    with pytest.raises(AttributeError):
        ours.nothing  # noqa: B018 - looked up
    with pytest.raises(AttributeError):
        our_thread.nothing  # noqa: B018 - looked up


def test_other_threads_get_a_turn_while_tasks_are_builtins() -> None:
    """A worker that runs no code of Python's lets go of the GIL all the same."""
    with ours.ThreadPoolExecutor(1) as pool:
        gate = Gate()
        pool.submit(gate)
        for _ in range(200_000):
            pool.submit(int)
        begun = time.monotonic()
        last = pool.submit(time.monotonic)
        turns = 0
        gate.open()
        while not last.done():
            turns += 1
            time.sleep(0)
        taken = last.result() - begun
    # A turn about every switch interval; with none there would be one at the end.
    assert turns >= min(3, taken / 0.05), (turns, taken)


def test_asyncio_works_on_them() -> None:
    """Without an installation: its loop is given our pool by name."""

    import concurrent.futures

    class Mine(ours.Future):  # type: ignore[type-arg]
        pass

    both: list[object] = [ours.Future(), Mine()]
    for future in both:
        assert isinstance(future, concurrent.futures.Future)
        assert isinstance(future, ours.Future)
    assert (type(Mine()), Mine().__class__.__name__) == (Mine, "Mine")
    assert isinstance(Mine(), Mine)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ours.ThreadPoolExecutor(1))
        assert await loop.run_in_executor(None, pow, 2, 4) == 16
        with ours.ThreadPoolExecutor(2) as pool:
            assert await loop.run_in_executor(pool, pow, 2, 5) == 32
            assert await asyncio.wrap_future(pool.submit(pow, 2, 6)) == 64
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(pool, divmod, 1, 0)
            gate = Gate()
            waiting = [loop.run_in_executor(pool, gate) for _ in range(3)]
            waiting[2].cancel()
            gate.open()
            await asyncio.gather(*waiting[:2])

    asyncio.run(main())


def test_nobody_is_left_blocked() -> None:
    with ours.ThreadPoolExecutor(3) as pool:
        list(pool.map(abs, range(100)))
        idents = {thread.ident for thread in pool._threads}
    assert idents.isdisjoint(ropewalk.blocked_threads())


@pytest.mark.parametrize("most", [float("inf"), 2**64])
def test_there_may_be_no_end_of_threads(futures: ModuleType, most: float) -> None:
    gate = Gate()
    with futures.ThreadPoolExecutor(most) as pool:
        tasks = [pool.submit(gate) for _ in range(5)]
        for _ in tasks:
            assert gate.entered.acquire(timeout=LIMIT)
        gate.open()
        for task in tasks:
            task.result(LIMIT)
