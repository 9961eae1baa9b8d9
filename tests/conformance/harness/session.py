"""One run over all environments and files: what is to be done, and what came out."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.plan import TestFile, find_modules
from harness.process import ModuleRun, Settings, Stop, run_module
from harness.verdict import BAD, Judged, Known, Verdict, count, judge, unused

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.environments import Environment

OWN_CHECKS: Final = TestFile("rw_ours", "harness", quick=True, outside="rw_ours")
PROGRESS_FAILURES: Final = 10
CHILD_FOLDER: Final = Path(__file__).resolve().parent.parent / "child"


@dataclass
class FileResult:
    """What came out for one module on one interpreter."""

    file: TestFile
    module: str
    stock: ModuleRun
    ropewalk: ModuleRun
    judged: list[Judged]

    @property
    def bad(self) -> list[Judged]:
        return [item for item in self.judged if item.verdict in BAD]

    @property
    def is_proven(self) -> bool:
        """Whether Ropewalk was under test, and not, for a part, the standard library."""
        return not any(item.test_id == f"{self.module} [ours]" for item in self.bad)


@dataclass
class EnvironmentResult:
    """What came out on one interpreter."""

    environment: Environment
    files: list[FileResult] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)  # entries of the list that match no test

    @property
    def passed(self) -> int:
        """How many of CPython's tests passed with all of Ropewalk under test."""
        files = [file for file in self.files if file.file is not OWN_CHECKS and file.is_proven]
        return sum(count(file.judged)[Verdict.PASSED] for file in files)

    @property
    def failed(self) -> int:
        broken = 1 if self.environment.problem else 0
        return sum(len(file.bad) for file in self.files) + len(self.stale) + broken


def plan_environment(
    environment: Environment, files: list[TestFile], settings: Settings
) -> EnvironmentResult:
    """Find out what can be run there; the modules are put into the result without runs yet."""
    result = EnvironmentResult(environment)
    if environment.problem:
        return result
    applying = [file for file in files if file.applies_to(environment.version)]
    found = find_modules(environment, applying, settings.tests_from)
    for file in applying:
        if not found[file.name]:
            result.not_found.append(file.name)
        for module in found[file.name]:
            result.files.append(FileResult(file, module, ModuleRun(), ModuleRun(), []))
    own = FileResult(OWN_CHECKS, OWN_CHECKS.module, ModuleRun(), ModuleRun(), [])
    result.files.insert(0, own)
    return result


def run_all(
    results: list[EnvironmentResult],
    known: list[Known],
    settings: Settings,
    jobs: int,
    tell: Callable[[str], None],
) -> None:
    """Run every module stock and under Ropewalk, `jobs` modules at a time, and judge it.

    Both sides of a module run one after the other in the same job, so that the load around them is
    alike.
    """
    work = [(result, file) for result in results for file in result.files]
    stop = threading.Event()

    def both(environment: Environment, file: FileResult) -> FileResult:
        own = replace(
            settings,
            resources=(*settings.resources, *file.file.resources),
            tests_from=(*settings.tests_from, *([CHILD_FOLDER] if file.file is OWN_CHECKS else [])),
            match=() if file.file is OWN_CHECKS else settings.match,
        )
        file.stock = run_module(environment, "stock", file.module, own, stop)
        file.ropewalk = run_module(environment, "ropewalk", file.module, own, stop)
        file.judged = judge(environment.full_version, file.stock, file.ropewalk, known)
        return file

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(both, result.environment, file): result for result, file in work}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                tell(progress_line(number, len(work), futures[future].environment, future.result()))
        except (KeyboardInterrupt, Stop):
            stop.set()
            for future in futures:
                future.cancel()
            raise KeyboardInterrupt from None
    for result in results:
        judged = [item for file in result.files for item in file.judged]
        complete = [] if settings.match else [file.module for file in result.files]
        result.stale = unused(known, result.environment.full_version, judged, complete)


def progress_line(number: int, total: int, environment: Environment, file: FileResult) -> str:
    """Describe a finished module in one line, with its failures below."""
    counts = count(file.judged)
    words = (
        ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
        or "no tests"
    )
    seconds = f"{file.stock.seconds:.1f} s, {file.ropewalk.seconds:.1f} s"
    stamp = time.strftime("%H:%M:%S")
    line = f"{stamp} [{number}/{total}] {environment.version} {file.module}: {words} ({seconds})"
    for item in file.bad[:PROGRESS_FAILURES]:
        line += f"\n    {item.verdict}: {item.test_id}"
    if len(file.bad) > PROGRESS_FAILURES:
        line += f"\n    ... {len(file.bad) - PROGRESS_FAILURES} more"
    return line
