"""Many threads at random, with timeouts and inflation in the midst; nothing is lost or doubled."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from ropewalk import queue as ours
from ropewalk import threading
from tests.queue.kit import KINDS, LIMIT, Started

PRODUCERS = 3
CONSUMERS = 3
EACH = 400


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("inflate", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "SimpleQueue"])
def test_every_item_arrives_once(kind: str, inflate: bool, seed: int) -> None:
    if kind == "SimpleQueue":
        if inflate:
            pytest.skip("a SimpleQueue has no parts")
        q: Any = ours.SimpleQueue()
    else:
        q = getattr(ours, kind)(random.Random(seed).choice([0, 1, 2, 10]))
    got: list[list[int]] = [[] for _ in range(CONSUMERS)]
    tickets = threading.Semaphore(PRODUCERS * EACH)

    def produce(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        for item in range(number * EACH, (number + 1) * EACH):
            while True:
                try:
                    q.put(item, chance.random() < 0.9, chance.choice([None, None, 0.0005]))
                    break
                except ours.Full:
                    pass

    def consume(number: int) -> None:
        chance = random.Random(f"{seed} {number} consumer")
        # Who takes a ticket is sure that there will be an item.
        while tickets.acquire(blocking=False):
            while True:
                try:
                    got[number].append(q.get(chance.random() < 0.9, chance.choice([None, 0.0005])))
                    break
                except ours.Empty:
                    pass
            if kind != "SimpleQueue":
                q.task_done()

    threads = [Started(lambda n=n: produce(n)) for n in range(PRODUCERS)]  # type: ignore[misc]
    threads += [Started(lambda n=n: consume(n)) for n in range(CONSUMERS)]  # type: ignore[misc]
    if kind != "SimpleQueue":
        if inflate:
            while sum(map(len, got)) < EACH:
                q.full()
            assert q.mutex.locked() in (True, False)
        q.join()
    for thread in threads:
        thread.result()
    counts = Counter(item for items in got for item in items)
    assert set(counts) == set(range(PRODUCERS * EACH)), f"seed {seed}"
    assert set(counts.values()) == {1}
    assert q.empty()


def test_joiners_and_workers() -> None:
    q: ours.Queue[int] = ours.Queue(3)
    done: list[int] = []

    def work() -> None:
        while True:
            try:
                item = q.get()
            except ours.ShutDown:
                return
            done.append(item)
            q.task_done()

    workers = [Started(work) for _ in range(3)]
    for batch in range(50):
        for item in range(20):
            q.put(item, timeout=LIMIT)
        q.join()
        assert len(done) == 20 * (batch + 1)
    q.shutdown()
    for worker in workers:
        worker.result()
