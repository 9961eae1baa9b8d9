"""Q1 to Q3: queues."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.examples.conftest import Run


def test_q1_nothing_is_lost_between_producers_and_consumers(run: Run) -> None:
    assert run("q1_producers_consumers.py").lines == [
        "qsize: 500",
        "taken: 700 different: 700 left: 0",
        "empty: True full: False",
        "empty: False full: True",
        "put_nowait: Full",
        "put with timeout: Full",
        "got one which makes room for three",
        "got two and three",
        "get_nowait: Empty",
    ]


def test_q2_all_is_done_and_the_workers_end(run: Run) -> None:
    assert run("q2_until_all_is_done.py").lines == [
        "join: 30 done, right: True",
        "slow producer: 30 done, found it empty: True",
        "a sentinel for each: 30 done, left in the queue: 0",
        "one sentinel passed on: 30 done, left in the queue: 1",
    ]


def test_q3_the_queue_neither_loses_nor_doubles(run: Run) -> None:
    with_a_list, with_a_queue = run("q3_list_or_queue.py").lines
    assert re.fullmatch(r"with_a_list: lost \d+, doubled \d+", with_a_list)
    assert with_a_queue == "with_a_queue: lost 0, doubled 0"
