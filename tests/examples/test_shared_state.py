"""S1 to S5: shared state, locks and deadlocks."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.examples.programs import EXAMPLES

if TYPE_CHECKING:
    from tests.examples.conftest import Run, Start
    from tests.examples.programs import Outcome


def line_number(example: str, text: str, *, after: str = "") -> int:
    """The number of the first line with this text, from the line with `after` on."""
    lines = (EXAMPLES / "python" / example).read_text(encoding="utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if after in line)
    return next(i for i, line in enumerate(lines[begin:], begin + 1) if text in line)


def message_of(outcome: Outcome) -> str:
    """The message of the DeadlockError on stderr, without the traceback above it."""
    assert "DeadlockError: " in outcome.errors, outcome.errors
    return outcome.errors.split("DeadlockError: ", 1)[1]


def names_line(message: str, example: str, number: int) -> bool:
    return bool(re.search(rf"{re.escape(example)}(:|\", line ){number}\b", message))


def assert_hangs(process: subprocess.Popen[str], last_line: str) -> None:
    """The program prints this line and then does not end; kill it."""
    with process:
        assert process.stdout
        try:
            for line in process.stdout:
                if line.rstrip() == last_line:
                    break
            else:
                pytest.fail(f"ended without {last_line!r}")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
        finally:
            process.kill()


def test_s1_with_a_lock_nothing_is_lost(run: Run) -> None:
    outcome = run("s1_lost_updates.py")
    assert re.fullmatch(
        r"total \+= 1 is LOAD_\w+, LOAD_\w+, BINARY_OP, STORE_\w+", outcome.lines[0]
    )
    # What is lost without a lock, if anything, cannot be more than all the additions.
    assert abs(outcome.number_after("add_in_one_line: ")) <= 1_000_000
    assert abs(outcome.number_after("add_with_a_call: ")) <= 1_000_000
    assert outcome.number_after("add_with_lock: ") == 0


def test_s2_lock_twice_hangs_on_the_stdlib(start_stock: Start) -> None:
    assert_hangs(start_stock("s2_lock_twice.py"), "added: balance 200")


def test_s2_lock_twice_is_a_deadlock_error(run_ropewalk: Run) -> None:
    example = "s2_lock_twice.py"
    outcome = run_ropewalk(example)
    assert outcome.code == 1
    assert outcome.lines == ["added: balance 200"]
    message = message_of(outcome)
    assert "MainThread" in message
    made = line_number(example, "threading.Lock()")
    held = line_number(example, "with self.lock:", after="def add_interest")
    waited = line_number(example, "with self.lock:", after="def add(")
    for number in (made, held, waited):
        assert names_line(message, example, number), message


def test_s2_rlock_lets_its_owner_in_again(run: Run) -> None:
    assert run("s2_rlock.py").lines == [
        "balance 210",
        "acquired twice, released once",
        "another thread: the lock is not free",
        "another thread: RuntimeError: cannot release un-acquired lock",
        "released twice",
        "another thread: got the lock",
    ]


def test_s3_abba_hangs_on_the_stdlib(start_stock: Start) -> None:
    assert_hangs(start_stock("s3_abba.py"), "dinner begins")


def test_s3_abba_is_a_deadlock_error_in_one_thread_and_the_other_goes_on(
    run_ropewalk: Run,
) -> None:
    example = "s3_abba.py"
    outcome = run_ropewalk(example)
    assert outcome.code == 0, outcome.errors
    assert outcome.lines[0] == "dinner begins"
    assert outcome.lines[1] in ("Ann has both", "Bob has both")
    assert outcome.lines[2:] == ["dinner is over"]

    message = message_of(outcome)
    assert "Ann" in message
    assert "Bob" in message
    made = [line_number(example, f"{name} = threading.Lock()") for name in ("fork", "knife")]
    held = [
        line_number(example, "with fork:", after="def fork_first"),
        line_number(example, "with knife:", after="def knife_first"),
    ]
    waited = [
        line_number(example, "with knife:", after="def fork_first"),
        line_number(example, "with fork:", after="def knife_first"),
    ]
    for number in (*made, *held, *waited):
        assert names_line(message, example, number), message
    assert outcome.errors.count("DeadlockError: ") == 1


def test_s3_who_backs_off_lets_both_eat(run: Run) -> None:
    assert run("s3_back_off.py").lines == [
        "Ann backs off",
        "Bob has both",
        "Ann has both",
        "dinner is over",
    ]


def test_s4_turns_by_releasing_the_next_ones_lock_raise_no_alarm(run: Run) -> None:
    assert run("s4_turns.py").lines == ["1", "2", "3"] * 3


def test_s5_the_pipeline_gives_the_right_results(run: Run) -> None:
    assert run("s5_pipeline.py").lines == [
        "first results: [-1, 1, 3, 5, 7]",
        "results: 100000",
        "all right: True",
    ]
