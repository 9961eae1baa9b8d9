"""P1 to P3: thread pools and futures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.examples.conftest import Run


def test_p1_tasks_are_cancelled_or_done_and_threads_used_again(run: Run) -> None:
    assert run("p1_pool.py").lines == [
        "running: True done: False",
        "cancel the one that runs: False",
        "cancel one that waits: True",
        "results: first 1024",
        "the cancelled one has no result",
        "done: True True True",
        "10 tasks, names of threads: ['worker_0', 'worker_1', 'worker_2']",
        "in order: True",
    ]


def test_p2_every_detail_is_found_in_each_way(run: Run) -> None:
    assert run("p2_crawler.py").lines == [
        "lists, then details: 20 in order: True",
        "as they complete: 20",
        "tasks that submit tasks: 20 different: 20",
        "list 4 failed: no list 4",
        "the others: 4",
    ]


def test_p3_a_future_goes_through_its_states_once(run: Run) -> None:
    assert run("p3_future.py").lines == [
        "pending: False False",
        "running: True False cancel: False",
        "finished: False True 42 None",
        "a second result: InvalidStateError",
        "cancel: True runs: False",
        "cancelled: True True",
        "the exception itself: True",
        "logged: exception calling callback for",
        "called: first, 1; the one that fails; last; at once",
        "no result in time; done: False",
    ]
