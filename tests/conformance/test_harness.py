"""The harness can fail: each way of being wrong is shown to it, and it says so.

A stand-in for Ropewalk that behaves as stock does, `samples/pretended`, is put into an environment
of its own, and so are tests whose outcomes are known, `samples/files`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SAMPLES = HERE / "samples"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
RUN_SECONDS = 300

needs_cpython_tests = pytest.mark.skipif(
    importlib.util.find_spec("test.test_threading") is None,
    reason="this interpreter came without CPython's tests",
)


@dataclass
class Run:
    """A finished run of the harness."""

    status: int
    output: str
    data: dict[str, Any]

    def test(self, test_id: str) -> dict[str, Any]:
        for interpreter in self.data["interpreters"]:
            for file in interpreter["files"]:
                for test in file["tests"]:
                    if test["id"] == test_id:
                        return dict(test)
        raise AssertionError(f"no {test_id} in the results:\n{self.output}")

    def verdict(self, test_id: str) -> str:
        return str(self.test(test_id)["verdict"])


def make_environment(root: Path, *, children: bool = True) -> Path:
    """Make an environment with the stand-in; without `children` its children are left alone."""
    folder = root / ".venvs" / VERSION
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout
    shutil.copytree(SAMPLES / "pretended" / "ropewalk", Path(site.strip()) / "ropewalk")
    if children:
        shutil.copy(SAMPLES / "pretended" / "pretended.pth", site.strip())
    return root


def command(root: Path, logs: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, str(HERE / "run.py"), "--venv-root", str(root), "--logs", str(logs)),
        *("--python", VERSION, "--jobs", "2", "--json", str(logs / "out.json"), *options),
    ]


def run(root: Path, logs: Path, *options: str) -> Run:
    done = subprocess.run(
        command(root, logs, *options),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    written = logs / "out.json"
    data = json.loads(written.read_text()) if written.exists() else {}
    return Run(done.returncode, done.stdout + done.stderr, data)


def with_samples(*options: str) -> tuple[str, ...]:
    return ("--plan", str(SAMPLES / "plan.toml"), "--tests-from", str(SAMPLES / "files"), *options)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def samples(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return one run over all samples, with entries on the list of known failures."""
    known = ("--known-failures", str(SAMPLES / "known_failures.toml"))
    logs = tmp_path_factory.mktemp("logs")
    return run(root, logs, *with_samples(*known, "--test-timeout", "4"))


def test_a_run_with_failures_exits_with_1(samples: Run) -> None:
    assert samples.status == 1
    passed, failed = samples.data["passed"], samples.data["failed"]
    assert samples.output.splitlines()[-1] == f"{passed} passed, {failed} failed"


@pytest.mark.parametrize(
    ("test_id", "verdict"),
    [
        ("sample_hang.Hang.test_1_before", "passed"),
        ("sample_cases.Cases.test_sigint_is_at_its_default", "passed"),
        ("sample_cases.Cases.test_fails_stock_only", "passed"),
        ("sample_cases.Cases.test_skipped", "skipped"),
        ("sample_cases.Cases.test_skipped_by_decorator", "skipped"),
        ("sample_cases.SkippedClass.test_is_skipped", "skipped"),
        ("sample_cases.Cases.test_fails_everywhere", "fails stock too"),
        ("sample_cases.Cases.test_fails_replaced", "known failure"),
        ("sample_cases.Cases.test_passes", "LISTED BUT PASSES"),
        ("sample_cases.Cases.test_subtest_fails_replaced", "NEW FAILURE"),
        ("sample_cases.Cases.test_thread_dies_replaced", "fails stock too"),
        ("sample_cases.Cases.test_skipped_replaced", "NEW FAILURE"),
        ("sample_cases.Cases.test_leaves_something_replaced", "NEW FAILURE"),
        ("sample_cases.BrokenClass.test_is_never_reached", "NEW FAILURE"),
        ("setUpClass (sample_cases.BrokenClass)", "NEW FAILURE"),
        ("sample_crash.Crash.test_1_crashes", "NEW FAILURE"),
        ("sample_crash.Crash.test_2_after", "passed"),
        ("sample_crash [exit]", "NEW FAILURE"),
        ("sample_hang.Hang.test_2_hangs", "NEW FAILURE"),
        ("sample_hang.Hang.test_3_hangs_in_a_child", "NEW FAILURE"),
        ("sample_hang.Hang.test_4_after", "passed"),
    ],
)
def test_verdict(samples: Run, test_id: str, verdict: str) -> None:
    assert samples.verdict(test_id) == verdict, samples.output


def test_failures_are_told_with_their_words(samples: Run) -> None:
    test = samples.test("sample_cases.Cases.test_fails_replaced")
    assert "the words of the failure" in test["ropewalk"]["detail"]
    line = f"NEW FAILURE on {VERSION}: sample_cases.Cases.test_subtest_fails_replaced"
    assert line in samples.output


def test_what_was_left_behind_is_told(samples: Run) -> None:
    test = samples.test("sample_cases.Cases.test_thread_dies_replaced")
    assert test["ropewalk"]["outcome"] == "altered"
    assert "uncaught: ZeroDivisionError: " in test["ropewalk"]["detail"]


def test_counts(samples: Run) -> None:
    tests = [
        test
        for interpreter in samples.data["interpreters"]
        for file in interpreter["files"]
        for test in file["tests"]
        if file["group"] == "samples"
    ]
    passed = [t for t in tests if t["verdict"] == "passed" and not t["id"].endswith("]")]
    failed = [t for t in tests if t["verdict"] in {"NEW FAILURE", "LISTED BUT PASSES"}]
    assert samples.data["passed"] == len(passed)
    assert samples.data["failed"] == len(failed) + 1  # and the entry that matches no test


