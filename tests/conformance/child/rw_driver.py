"""Run one test module in this process and write what happened to each test as JSON lines.

Started by the runner under a foreign interpreter, stock (`python start.py`) or under Ropewalk
(`python -m ropewalk run start.py`), so it uses the standard library only. The lines are `{"event":
"start", "id": ...}`, `{"event": "test", "id": ..., "outcome": ..., "seconds": ..., "detail": ...}`
and, when all tests ran, `{"event": "end"}`; a file without it ended before its time. Ids that end
in `]` are not tests of the file but checks of ours: `[load]`, `[environment]`, `[ours]`.
"""

from __future__ import annotations

import argparse
import faulthandler
import fnmatch
import gc
import importlib
import importlib.util
import json
import os
import signal
import sys
import time
import traceback
import types
import unittest
from typing import TYPE_CHECKING, Any

import rw_identity
from rw_identity import OURS, STOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    ExcInfo = (
        tuple[type[BaseException], BaseException, types.TracebackType | None]
        | tuple[None, None, None]
    )

DETAIL_LIMIT = 6000
WORST_FIRST = ("error", "fail", "unexpected success", "altered", "xfail", "skip", "pass")
LOCK_ATTRIBUTES = ("locktype", "eventtype", "condtype", "semtype", "barriertype")
LATE_ATTRIBUTES = ("type2test", "q", "queue")
ALTERATIONS: list[str] = []  # what the hooks below saw during the current test


class Writer:
    """Appends events to the result file; a forked child of a test writes nothing."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - to the end
        self.pid = os.getpid()

    def write(self, **event: object) -> None:
        if os.getpid() == self.pid:
            self._file.write(json.dumps(event) + "\n")


def environment_was_altered() -> bool:
    """Say whether CPython's test support noticed leftovers (threads, ...) since the last call."""
    support: Any = sys.modules.get("test.support")
    altered = bool(getattr(support, "environment_altered", False))
    if altered and support is not None:
        support.environment_altered = False
    return altered


class Result(unittest.TestResult):
    """Writes one event per test; a subtest's failure is its test's failure."""

    def __init__(self, writer: Writer, side: str) -> None:
        super().__init__()
        self._writer = writer
        self._side = side
        self._outcomes: list[str] = []
        self._details: list[str] = []
        self._began = 0.0
        self._running = False
        self._expected = STOCK if side == "stock" else OURS
        self.not_expected: dict[str, str] = {}

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        if os.getpid() != self._writer.pid:
            os._exit(
                70
            )  # a forked child fell out of its test and would run the rest of the file again
        for name, whose in rw_identity.classify_live().items():
            if whose != self._expected:
                self.not_expected.setdefault(
                    name, f"{whose}, first seen at the start of {test.id()}"
                )
        environment_was_altered()
        ALTERATIONS.clear()
        self._outcomes, self._details, self._running = [], [], True
        self._writer.write(event="start", id=test.id())
        self._began = time.perf_counter()

    def stopTest(self, test: unittest.TestCase) -> None:
        if not self._running:
            return  # 3.12.1 stops tests that are skipped by a decorator, and does not start them
        seconds = time.perf_counter() - self._began
        super().stopTest(test)
        outcome = min(self._outcomes or ["error"], key=WORST_FIRST.index)
        if outcome == "pass" and environment_was_altered():
            outcome = "altered"
            self._details += ["passed, but left something behind (see the log)", *ALTERATIONS]
        self._running = False
        self._emit(test.id(), outcome, seconds, "\n".join(self._details))
        self.note_attributes(test, LATE_ATTRIBUTES)

    def note_attributes(self, test: unittest.TestCase | type, names: Sequence[str]) -> None:
        """Remember which things that a test case names as under test are not the expected ones."""
        cls = test if isinstance(test, type) else type(test)
        for name in names:
            value = getattr(test, name, None)
            if isinstance(value, types.ModuleType):
                found = (
                    rw_identity.classify_module(value)
                    if value.__name__ in rw_identity.FAMILIES
                    else {}
                )
            elif isinstance(value, type):
                found = {"": rw_identity.classify_class(value)}
            elif name in LOCK_ATTRIBUTES and callable(value):
                arguments = (1,) if name == "barriertype" else ()
                try:
                    found = {"": rw_identity.classify(value, arguments)}
                except TypeError:  # a method of the test case that is only called so
                    continue
            else:
                found = {"": rw_identity.classify_class(type(value))}
            for part, whose in found.items():
                if whose in {OURS, STOCK} and whose != self._expected:
                    label = f"{cls.__module__}.{cls.__qualname__}.{name}"
                    self.not_expected[f"{label}.{part}" if part else label] = whose

    def _emit(self, test_id: str, outcome: str, seconds: float, detail: str) -> None:
        self._writer.write(
            event="test",
            id=test_id,
            outcome=outcome,
            seconds=round(seconds, 4),
            detail=detail[-DETAIL_LIMIT:],
        )

    def _note(self, test: unittest.TestCase, outcome: str, detail: str) -> None:
        if self._running:
            self._outcomes.append(outcome)
            if detail:
                self._details.append(detail)
        else:  # setUpClass, setUpModule: not a test, but it must not get lost
            self._emit(test.id(), outcome, 0.0, detail)

    def _text(self, error: ExcInfo) -> str:
        kind, value, frames = error
        while frames is not None and "__unittest" in frames.tb_frame.f_globals:
            frames = frames.tb_next
        return "".join(traceback.format_exception(kind, value, frames))

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, "pass", "")

    def addError(self, test: unittest.TestCase, err: ExcInfo) -> None:
        self._note(test, "error", self._text(err))

    def addFailure(self, test: unittest.TestCase, err: ExcInfo) -> None:
        self._note(test, "fail", self._text(err))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._note(test, "skip", reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: ExcInfo) -> None:
        self._note(test, "xfail", "")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, "unexpected success", "")

    def addSubTest(
        self, test: unittest.TestCase, subtest: unittest.TestCase, err: ExcInfo | None
    ) -> None:
        if err is not None:
            failed = err[0] is not None and issubclass(err[0], test.failureException)
            self._note(test, "fail" if failed else "error", f"{subtest.id()}\n{self._text(err)}")


