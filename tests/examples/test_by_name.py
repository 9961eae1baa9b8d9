"""Ropewalk's modules by name: the one example that is not for the standard library."""

from __future__ import annotations

import pytest

from tests.examples.programs import EXAMPLES, RUNNERS, run_under


@pytest.mark.parametrize("runner", RUNNERS)
def test_blocked_threads_are_told_and_a_deadlock_is_caught(runner: str) -> None:
    # Under `python` and under `ropewalk run`: asking for Ropewalk by name works in both.
    outcome = run_under(runner, EXAMPLES / "python" / "by_name.py")
    assert outcome.errors == ""
    assert outcome.lines == [
        "main: the worker is blocked, waiting for a task",
        "worker: got a task",
        "main: blocked threads: []",
        "main: a second acquire would never end",
    ]
    assert outcome.code == 0
