"""`ropewalk run --trace`: how much is in queues and pools."""

from __future__ import annotations

from collections import defaultdict
from textwrap import dedent
from typing import TYPE_CHECKING

from tests.insight.traces import traced

if TYPE_CHECKING:
    from pathlib import Path

    from tests.insight.traces import Event

# All queues and pools are looked at when a wait ends, from ten milliseconds after the last time on.
_HEAD = """
import queue, threading
from concurrent.futures import ThreadPoolExecutor
def look(times=1):
    for _ in range(times):
        threading.Event().wait(0.015)
def wait_for(jobs):
    try:
        jobs.get(timeout=0.0001)
    except queue.Empty:
        pass
"""


def counters(events: list[Event], name: str) -> list[list[int]]:
    """The values of each counter that has this in its name, in the order of time."""
    found = defaultdict(list)
    for each in sorted((each for each in events if each["ph"] == "C"), key=lambda it: it["ts"]):
        if name in each["name"]:
            found[each["id"]].append(each["args"]["items"])
    return list(found.values())


def test_queues_of_one_line_and_pools_of_one_name_are_counted_apart(tmp_path: Path) -> None:
    text = """
    queues = [queue.Queue() for _ in range(3)]
    for number, jobs in enumerate(queues):
        wait_for(jobs)
        for each in range(10 * number):
            jobs.put(each)
    pools = [ThreadPoolExecutor(1, "web") for _ in range(2)]
    for pool in pools:
        pool.submit(int).result()
    look(3)
    """
    events = traced(tmp_path, _HEAD + dedent(text), tmp_path / "out.json")
    assert sorted(values[-1] for values in counters(events, "program.py:12")) == [0, 10, 20]
    assert len(counters(events, "pool 'web'")) == 2


def test_what_does_not_change_is_not_written_again(tmp_path: Path) -> None:
    text = """
    queues = [queue.Queue() for _ in range(20)]
    for jobs in queues:
        wait_for(jobs)
    pool = ThreadPoolExecutor(1, "web")
    pool.submit(int).result()
    look(20)
    queues[7].put("a job")
    look(20)
    """
    events = traced(tmp_path, _HEAD + dedent(text), tmp_path / "out.json")
    found = counters(events, "program.py:12")
    assert len(found) == 20
    # Of one that was waited for once: by the waiter, and when it was looked at first and again.
    assert max(map(len, found)) <= 4
    assert sorted(values[-1] for values in found) == [0] * 19 + [1]
    [web] = counters(events, "pool 'web'")
    assert len(web) <= 3
