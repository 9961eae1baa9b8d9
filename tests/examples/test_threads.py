"""T1 to T8: threads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.examples.conftest import Run


def test_t1_side_by_side_takes_as_long_as_the_longer_one(run: Run) -> None:
    outcome = run("t1_two_functions.py")
    sequential = outcome.number_after("one_after_the_other took ")
    overlapped = outcome.number_after("side_by_side took ")
    # `time.sleep` never sleeps too short, but the clock readings are rounded for printing.
    assert sequential >= 6.0
    assert 4.0 <= overlapped < sequential
    ends = [line.split()[0] for line in outcome.lines if " is done" in line]
    assert ends == ["long", "short", "short", "long"]


def test_t2_each_way_runs_in_the_new_thread_but_not_the_mistake(run: Run) -> None:
    assert run("t2_ways_to_start.py").lines == [
        "hello, Ann: said by positional",
        "good day, Bob: said by keyword",
        "hello, Cleo: said by subclass",
        "welcome, Dan: said by method",
        "hello, Eve: said by MainThread",
        "the mistaken thread has not even started: True",
    ]


def test_t3_join_waits_and_so_does_the_end_of_the_process(run: Run) -> None:
    assert run("t3_join.py").lines == [
        "main: goes on at once, first is alive: True",
        "main: join(timeout=0.02) came back, first is alive: True",
        "first: done",
        "main: join() came back, first is alive: False",
        "main: last line",
        "nobody joins me: main has ended, and I still run",
    ]


def test_t4_daemons_die_with_the_process(run: Run) -> None:
    assert run("t4_daemon.py").lines == ["main: last line, all three run", "worker: last line"]


def test_t5_names_and_numbers(run: Run) -> None:
    lines = run("t5_who_am_i.py").lines
    assert lines[:-5] == [
        "before start: ident None native_id None",
        "active: 3",
        "all: MainThread, named, Thread-1 (worker)",
        "I am: MainThread",
        "I am the main thread: True",
        "my ident is get_ident(): True",
        "different idents: 3",
        "different native ids: 3",
        "renamed: renamed",
        "active in the end: 1",
        "currentThread() is current_thread(): True",
        "activeCount(): 1",
        "getName(): main, renamed",
        "isDaemon(): False",
    ]
    old = ["currentThread", "activeCount", "setName", "getName", "isDaemon"]
    for name, line in zip(old, lines[-5:], strict=True):
        assert line.startswith(f"warned: {name}() is deprecated")


def test_t6_all_five_states_are_seen(run: Run) -> None:
    assert run("t6_five_states.py").lines == [
        "new",
        "ready",
        "running: it has counted on",
        "blocked: on a lock",
        "blocked: on a notification",
        "blocked: asleep",
        "dead",
    ]


def test_t7_low_level_threads_and_interrupt_main(run: Run) -> None:
    lines = run("t7_low_level.py").lines
    # The worker prints before it releases the lock that main waits for: the order is certain.
    assert lines == [
        "one: hello from a thread of its own",
        "main: one is done",
        "two: hello from a thread of its own",
        "main: two is done",
        "own ident in each thread: True",
        "main: interrupted",
    ]


def test_t8_threads_wait_at_the_same_time_but_compute_one_at_a_time(run: Run) -> None:
    outcome = run("t8_cpu_and_io.py")
    gil: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    assert f"GIL: {gil}" in outcome.lines
    if gil:
        # What goes beyond 100% is the start of the threads, and the rounding of processor time.
        assert 0 < outcome.number_after("computing in 4 threads: ") <= 120
    assert outcome.number_after("computing in 4 processes: ") > 0
    assert "exit codes: [0, 0, 0, 0]" in outcome.lines
    assert 1.0 <= outcome.number_after("waiting in 4 threads: ") < 4.0
