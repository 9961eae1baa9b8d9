"""`pytest --ropewalk`: a test that hangs fails, and its failure says why."""

from __future__ import annotations

import re
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.face.programs import LIMIT, environment

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
import queue, threading, time
import pytest
from ropewalk import inspect

def test_before():
    assert threading.__file__.endswith("ropewalk/threading.py")

def deadlock(closed_by_thread):
    # Whoever comes second closes the circle, and gets the exception.
    mine, other = threading.RLock(), threading.RLock()
    both = threading.Barrier(2)
    def until_it_waits(ident):
        while all(thread.ident != ident for thread in inspect.waits()):
            time.sleep(0.001)
    def turn(first, second, is_second, ident):
        with first:
            both.wait()
            if is_second:
                until_it_waits(ident)
            with second:
                pass
    main = threading.get_ident()
    thread = threading.Thread(
        target=turn, args=(other, mine, closed_by_thread, main), name="the other one", daemon=True
    )
    thread.start()
    turn(mine, other, not closed_by_thread, thread.ident)
    thread.join()

def test_deadlock():
    deadlock(False)

def test_deadlock_in_a_thread():
    deadlock(True)

@pytest.mark.ropewalk_timeout(1)
def test_waits_for_ever():
    gate = threading.Event()
    helper = threading.Thread(target=time.sleep, args=(60,), name="helper", daemon=True)
    helper.start()
    gate.wait()

@pytest.mark.ropewalk_timeout(1)
def test_computes_for_ever():
    while True: pass

def test_after():
    jobs = queue.Queue()
    jobs.put(1)
    assert jobs.get() == 1
"""


def run_pytest(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a suite of one file."""
    (folder / "test_suite.py").write_text(dedent(text))
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=folder,
        env=environment(),
    )


def test_a_suite_with_hangs_comes_to_its_end(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, SUITE, "--ropewalk")
    assert done.returncode == 1
    assert "4 failed, 2 passed" in done.stdout
    failures = {part.split(" ")[0]: part for part in done.stdout.split("____ test_")[1:]}
    assert "DeadlockError: 2 threads wait for each other" in failures["deadlock"]
    assert "the other one" in failures["deadlock"]
    assert "DeadlockError: 2 threads wait for each other" in failures["deadlock_in_a_thread"]
    waits = failures["waits_for_ever"]
    assert "the test took longer than 1 s" in waits
    assert "Thread 'MainThread': waits for Event made at" in waits
    assert "Thread 'helper'" in waits
    assert "gate.wait()" in waits
    assert "the test took longer than 1 s" in failures["computes_for_ever"]
    assert "while True:" in failures["computes_for_ever"]


def test_without_the_option_nothing_changes(tmp_path: Path) -> None:
    text = """
    import sys, threading
    def test_stock():
        assert "ropewalk._ropewalk" not in sys.modules
        assert "ropewalk" not in threading.__file__
    """
    done = run_pytest(tmp_path, text)
    assert done.returncode == 0, done.stdout


def test_a_time_that_nobody_would_watch_is_refused(tmp_path: Path) -> None:
    text = """
    import pytest
    @pytest.mark.ropewalk_timeout(1)
    def test_stock():
        pass
    """
    done = run_pytest(tmp_path, text, "--ropewalk-timeout=1")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--ropewalk-timeout does nothing without --ropewalk" in done.stderr
    # For those who run their tests with and without.
    done = run_pytest(tmp_path, text, "-o", "ropewalk_timeout=1")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("how", ["option", "ini"])
def test_the_time_is_given_for_all(tmp_path: Path, how: str) -> None:
    text = """
    import threading
    def test_waits():
        threading.Lock().acquire()
        threading.Thread(target=input, daemon=True)
        threading.Event().wait(60)
    """
    options = ["--ropewalk-timeout=0.5"] if how == "option" else ["-o", "ropewalk_timeout=0.5"]
    done = run_pytest(tmp_path, text, "--ropewalk", *options)
    assert done.returncode == 1
    assert "took longer than 0.5 s" in done.stdout


