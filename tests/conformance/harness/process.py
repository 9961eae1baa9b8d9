"""Run one test module in its own process group, watch its progress, and end it when it hangs.

A hang or a crash costs one test and not the file: the module is started again without the tests
that are done.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import threading

    from harness.environments import Environment

PROGRAM: Final = Path(__file__).resolve().parent.parent / "child" / "start.py"
POLL_SECONDS: Final = 0.1
STACKS_SECONDS: Final = (
    5.0  # how long a process that was told to abort may take to write its stacks
)
CHILD_GRACE_SECONDS: Final = (
    10.0  # how long a test may go on after the processes it hangs on were aborted
)
EXIT_SECONDS: Final = 60.0  # how long the interpreter may take to exit after the last test
RESTARTS: Final = 6


@dataclass
class Outcome:
    """What happened to one test."""

    outcome: str
    seconds: float = 0.0
    detail: str = ""


@dataclass
class ModuleRun:
    """What happened to one module on one side."""

    tests: dict[str, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    found: bool = True


@dataclass(frozen=True)
class Settings:
    """What all runs have in common. Times are in seconds."""

    out: Path
    test_timeout: float = 120.0
    file_timeout: float = 900.0
    match: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    tests_from: tuple[Path, ...] = ()
    sabotage: tuple[str, ...] = ()


class Stop(Exception):
    """The whole run was told to end."""


def clean_environment(temporary: str) -> dict[str, str]:
    """Return the variables of this process without those that would change the child's Python."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "ROPEWALK"))
    }
    kept.pop("VIRTUAL_ENV", None)
    kept["TMPDIR"] = temporary
    return kept