def flatten(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def prepare(resources: Sequence[str], stacks: str) -> None:
    """Set up the process as CPython's own test runner does."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        raise SystemExit("SIGINT is not at its default: tests of Ctrl-C would fail or hang")
    kept_open = open(stacks, "a", encoding="utf-8")  # noqa: SIM115 - by faulthandler
    faulthandler.enable(file=kept_open, all_threads=True)
    os.umask(0o022)
    support: Any = importlib.import_module("test.support")
    support.use_resources = dict.fromkeys(resources)
    support.record_original_stdout(sys.stdout)
    old_hook = sys.unraisablehook

    def unraisable(error: sys.UnraisableHookArgs) -> None:
        support.environment_altered = True
        ALTERATIONS.append(f"unraisable: {error.exc_type.__name__}: {error.exc_value}")
        old_hook(error)
        sys.stderr.flush()

    sys.unraisablehook = unraisable
    threading: Any = importlib.import_module("threading")
    old_excepthook = threading.excepthook

    def uncaught(error: Any) -> None:  # noqa: ANN401 - threading has no public name for it
        support.environment_altered = True
        ALTERATIONS.append(f"uncaught: {error.exc_type.__name__}: {error.exc_value}")
        old_excepthook(error)
        sys.stderr.flush()

    threading.excepthook = uncaught


def run_module(
    name: str, result: Result, writer: Writer, wanted: Sequence[str], skip: frozenset[str]
) -> None:
    helper = importlib.import_module("test.support.threading_helper")
    threads = helper.threading_setup()
    try:
        loaded = unittest.TestLoader().loadTestsFromName(name)
    except unittest.SkipTest as reason:
        writer.write(
            event="test", id=f"{name} [load]", outcome="skip", seconds=0.0, detail=str(reason)
        )
        return
    tests = [
        test
        for test in flatten(loaded)
        if test.id() not in skip
        and (not wanted or any(fnmatch.fnmatchcase(test.id(), pattern) for pattern in wanted))
    ]
    for cls in {type(test) for test in tests}:
        result.note_attributes(cls, LOCK_ATTRIBUTES)
    unittest.TestSuite(tests).run(result)
    gc.collect()
    environment_was_altered()
    helper.threading_cleanup(*threads)
    altered = environment_was_altered()
    detail = "threads of the tests are still there at the end (see the log)" if altered else ""
    outcome = "altered" if altered else "pass"
    writer.write(
        event="test", id=f"{name} [environment]", outcome=outcome, seconds=0.0, detail=detail
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", choices=("stock", "ropewalk"), required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--stacks", required=True)
    parser.add_argument("--match", action="append", default=[])
    parser.add_argument("--skip-file")
    parser.add_argument("--resource", action="append", default=[])
    parser.add_argument("--tests-from", action="append", default=[])
    parser.add_argument("--sabotage", action="append", default=[])
    options = parser.parse_args()

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = ["", *(entry for entry in sys.path if entry and os.path.abspath(entry) != here)]
    sys.path.extend(options.tests_from)
    del sys.argv[1:]
    skip: frozenset[str] = frozenset()
    if options.skip_file:
        with open(options.skip_file, encoding="utf-8") as file:
            skip = frozenset(json.load(file))

    rw_identity.SIDE = options.side
    writer = Writer(options.out)
    result = Result(writer, options.side)
    prepare(options.resource, options.stacks)
    if options.sabotage:
        sys.path.append(here)
        import rw_sabotage

        sys.path.remove(here)
        for name in options.sabotage:
            rw_sabotage.break_name(name)
    try:
        run_module(options.module, result, writer, options.match, skip)
    except Exception:
        load = f"{options.module} [load]"
        writer.write(
            event="test", id=load, outcome="error", seconds=0.0, detail=traceback.format_exc()
        )
    wrong = result.not_expected
    listing = "\n".join(f"{name}: {whose}" for name, whose in sorted(wrong.items()))
    outcome = "fail" if wrong else "pass"
    writer.write(
        event="test", id=f"{options.module} [ours]", outcome=outcome, seconds=0.0, detail=listing
    )
    writer.write(event="end")
