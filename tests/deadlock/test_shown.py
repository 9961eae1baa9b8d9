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
import concurrent.futures, io, sys, threading
from ropewalk import _ropewalk, inspect
from tests.traps.ways import outsider, until, until_blocked
told = []
class Told(io.TextIOBase):
    def write(self, text):
        told.append(text)
sys.stderr = Told()
outside = outsider()
"""


@pytest.mark.parametrize("mode", ["raise", "report"])
def test_a_knot_of_a_pool_is_shown_as_it_is_told(tmp_path: Path, mode: str) -> None:
    program = """
_ropewalk.set_suspect_grace(0.2)
pool = concurrent.futures.ThreadPoolExecutor(2)
lock = threading.Lock()
lock_is_taken = threading.Barrier(2)
idents = set()
def submitter():
    idents.add(threading.get_ident())
    lock.acquire()
    lock_is_taken.wait()
    return pool.submit(int).result()
def waiter():
    idents.add(threading.get_ident())
    lock_is_taken.wait()
    # That one may be released by any other thread.
    lock.acquire()
tasks = [pool.submit(submitter), pool.submit(waiter)]
until(lambda: told)
[shown] = inspect.find_deadlocks()
print(told[0].partition("\\n")[0])
print(shown.certain, shown.cycle, set(shown.idents) == idents, len(shown.idents))
lock.release()
for task in tasks:
    task.result()
until(lambda: inspect.find_deadlocks() == [])
pool.shutdown()
"""
    expected = "ropewalk: possible deadlock: 2 threads wait for tasks that nobody else could run"
    assert silent(tmp_path, _TELL + program, f"--deadlock={mode}") == (
        f"{expected}\nFalse True True 2\n"
    )


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
shown = []
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
    shown.extend(sorted(len(each.idents) for each in inspect.find_deadlocks()))
    go_on.set()
    until_blocked(threading.main_thread())
    threading.Thread(target=nested, daemon=True).start()
    until(lambda: len([text for text in told if "waits for itself" in text]) == 2)
    shown.append(len(told))
    b.release()
signal.signal(signal.SIGALRM, handler)
threading.Thread(target=look).start()
with a:
    both.wait()
    b.acquire()
thread.join()
print(shown)
"""
    assert silent(tmp_path, _TELL + program) == "[1, 2, 3]\n"


def test_a_lock_that_stands_for_a_message_is_shown_where_nothing_is_told(tmp_path: Path) -> None:
    program = """
        import threading
        from ropewalk import _ropewalk, inspect
        from tests.traps.ways import until
        _ropewalk.set_suspect_grace(0.01)
        lock = threading.Lock()
        def wait():
            lock.acquire()
            lock.acquire()
        thread = threading.Thread(target=wait)
        thread.start()
        idents = lambda: [list(each.idents) for each in inspect.find_deadlocks()]
        until(lambda: idents() == [[thread.ident]])
        lock.release()
        thread.join()
        """
    assert silent(tmp_path, program, "--deadlock=off") == ""
