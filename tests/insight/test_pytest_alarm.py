"""`--ropewalk-timeout`: how a test's time is given, and how its alarm gets on with others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.insight.test_pytest_plugin import run_pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("marker", ["0.5", "seconds=0.5"])
def test_a_test_has_a_time_of_its_own(tmp_path: Path, marker: str) -> None:
    text = f"""
    import time, pytest
    @pytest.mark.ropewalk_timeout({marker})
    def test_waits():
        time.sleep(60)
    """
    done = run_pytest(tmp_path, text, "--ropewalk", "--ropewalk-timeout=50")
    assert done.returncode == 1
    assert "took longer than 0.5 s" in done.stdout


@pytest.mark.parametrize(
    "marker",
    ["", "1, 2", "minutes=1", "1, seconds=1", "'soon'", "-1", "float('nan')", "True", "None"],
)
def test_a_time_that_is_none_is_refused(tmp_path: Path, marker: str) -> None:
    text = f"""
    import pytest
    def test_before():
        pass
    @pytest.mark.ropewalk_timeout({marker})
    def test_it():
        pass
    """
    done = run_pytest(tmp_path, text, "--ropewalk")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: test_suite.py::test_it: the marker ropewalk_timeout" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert run_pytest(tmp_path, text).returncode == 0


@pytest.mark.parametrize("options", [["--ropewalk-timeout=soon"], ["-o", "ropewalk_timeout=-1"]])
def test_a_time_for_all_that_is_none_is_refused(tmp_path: Path, options: list[str]) -> None:
    done = run_pytest(tmp_path, "def test_it(): pass", "--ropewalk", *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert re.search(r"ERROR: .*ropewalk.timeout.* a number of seconds", done.stderr + done.stdout)


def test_what_goes_on_after_the_alarm_is_told_again(tmp_path: Path) -> None:
    text = """
    import threading, time, pytest
    class Worker:
        def __enter__(self):
            self.thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
            self.thread.start()
        def __exit__(self, *_):
            self.thread.join()
    def test_in_with():
        with Worker():
            threading.Event().wait()
    @pytest.fixture
    def worker():
        with Worker() as worker:
            yield
    def test_in_fixture(worker):
        threading.Event().wait()
    def test_caught():
        try:
            time.sleep(60)
        except BaseException:
            pass
    def test_after():
        pass
    """
    done = run_pytest(tmp_path, text, "--ropewalk", "--ropewalk-timeout=0.5")
    assert "3 failed, 1 passed, 1 error" in done.stdout
    first = done.stdout.split("____ test_in_with")[1].split("____ test_in_fixture")[0]
    assert "took longer than 0.5 s\n" in first
    assert "threading.Event().wait()" in first
    assert "took longer than 0.5 s, and goes on\n" in first
    assert "self.thread.join()" in first


def test_the_shorter_time_of_ours_and_pytest_timeouts_counts(tmp_path: Path) -> None:
    text = """
    import signal, time, pytest
    @pytest.mark.ropewalk_timeout(0.5)
    def test_ours():
        time.sleep(60)
    @pytest.mark.timeout(0.5)
    def test_theirs():
        time.sleep(60)
    @pytest.mark.timeout(0.5, func_only=True)
    def test_theirs_of_the_call():
        time.sleep(60)
    def test_none():
        pass
    @pytest.fixture
    def slow():
        yield
        time.sleep(60)
    @pytest.mark.ropewalk_timeout(0.5)
    def test_teardown(slow):
        pass
    def test_nothing_is_left():
        pass
    """
    done = run_pytest(tmp_path, text, "--ropewalk", "--ropewalk-timeout=40", "--timeout=50")
    assert "3 failed, 3 passed, 1 error" in done.stdout
    failures = {part.split(" ")[0]: part for part in done.stdout.split("_ test_")[1:]}
    assert "the test took longer than 0.5 s" in failures["ours"]
    assert "Timeout (>0.5s)" in failures["theirs"]
    assert "Timeout (>0.5s)" in failures["theirs_of_the_call"]


@pytest.mark.parametrize("ours", [[], ["--ropewalk-timeout=50"]])
def test_pytest_timeout_does_not_hide_a_deadlock(tmp_path: Path, ours: list[str]) -> None:
    text = """
    import queue
    def test_everybody_waits():
        queue.Queue().get()
    """
    done = run_pytest(tmp_path, text, "--ropewalk", "--timeout=55", *ours)
    assert "1 failed" in done.stdout
    assert "DeadlockError" in done.stdout


def test_an_alarm_of_the_programs_own_goes_off(tmp_path: Path) -> None:
    text = """
    import signal, threading, time, pytest
    @pytest.fixture
    def alarm():
        gate = threading.Event()
        before = signal.signal(signal.SIGALRM, lambda *_: gate.set())
        yield gate
        signal.signal(signal.SIGALRM, before)
    def test_opens_the_gate(alarm):
        # What was set for the setup does not go off in the program's handler.
        assert signal.getsignal(signal.SIGALRM)._theirs_due == float("inf")
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        alarm.wait()
    def test_is_gone():
        assert signal.getsignal(signal.SIGALRM)._before is signal.SIG_DFL
    def test_in_the_test():
        gate = threading.Event()
        signal.signal(signal.SIGALRM, lambda *_: gate.set())
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        gate.wait()
    """
    done = run_pytest(tmp_path, text, "--ropewalk", "--ropewalk-timeout=50")
    assert done.returncode == 0, done.stdout


def test_an_alarm_in_pytests_own_code_ends_nothing(tmp_path: Path) -> None:
    """Limits of about as long as the tests take."""
    text = """
    import time, pytest
    @pytest.fixture
    def fixture():
        yield
    @pytest.mark.parametrize("number", range(200))
    def test_it(number, fixture):
        time.sleep(0.0188 + number % 50 * 0.00004)
    @pytest.mark.ropewalk_timeout(60)
    def test_last():
        pass
    """
    done = run_pytest(tmp_path, text, "-vv", "--ropewalk", "--ropewalk-timeout=0.02", "--tb=no")
    assert done.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "test_suite.py::test_last PASSED" in done.stdout
