"""Many threads at random: every task that was submitted is resolved exactly once."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

import pytest

from ropewalk import threading
from ropewalk.concurrent import futures
from tests.futures.kit import LIMIT

SUBMITTERS = 3
EACH = 300


class Deliberate(Exception):
    """Raised by tasks and callbacks that are to fail."""


@pytest.mark.parametrize("seed", range(4))
def test_submitted_is_resolved_exactly_once(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    pool = futures.ThreadPoolExecutor(chance.choice([1, 2, 4]))
    submitted: list[list[Any]] = [[] for _ in range(SUBMITTERS)]
    ran: Counter[int] = Counter()
    called: Counter[int] = Counter()
    lock = threading.Lock()

    def count(counter: Counter[int], key: int) -> None:
        with lock:
            counter[key] += 1

    def task(key: int, how: float) -> int:
        count(ran, key)
        if how < 0.1:
            raise Deliberate
        if how < 0.15:
            time.sleep(0.0002)
        elif how < 0.2 and not pool._shutdown:
            try:
                pool.submit(abs, 1)
            except RuntimeError:
                assert pool._shutdown
        return key

    def callback(key: int, fails: bool) -> Any:  # noqa: ANN401
        def call(_: object) -> None:
            count(called, key)
            if fails:
                raise Deliberate

        return call

    def submit(number: int) -> None:
        mine = random.Random(f"{seed} {number}")
        for key in range(number * EACH, (number + 1) * EACH):
            try:
                future: Any = pool.submit(task, key, mine.random())
            except RuntimeError:
                assert pool._shutdown
                return
            submitted[number].append((key, future))
            future.add_done_callback(callback(key, mine.random() < 0.02))
            what = mine.random()
            if what < 0.1:
                future.cancel()
            elif what < 0.15:
                assert future._waiters is not None
            elif what < 0.2:
                futures.wait([future], timeout=mine.choice([0, 0.001]))
            elif what < 0.25:
                recent = [each for _, each in submitted[number][-5:]]
                for done in futures.as_completed(recent):
                    assert done.done()

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    if seed % 2:
        time.sleep(0.005)
        pool.shutdown(wait=False, cancel_futures=chance.random() < 0.5)
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()
    pool.shutdown()
    for key, future in [each for mine in submitted for each in mine]:
        assert future.done(), future
        assert called[key] == 1
        if future.cancelled():
            assert ran[key] == 0
        else:
            assert ran[key] == 1
            error = future.exception()
            assert isinstance(error, Deliberate) if error else future.result() == key
    assert {record.getMessage().split(" for ")[0] for record in caplog.records} <= {
        "exception calling callback"
    }


def test_a_pool_that_is_shut_down_while_its_tasks_start_threads() -> None:
    """The last task is done, and `shutdown()` called, before the one that submitted it goes on."""
    for _ in range(1000):
        end = futures.Future[None]()
        with futures.ThreadPoolExecutor(4) as pool:

            def step(
                left: int,
                pool: futures.ThreadPoolExecutor = pool,
                end: Any = end,  # noqa: ANN401
            ) -> None:
                if left:
                    pool.submit(step, left - 1)
                else:
                    end.set_result(None)

            pool.submit(step, 5)
            end.result(LIMIT)
        assert not any(thread.is_alive() for thread in pool._threads)
        assert pool._work_queue.qsize() == 0