def test_an_entry_that_matches_no_test_is_an_error(samples: Run) -> None:
    pattern = "sample_cases.Cases.test_of_another_name"
    assert samples.data["interpreters"][0]["listed_but_match_no_test"] == [pattern]
    assert f"LISTED BUT MATCHES NO TEST on {VERSION}: {pattern}" in samples.output


def test_a_hang_is_ended_with_all_stacks(samples: Run) -> None:
    test = samples.test("sample_hang.Hang.test_2_hangs")
    assert test["ropewalk"]["outcome"] == "hang"
    assert "in hang_in_this_process" in test["ropewalk"]["detail"]  # the other thread
    assert "in test_2_hangs" in test["ropewalk"]["detail"]  # the one that waits for it


def test_a_hang_in_a_child_is_ended_with_the_childs_stacks(samples: Run) -> None:
    test = samples.test("sample_hang.Hang.test_3_hangs_in_a_child")
    assert test["ropewalk"]["outcome"] == "hang"
    assert "in hang_in_the_child" in test["ropewalk"]["detail"]


def test_a_crash_is_told_with_its_signal(samples: Run) -> None:
    test = samples.test("sample_crash.Crash.test_1_crashes")
    assert test["ropewalk"]["outcome"] == "crash"
    assert f"signal {signal.SIGABRT:d}" in test["ropewalk"]["detail"]


def test_a_file_that_is_not_there_is_told_and_not_counted(samples: Run) -> None:
    assert samples.data["interpreters"][0]["not_found"] == ["test_that_nobody_has"]
    assert f"not found on this interpreter ({VERSION}): test_that_nobody_has" in samples.output


def test_nothing_run_is_no_success(root: Path, tmp_path: Path) -> None:
    done = run(root, tmp_path, *with_samples("--file", "test_that_nobody_has"))
    assert done.status == 2, done.output
    assert "0 passed, 0 failed" in done.output.splitlines()


def test_no_failure_exits_with_0_even_if_sigint_is_ignored_here(root: Path, tmp_path: Path) -> None:
    options = with_samples("--file", "sample_cases", "--match", "*sigint*")
    script = 'trap "" INT; exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command(root, tmp_path, *options)],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed"


def test_an_unknown_file_or_version_is_refused(root: Path, tmp_path: Path) -> None:
    assert run(root, tmp_path, "--file", "test_no_such").status == 2
    assert run(root, tmp_path, "--python", "3.99").status == 2


def test_an_environment_that_does_not_run_is_a_failure(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "roots", symlinks=True)
    python = tmp_path / "roots" / ".venvs" / "3.98" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    options = with_samples("--python", "3.98", "--file", "sample_cases", "--match", "*sigint*")
    done = run(tmp_path / "roots", tmp_path, *options)
    assert done.status == 1
    assert "NOT TESTED: 3.98" in done.output
    assert done.output.splitlines()[-1] == "1 passed, 1 failed"


def test_children_that_are_not_covered_are_noticed(tmp_path: Path) -> None:
    root = make_environment(tmp_path, children=False)
    done = run(root, tmp_path, *with_samples("--file", "sample_cases", "--match", "*sigint*"))
    assert done.status == 1
    assert done.verdict("rw_ours.OursTest.test_children") == "NEW FAILURE"
    assert done.verdict("rw_ours.OursTest.test_names_of_the_four_modules") == "passed"


def has_real_ropewalk() -> bool:
    python = REPOSITORY / ".venv" / "bin" / "python"
    if not python.exists():
        return False
    ask = (
        f"import sys, ropewalk._ropewalk; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    )
    return subprocess.run([python, "-c", ask], capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["pretended", "real"])
def either_root(request: pytest.FixtureRequest, root: Path) -> Path:
    """Return the stand-in's environment, and the real Ropewalk's if it is built."""
    if request.param == "pretended":
        return root
    if not has_real_ropewalk():
        pytest.skip(f"Ropewalk is not built for {VERSION} in .venv (see `make setup`)")
    return REPOSITORY


@needs_cpython_tests
@pytest.mark.parametrize("wrong", [False, True])
def test_a_wrong_replacement_fails_cpythons_tests(
    either_root: Path, tmp_path: Path, wrong: bool
) -> None:
    options = ["--file", "test_threading", "--match", "*.SemaphoreTests.*"]
    if wrong:
        options += ["--sabotage", "Semaphore"]
    done = run(either_root, tmp_path, *options, "--test-timeout", "20")
    expected = "NEW FAILURE" if wrong else "passed"
    assert done.verdict("test.test_threading.SemaphoreTests.test_try_acquire") == expected
    assert done.status == (1 if wrong else 0), done.output


@needs_cpython_tests
def test_a_name_that_is_not_replaced_is_noticed(either_root: Path, tmp_path: Path) -> None:
    options = ["--file", "test_sched", "--sabotage", "queue.Queue=stock"]
    done = run(either_root, tmp_path, *options)
    assert done.status == 1
    assert done.verdict("test.test_sched [ours]") == "NEW FAILURE"
    detail = done.test("test.test_sched [ours]")["ropewalk"]["detail"]
    assert "queue.Queue: stock, first seen at the start of test.test_sched" in detail
    assert done.verdict("test.test_sched.TestCase.test_queue") == "passed"
    assert done.data["passed"] == 0  # it passed, and it proves nothing


def test_ctrl_c_ends_the_processes_that_were_started(root: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    options = with_samples("--file", "sample_hang", "--match", "*test_2*")
    process = subprocess.Popen(
        command(root, tmp_path, *options),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SAMPLE_PID_FILE": str(pid_file)},
    )
    try:
        deadline = time.monotonic() + 60
        while not (pid_file.exists() and pid_file.read_text()):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    finally:
        process.kill()
        process.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
