"""`--deadlock=` reaches the program, and what is reported stands on standard error."""

from __future__ import annotations

import textwrap

import pytest

from tests.face.programs import ROPEWALK, STOCK, code

TAKE_TWO = """\
a, b, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
def take(first, second):
    with first:
        both.wait()
        with second:
            pass
"""
# Two threads that take two locks in opposite order; the main thread could still release them.
POSSIBLE = (
    """
import threading, time, ropewalk, sys
from ropewalk import _ropewalk
_ropewalk.set_suspect_grace(0.05)
"""
    + TAKE_TWO
    + """
pair = [threading.Thread(target=take, args=it, daemon=True) for it in ((a, b), (b, a))]
for thread in pair:
    thread.start()
seen = threading.Event()
class Watched:
    def write(self, text):
        sys.__stderr__.write(text)
        if "wait for each other" in text:
            seen.set()
    def flush(self):
        sys.__stderr__.flush()
sys.stderr = Watched()
print(seen.wait(TIMEOUT))
"""
)
# Nobody else could ever release an RLock: certain.
CERTAIN = """
import threading
a, b, both = threading.RLock(), threading.RLock(), threading.Barrier(2)
def take(first, second):
    with first:
        both.wait()
        with second:
            print("got both")
pair = [threading.Thread(target=take, args=it) for it in ((a, b), (b, a))]
for thread in pair:
    thread.start()
for thread in pair:
    thread.join()
"""


@pytest.mark.parametrize("mode", ["raise", "report"])
def test_a_possible_deadlock_is_reported_and_the_program_goes_on(mode: str) -> None:
    text = POSSIBLE.replace("TIMEOUT", "30")
    done = code(text, under=(*ROPEWALK, f"--deadlock={mode}"))
    assert done.returncode == 0
    assert done.stdout == "True\n"
    assert done.stderr.startswith("ropewalk: possible deadlock: 2 threads wait for each other\n")
    assert done.stderr.count("possible deadlock") == 1


def test_off_is_silent() -> None:
    done = code(POSSIBLE.replace("TIMEOUT", "0.5"), under=(*ROPEWALK, "--deadlock=off"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


@pytest.mark.parametrize("under", [ROPEWALK, STOCK])
def test_a_certain_deadlock_is_an_error_in_one_of_the_threads(under: tuple[str, ...]) -> None:
    text = CERTAIN
    if under == STOCK:
        text = text.replace("import threading", "from ropewalk import threading")
    done = code(textwrap.dedent(text), under=under)
    assert done.returncode == 0
    assert done.stdout == "got both\n"
    assert done.stderr.count("ropewalk.DeadlockError: 2 threads wait for each other") == 1
    assert "python/ropewalk" not in done.stderr


def test_the_exit_lets_a_report_be_told() -> None:
    """CPython aborts if a thread that runs no more holds the lock of standard error."""
    done = code(
        """
import io, os, sys, threading, time
from ropewalk import _ropewalk
_ropewalk.set_suspect_grace(0.05)
begun = threading.Event()
class Slow(io.RawIOBase):
    def writable(self):
        return True
    def write(self, text):
        begun.set()
        time.sleep(0.2)
        return os.write(2, text)
sys.stderr = sys.__stderr__ = io.TextIOWrapper(io.BufferedWriter(Slow()))
"""
        + TAKE_TWO
        + """
for it in ((a, b), (b, a)):
    threading.Thread(target=take, args=it, daemon=True).start()
begun.wait()
""",
        under=ROPEWALK,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("ropewalk: possible deadlock: 2 threads wait for each other\n")
    assert done.stderr.endswith("\n"), "in one piece"