def members_of_group(group: int) -> list[int]:
    """Return the processes of a group apart from its leader (Linux; empty elsewhere)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and int(entry.name) != group and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def _has_exited(pid: int) -> bool:
    """Say whether the process has ended, without reaping it: until then its group is ours."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class _Attempt:
    """One process that runs (the rest of) one module."""

    def __init__(
        self, command: list[str], cwd: Path, log: IO[bytes], results: Path, stacks: Path
    ) -> None:
        self.tests: dict[str, Outcome] = {}
        self.current: str | None = None
        self.current_since = self.began = time.monotonic()
        self.ended_at: float | None = None
        self._results = results
        self._stacks = stacks
        self._offset = 0
        self._hung: set[str] = set()
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=clean_environment(str(cwd)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def read(self) -> None:
        """Take in the complete lines that the driver has written since the last call."""
        if not self._results.exists():
            return
        with self._results.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        now = time.monotonic()
        if event["event"] == "start":
            self.current, self.current_since = event["id"], now
        elif event["event"] == "end":
            self.current, self.ended_at = None, now
        else:
            outcome = Outcome(event["outcome"], event["seconds"], event["detail"])
            if event["id"] in self._hung:
                outcome = Outcome(
                    "hang", outcome.seconds, f"a process that it started hung\n{outcome.detail}"
                )
            if self.current == event["id"]:
                self.current, self.current_since = None, now
            self.tests[event["id"]] = outcome

    def overdue(self, settings: Settings) -> str | None:
        """Say why the process has to be ended now, or None."""
        now = time.monotonic()
        if self.ended_at is not None:
            return "the interpreter did not exit" if now - self.ended_at > EXIT_SECONDS else None
        if now - self.began > settings.file_timeout:
            return f"the file took more than {settings.file_timeout:.0f} s"
        limit = settings.test_timeout + (CHILD_GRACE_SECONDS if self.current in self._hung else 0)
        if now - self.current_since > limit:
            return f"no end after {limit:.0f} s"
        return None

    def spare(self) -> bool:
        """Abort the processes that the current test started, once: it may hang on one of them.

        They write their stacks to the pipe that the test reads, so the stacks end up in the test's
        own report.
        """
        if self.current is None or self.current in self._hung:
            return False
        members = members_of_group(self.process.pid)
        for pid in members:
            _kill(pid, signal.SIGABRT)
        self._hung.add(self.current)
        return bool(members)

    def abort(self) -> str:
        """Make the process write all stacks and end it; return the stacks."""
        before = self._stacks.stat().st_size if self._stacks.exists() else 0
        _kill(self.process.pid, signal.SIGABRT)
        deadline = time.monotonic() + STACKS_SECONDS
        while time.monotonic() < deadline and not _has_exited(self.process.pid):
            time.sleep(POLL_SECONDS)
        if not self._stacks.exists():
            return ""
        with self._stacks.open("rb") as file:
            file.seek(before)
            return file.read().decode(errors="replace")

    def finish(self) -> int:
        """Kill what is left of the group that was started here, and return the exit status."""
        if self.process.returncode is not None:
            return (
                self.process.returncode
            )  # reaped: the group's number may be somebody else's by now
        # nothing may be left, or only the leader that has ended (macOS says EPERM then)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself in the meantime
        os.kill(pid, number)


def _watch(attempt: _Attempt, settings: Settings, stop: threading.Event) -> tuple[str | None, str]:
    """Wait for the process; return why it was ended (None: it ended by itself) and its stacks."""
    while not _has_exited(attempt.process.pid):
        if stop.wait(POLL_SECONDS):
            attempt.finish()
            raise Stop
        attempt.read()
        reason = attempt.overdue(settings)
        if reason is not None and not attempt.spare():
            return reason, attempt.abort()
    return None, ""


def _note_end(
    run: ModuleRun, attempt: _Attempt, module: str, ending: tuple[str | None, str, int], log: Path
) -> bool:
    """Write down how a process ended; return whether to start the module again for the rest."""
    reason, stacks, status = ending
    run.tests.update(attempt.tests)
    if reason is None and status == 0 and attempt.ended_at is not None:
        run.tests[f"{module} [exit]"] = Outcome("pass")
        return False
    kind = "hang" if reason is not None else "crash"
    what = reason or (f"killed by signal {-status}" if status < 0 else f"exit status {status}")
    if not stacks and kind == "crash":
        tail = log.read_bytes()[-3000:].decode(errors="replace") if log.exists() else ""
        stacks = f"(end of the log)\n{tail}"
    if attempt.ended_at is not None:
        run.tests[f"{module} [exit]"] = Outcome(kind, 0.0, f"{what}\n{stacks}")
        return False
    seconds = time.monotonic() - attempt.current_since
    name = attempt.current or f"{module} [between tests]"
    run.tests[name] = Outcome(kind, seconds, f"{what}\n{stacks}")
    return attempt.current is not None


def run_module(
    environment: Environment, side: str, module: str, settings: Settings, stop: threading.Event
) -> ModuleRun:
    """Run a module's tests, stock or under Ropewalk, and return every outcome.

    Raises Stop when `stop` is set; the processes that were started here have been ended then.
    """
    run = ModuleRun()
    folder = settings.out / environment.version
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{module}.{side}.log"
    log.unlink(missing_ok=True)
    began = time.monotonic()
    temporary = Path(tempfile.mkdtemp(prefix="rw-"))
    try:
        for attempt_number in range(RESTARTS + 1):
            work = temporary / str(attempt_number)
            work.mkdir()
            results, stacks, skip = (
                temporary / f"{attempt_number}.{name}" for name in ("results", "stacks", "skip")
            )
            skip.write_text(json.dumps(sorted(run.tests)))
            command = _command(environment, side, module, settings)
            command += ["--out", str(results), "--stacks", str(stacks), "--skip-file", str(skip)]
            with log.open("ab") as output:
                attempt = _Attempt(command, work, output, results, stacks)
                try:
                    reason, text = _watch(attempt, settings, stop)
                finally:
                    status = attempt.finish()
            attempt.read()
            if not _note_end(run, attempt, module, (reason, text, status), log):
                break
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    run.seconds = time.monotonic() - began
    return run


def _command(environment: Environment, side: str, module: str, settings: Settings) -> list[str]:
    command = [str(environment.python)]
    if side == "ropewalk":
        command += ["-m", "ropewalk", "run"]
    command += [str(PROGRAM), "--side", side, "--module", module]
    for option, values in (("--match", settings.match), ("--resource", settings.resources)):
        for value in values:
            command += [option, value]
    for folder in settings.tests_from:
        command += ["--tests-from", str(folder)]
    if side == "ropewalk":
        for name in settings.sabotage:
            command += ["--sabotage", name]
    return command
