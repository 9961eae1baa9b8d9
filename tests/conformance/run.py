"""Run CPython's own installed tests stock and under Ropewalk, and compare them test by test.

Exit code: 0 when nothing is new, 1 when a test fails that passes stock and is not listed, or a
listed one passes, 2 when nothing could be tested, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.environments import find_bare_interpreters, find_environments
from harness.plan import PLAN, load_plan, quick_subset
from harness.process import Settings
from harness.report import as_json, summary
from harness.session import plan_environment, run_all
from harness.verdict import KNOWN_FAILURES, load_known

REPOSITORY = Path(__file__).resolve().parents[2]
LOGS = REPOSITORY / "build" / "conformance"
SUMMARY = "Run CPython's own tests stock and under Ropewalk, and compare them test by test."


def tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/conformance/run.py", description=SUMMARY)
    add = parser.add_argument
    add("--subset", choices=("quick", "full"), default="full", help="which files (default: full)")
    add("--file", action="append", metavar="NAME", help="only this file (repeatable)")
    add(
        "--match", action="append", default=[], metavar="PATTERN", help="only tests with such an id"
    )
    add("--python", action="append", metavar="X.Y", help="only this version (repeatable)")
    add("--jobs", type=int, default=min(os.cpu_count() or 1, 4), help="files at a time")
    add("--json", type=Path, metavar="OUT", help="write every outcome there")
    add("--logs", type=Path, default=LOGS, metavar="DIR", help="for what the tests print")
    add("--test-timeout", type=float, default=120.0, metavar="SECONDS", help="for one test")
    add("--file-timeout", type=float, default=900.0, metavar="SECONDS", help="for one file")
    add("--venv-root", type=Path, action="append", metavar="DIR", help="has .venv and .venvs/")
    add("--known-failures", type=Path, default=KNOWN_FAILURES, metavar="FILE", help="another list")
    add("--plan", type=Path, default=PLAN, metavar="FILE", help="another list of files")
    add("--tests-from", type=Path, action="append", default=[], metavar="DIR", help="more files")
    add("--sabotage", action="append", default=[], metavar="NAME", help="break it, to see failures")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    # A background job starts with SIGINT ignored, and its children inherit that: put it back first.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    files = load_plan(options.plan)
    if options.file:
        wanted = {name.removeprefix("test.") for name in options.file}
        unknown = wanted - {file.name for file in files}
        if unknown:
            tell(f"not in {options.plan.name}: {', '.join(sorted(unknown))}")
            return 2
        files = [file for file in files if file.name in wanted]
    elif options.subset == "quick":
        files = quick_subset(files)

    found = find_environments(options.venv_root or [REPOSITORY])
    chosen = [
        environment
        for environment in found
        if not options.python or environment.version in options.python
    ]
    missing = set(options.python or ()) - {environment.version for environment in chosen}
    if missing or not chosen:
        names = ", ".join(sorted(missing)) or "any Python"
        tell(f"no environment with Ropewalk for {names} (see `make setup`)")
        return 2
    bare = [] if options.python else find_bare_interpreters(chosen)

    settings = Settings(
        out=options.logs.resolve(),
        test_timeout=options.test_timeout,
        file_timeout=options.file_timeout,
        match=tuple(options.match),
        resources=() if options.subset == "quick" else ("cpu", "walltime", "subprocess"),
        tests_from=tuple(folder.resolve() for folder in options.tests_from),
        sabotage=tuple(options.sabotage),
    )
    results = [plan_environment(environment, files, settings) for environment in chosen]
    for result in results:
        environment = result.environment
        tell(f"{environment.full_version} ({environment.python}): {len(result.files)} modules")
    known = load_known(options.known_failures)
    try:
        run_all(results, known, settings, options.jobs, tell)
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    if options.json:
        options.json.write_text(as_json(results, bare), encoding="utf-8")
    tell(summary(results, bare, settings.out))
    if any(result.failed for result in results):
        return 1
    if not any(result.passed for result in results):
        tell("no test was run")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
