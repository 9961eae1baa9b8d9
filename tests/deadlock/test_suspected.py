"""What may still end is reported once, after a grace period, and the program goes on; the modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deadlock.programs import plain, run, silent

if TYPE_CHECKING:
    from pathlib import Path

ABBA = """
import os, sys, threading
from ropewalk import _ropewalk
from tests.traps.ways import outsider, until, until_blocked
outside = outsider()
a = threading.{kind}()
b = threading.{kind}()
both_have_one = threading.Barrier(2)
def one():
    try:
        with a:
            both_have_one.wait()
            with b:
                print("both")
    except RuntimeError:
        print("released by somebody else")
def two():
    with b:
        both_have_one.wait()
        with a:
            print("both")
threads = [threading.Thread(target=each, name=each.__name__, daemon=True) for each in (one, two)]
def start():
    for thread in threads:
        thread.start()
    until_blocked(*threads)
"""
# What is told on standard error can be waited for: it has been written when it is in `told`, or a
# program that then ends at once would end before that.
_TELL = """
import io, os, signal, sys
class Told(io.TextIOBase):
    def write(self, text):
        written = sys.__stderr__.write(text)
        sys.__stderr__.flush()
        told.append(text)
        return written
told = []
sys.stderr = Told()
"""


def test_a_cycle_of_plain_locks_is_reported_once_and_can_end(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        ABBA.format(kind="Lock")
        + _TELL
        + """
from ropewalk import inspect
_ropewalk.set_suspect_grace(0.1)
start()
until(lambda: told)
[shown] = inspect.find_deadlocks()
assert set(shown.idents) == {thread.ident for thread in threads}
# Another suspicion, which ends at once, has the monitor look again: it has told of this one.
lock = threading.Lock()
lock.acquire()
timer = threading.Timer(0.2, lock.release)
timer.start()
lock.acquire()
# Legal: any thread may release a plain lock.
a.release()
for thread in threads:
    thread.join(20)
    assert not thread.is_alive()
print("end", len([text for text in told if "possible" in text]))
""",
    )
    assert done.returncode == 0
    assert done.stdout == "both\nboth\nreleased by somebody else\nend 1\n"
    text = plain(done.stderr)
    assert text.count("possible deadlock: 2 threads wait for each other\n") == 1
    assert "DeadlockError" not in text
    assert "Thread 'one'\n  waits for Lock made at program.py:6, held by 'two', since T" in text
    assert "holds Lock made at program.py:5, which 'two' waits for:" in text


def test_one_that_comes_again_is_told_again(tmp_path: Path) -> None:
    text = """
import threading
from ropewalk import _ropewalk
from tests.traps.ways import until, until_blocked
_ropewalk.set_suspect_grace(0.1)
a, b = threading.Lock(), threading.Lock()
both, again = threading.Barrier(2), threading.Barrier(3)
def cross(one, other):
    for _ in range(2):
        one.acquire()
        both.wait()
        other.acquire()
        again.wait()
        again.wait()
threads = [threading.Thread(target=cross, args=each) for each in ((a, b), (b, a))]
for thread in threads:
    thread.start()
for round in (1, 2):
    until(lambda: len([text for text in told if "possible" in text]) == round)
    # Each has one by then, and gets the other's.
    a.release()
    b.release()
    again.wait()
    a.release()
    b.release()
    again.wait()
for thread in threads:
    thread.join(20)
"""
    done = run(tmp_path, _TELL + text)
    assert done.returncode == 0
    assert done.stderr.count("possible deadlock") == 2


def test_a_thread_that_waits_for_itself_while_others_run(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        ABBA.format(kind="Lock")
        + _TELL
        + """
_ropewalk.set_suspect_grace(0.05)
class Account:
    def __init__(self):
        self.lock = threading.Lock()
    def add(self):
        with self.lock:
            self.log()
    def log(self):
        with self.lock:
            pass
account = Account()
def twice():
    try:
        account.add()
    except RuntimeError:
        print("released by somebody else")
thread = threading.Thread(target=twice, name="twice")
thread.start()
until(lambda: told)
account.lock.release()
thread.join()
""",
    )
    assert (done.stdout, done.returncode) == ("released by somebody else\n", 0)
    text = plain(done.stderr)
    assert text.count("possible deadlock") == 1
    assert text.startswith(
        "ropewalk: possible deadlock: a thread waits for itself\n\nThread 'twice'\n"
    )


# A thread that waits for itself, while another one runs.
_SELF = (
    ABBA.format(kind="Lock")
    + _TELL
    + """
_ropewalk.set_suspect_grace(0.05)
locks = {name: threading.Lock() for name in "abc"}
"""
)


@pytest.mark.parametrize("lock", ["locks['a']", "give()", "self.lock"])
def test_it_is_told_wherever_the_lock_comes_from(tmp_path: Path, lock: str) -> None:
    done = run(
        tmp_path,
        _SELF
        + f"""
class Self:
    lock = property(lambda self: locks["a"])
self = Self()
def give():
    return locks["a"]
def inner():
    with {lock}:
        pass
def twice():
    with {lock}:
        inner()