DEADLOCK_IN_THREADS = """
import threading
import pytest

def deadlock():
    first, second = threading.RLock(), threading.RLock()
    both = threading.Barrier(2)
    def turn(mine, other):
        with mine:
            both.wait()
            with other:
                pass
    turns = ((first, second), (second, first))
    threads = [threading.Thread(target=turn, args=each) for each in turns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.parametrize("where", ["setup", "teardown"])
def test_a_deadlock_of_two_threads_fails_the_fixture(tmp_path: Path, where: str) -> None:
    text = f"""
@pytest.fixture
def fixture():
    {"deadlock()" if where == "setup" else "pass"}
    yield
    {"deadlock()" if where == "teardown" else "pass"}

def test_of_it(fixture):
    pass

def test_after():
    pass
"""
    done = run_pytest(tmp_path, DEADLOCK_IN_THREADS + text, "--ropewalk")
    assert done.returncode == 1, done.stdout
    passed = 1 if where == "setup" else 2
    assert f"{passed} passed, 1 error" in done.stdout
    assert f"ERROR at {where} of test_of_it" in done.stdout
    assert "DeadlockError: 2 threads wait for each other" in done.stdout


def test_a_deadlock_is_shown_with_what_a_test_ends_with_by_itself(tmp_path: Path) -> None:
    text = """
import unittest

def test_fails():
    deadlock()
    assert "done" == "not done"

def test_fails_with_a_text():
    deadlock()
    pytest.fail("not done", pytrace=False)

def test_skips():
    deadlock()
    pytest.skip("not done")

class Case(unittest.TestCase):
    def test_case_fails(self):
        deadlock()
        self.fail("not done")

    def test_case_skips(self):
        deadlock()
        self.skipTest("not done")

@pytest.fixture
def fixture():
    deadlock()
    pytest.skip("not done")

def test_skips_in_setup(fixture):
    pass

@pytest.mark.xfail(raises=ValueError)
def test_is_expected():
    deadlock()
    raise ValueError

def test_fails_without():
    assert "done" == "not done"

def test_skips_without():
    pytest.skip("not done")
"""
    done = run_pytest(tmp_path, DEADLOCK_IN_THREADS + text, "--ropewalk", "--show-capture=no")
    assert done.returncode == 1, done.stdout
    assert "6 failed, 1 skipped, 1 xfailed, 1 error" in done.stdout
    shown, _, summary = done.stdout.partition("short test summary")
    parts = re.split(r"^__+ (?:ERROR at setup of )?(\S+) __+$", shown, flags=re.MULTILINE)
    failures = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert len(failures) == 7
    assert "DeadlockError" not in failures.pop("test_fails_without")
    for name, failure in failures.items():
        assert failure.count("DeadlockError: 2 threads wait for each other") == 1, shown
        assert ("not done" in failure) == ("fails" in name), shown
        assert (f"::{name.removeprefix('Case.')} - Failed: Dead" in summary) == ("skips" in name)


def test_a_deadlock_is_shown_when_a_hanging_test_is_interrupted(tmp_path: Path) -> None:
    text = """
def test_interrupted():
    deadlock()
    raise KeyboardInterrupt
"""
    done = run_pytest(tmp_path, DEADLOCK_IN_THREADS + text, "--ropewalk")
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "DeadlockError: 2 threads wait for each other" in done.stdout


def test_a_hook_that_a_test_puts_back_swallows_nothing(tmp_path: Path) -> None:
    text = """
kept = threading.excepthook

def test_with_a_hook_of_its_own(monkeypatch):
    global kept
    kept = threading.excepthook
    monkeypatch.setattr(threading, "excepthook", lambda args: None)

def test_later():
    deadlock()

@pytest.fixture
def old_hook(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", kept)

def test_under_the_old_hook(old_hook):
    deadlock()

def test_of_another_error(old_hook):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
"""
    done = run_pytest(tmp_path, DEADLOCK_IN_THREADS + text, "--ropewalk")
    assert done.returncode == 1, done.stdout
    assert "2 failed, 2 passed, 1 warning" in done.stdout
    assert "FAILED test_suite.py::test_later - " in done.stdout
    assert "FAILED test_suite.py::test_under_the_old_hook - " in done.stdout
    assert "ZeroDivisionError" in done.stdout
