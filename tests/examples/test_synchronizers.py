"""C1 to C8: condition, semaphore, event, timer, local, and a lock around a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.examples.conftest import Run


def test_c1_the_speakers_alternate(run: Run) -> None:
    assert run("c1_dialogue.py").lines == [
        "speaker: 1",
        "listener: 2",
        "speaker: 3",
        "listener: 4",
        "speaker: 5",
        "listener: 6",
    ]


def test_c2_the_slot_is_filled_and_emptied_in_turn(run: Run) -> None:
    expected = [f"{did} bun {number}" for number in range(5) for did in ("made", "ate")]
    assert run("c2_one_slot.py").lines == [*expected, "slot: None"]


def test_c2_three_threads_keep_their_order(run: Run) -> None:
    expected: list[str] = []
    for boxes in ("[10]", "[10, 20]", "[10, 20, 30]"):
        expected += ["create", "set", "print", f"box: {boxes}"]
    assert run("c2_three_steps.py").lines == expected


def test_c3_the_queue_written_by_hand_is_bounded_and_loses_nothing(run: Run) -> None:
    assert run("c3_bounded_queue.py").lines == [
        "put: full",
        "get: only one has room",
        "get: empty",
        "received: 600",
        "each exactly once: True",
        "never longer than the limit: True",
    ]


def test_c4_never_more_inside_than_the_semaphore_lets_in(run: Run) -> None:
    lines = run("c4_semaphore.py").lines
    (visits, most), (pages, most_pages) = (
        (int(count) for count in line.replace(",", "").split() if count.isdigit())
        for line in lines[:2]
    )
    assert visits == 8
    # At least 2: the visitors do stay at the same time, the semaphore is not just a lock.
    assert 2 <= most <= 3
    assert pages == 1000
    assert 2 <= most_pages <= 10
    assert lines[2:] == ["ValueError: Semaphore released too many times"]


def test_c5_all_wait_for_one_event(run: Run) -> None:
    assert run("c5_event.py").lines == [
        "waited in vain: False",
        "before the signal, finished: 0",
        "after the signal, finished: 5",
        "is set: True",
        "wait when set: True",
        "is set after clear: False",
    ]


def test_c6_a_timer_fires_once_or_is_cancelled(run: Run) -> None:
    assert run("c6_timer.py").lines == [
        "at once: []",
        "after its interval: ['rang']",
        "not before its interval: True",
        "cancelled, alive: False",
        "in the end: ['rang']",
    ]


def test_c7_each_thread_sees_its_own(run: Run) -> None:
    assert run("c7_local.py").lines == [
        "one sees one",
        "three sees three",
        "two sees two",
        "main sees main",
        "a newcomer has a name: False",
    ]


def test_c8_the_records_in_the_file_are_whole(run: Run) -> None:
    assert run("c8_file_lock.py").lines == [
        "records: 400",
        "whole records: 400",
        "of a: 200",
        "of b: 200",
    ]