thread = threading.Thread(target=twice, name="twice", daemon=True)
thread.start()
until(lambda: told)
""",
    )
    assert done.returncode == 0
    text = plain(done.stderr)
    assert text.count("possible deadlock: a thread waits for itself\n") == 1
    place = "(where it was taken is not known)"
    if lock == "locks['a']":
        place = f'File "program.py", line 49, in twice\n      with {lock}:'
    assert f"which 'twice' waits for:\n    {place}" in text


MESSAGES = {
    "taken in the same function": "lock.acquire(); lock.acquire()",
    "taken by a call": "take(); lock.acquire()",
    "taken in a file": "with open(os.devnull):\n        take()\n        lock.acquire()",
    "taken in something": "with something():\n        lock.acquire()\n        lock.acquire()",
    "with another one": "with locks['b']:\n        take()\n        lock.acquire()",
    "without a source": "exec('take(); lock.acquire()')",
}


@pytest.mark.parametrize("how", MESSAGES)
def test_a_lock_that_stands_for_a_message_is_not_reported(tmp_path: Path, how: str) -> None:
    done = run(
        tmp_path,
        _SELF
        + f"""
from contextlib import nullcontext as something
lock = locks["a"]
def take():
    lock.acquire()
def wait():
    {MESSAGES[how]}
thread = threading.Thread(target=wait)
thread.start()
until_blocked(thread)
# One that is told, after the other has been looked at.
def nested():
    with locks["c"]:
        with locks["c"]:
            pass
inner = threading.Thread(target=nested, daemon=True)
inner.start()
until(lambda: told)
from ropewalk import inspect
# Who looks is shown what is told.
until(lambda: [list(each.idents) for each in inspect.find_deadlocks()] == [[inner.ident]])
lock.release()
thread.join()
print(len(told))
""",
    )
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
    assert "in nested" in done.stderr
    assert "in wait" not in done.stderr


def test_what_ends_within_the_grace_period_is_not_reported(tmp_path: Path) -> None:
    program = (
        ABBA.format(kind="Lock")
        + """
from ropewalk import inspect
_ropewalk.set_suspect_grace(30)
start()
assert inspect.find_deadlocks() == []
a.release()
for thread in threads:
    thread.join(20)
    assert not thread.is_alive()
"""
    )
    assert silent(tmp_path, program) == "both\nboth\nreleased by somebody else\n"


def test_the_monitor_does_not_keep_the_exit(tmp_path: Path) -> None:
    program = (
        ABBA.format(kind="Lock")
        + """
_ropewalk.set_suspect_grace(3600)
start()
"""
    )
    assert silent(tmp_path, program) == ""


def test_all_wait_and_main_waits_for_ctrl_c(tmp_path: Path) -> None:
    """`Event().wait()` in the main thread is how programs wait for Ctrl-C: told, never refused."""
    done = run(
        tmp_path,
        """
        import io, os, queue, signal, sys, threading
        from ropewalk import _ropewalk
        told = []
        class Told(io.TextIOBase):
            def write(self, text):
                told.append(text)
                sys.__stderr__.write(text)
                # Ctrl-C, at last.
                os.kill(os.getpid(), signal.SIGINT)
        sys.stderr = Told()
        _ropewalk.set_suspect_grace(0.1)
        jobs = queue.Queue()
        for _ in range(2):
            threading.Thread(target=jobs.get, daemon=True).start()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("interrupted", len(told))
        """,
    )
    assert (done.stdout, done.returncode) == ("interrupted 1\n", 0)
    text = plain(done.stderr)
    assert text.startswith("ropewalk: possible deadlock: all 3 threads wait, and nothing is left")
    assert "Traceback" not in text


def test_report_tells_of_certain_ones_as_well_and_ends_none(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        ABBA.format(kind="RLock")
        + _TELL
        + """
start()
until(lambda: told)
print([thread.is_alive() for thread in threads], flush=True)
os._exit(3)
""",
        "--deadlock=report",
    )
    # At once, without a grace period.
    assert (done.stdout, done.returncode) == ("[True, True]\n", 3)
    text = plain(done.stderr)
    assert text.startswith("ropewalk: 2 threads wait for each other\n")
    assert "possible" not in text
    assert "Traceback" not in text
    assert "DeadlockError" not in text


def test_report_of_the_only_thread(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import io, os, sys, threading
        class Told(io.TextIOBase):
            def write(self, text):
                print(text, flush=True)
                os._exit(4)
        sys.stderr = Told()
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
        """,
        "--deadlock=report",
    )
    assert (done.stderr, done.returncode) == ("", 4)
    assert plain(done.stdout).startswith("ropewalk: a thread waits for itself\n")


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_off_looks_for_none(tmp_path: Path, kind: str) -> None:
    done = run(
        tmp_path,
        ABBA.format(kind=kind)
        + _TELL
        + """
import time
_ropewalk.set_suspect_grace(0.01)
start()
time.sleep(0.2)
print([thread.is_alive() for thread in threads], told, flush=True)
os._exit(5)
""",
        "--deadlock=off",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[True, True] []\n", "", 5)


def test_the_mode_can_change_at_run_time(tmp_path: Path) -> None:
    program = """
        import threading, ropewalk
        from ropewalk import _ropewalk
        lock = threading.Lock()
        lock.acquire()
        _ropewalk.set_deadlock_mode("off")
        threading.Timer(0.05, lock.release).start()
        lock.acquire()
        _ropewalk.set_deadlock_mode("raise")
        try:
            lock.acquire()
        except ropewalk.DeadlockError:
            print("refused")
        try:
            _ropewalk.set_deadlock_mode("loud")
        except ValueError as error:
            print(error)
        """
    expected = "refused\ndeadlock mode must be 'raise', 'report' or 'off', not 'loud'\n"
    assert silent(tmp_path, program) == expected
