"""Who looks at the program is shown the deadlocks that are told, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deadlock.programs import silent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", ["raise", "report", "off"])
def test_who_looks_runs_and_may_help(tmp_path: Path, mode: str) -> None:
    program = """
        import queue, threading
        from ropewalk import inspect
        from tests.traps.ways import until_blocked
        jobs = queue.Queue()
        getter = threading.Thread(target=jobs.get)
        getter.start()
        until_blocked(getter)
        print(inspect.find_deadlocks())
        jobs.put(1)
        getter.join()
        """
    assert silent(tmp_path, program, f"--deadlock={mode}") == "[]\n"


# What the monitor tells, in the moment in which it has.
_TELL = """
import io, sys, threading
from ropewalk import _ropewalk, inspect
from tests.traps.ways import outsider, until, until_blocked
told = []
class Told(io.TextIOBase):
    def write(self, text):
        told.append(text)
sys.stderr = Told()
outside = outsider()
"""


def test_a_handler_that_waits_does_not_have_it_told_again(tmp_path: Path) -> None:
    program = """
import signal
_ropewalk.set_suspect_grace(0.1)
a, b = threading.Lock(), threading.Lock()
both = threading.Barrier(2)
def other():
    with b:
        both.wait()
        with a:
            pass
thread = threading.Thread(target=other)
thread.start()
in_handler, go_on = threading.Event(), threading.Event()
def handler(*_):
    in_handler.set()
    go_on.wait()
def nested():
    # It is told, and has the monitor look at all that it knows.
    lock = threading.Lock()
    with lock:
        try:
            with lock:
                pass
        except RuntimeError:
            pass
def look():
    until(lambda: told)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
    in_handler.wait()
    threading.Thread(target=nested, daemon=True).start()
    until(lambda: len(told) == 2)
    go_on.set()
    until_blocked(threading.main_thread())
    threading.Thread(target=nested, daemon=True).start()
    until(lambda: len([text for text in told if "waits for itself" in text]) == 2)
    b.release()
signal.signal(signal.SIGALRM, handler)
threading.Thread(target=look).start()
with a:
    both.wait()
    b.acquire()
thread.join()
print(len(told))
"""
    assert silent(tmp_path, _TELL + program) == "3\n"
