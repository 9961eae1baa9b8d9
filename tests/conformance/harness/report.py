"""Write the results down: a table and the failures for people, JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from harness.verdict import Judged, Verdict, count

if TYPE_CHECKING:
    from harness.process import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from harness.environments import Environment
    from harness.session import EnvironmentResult, FileResult

COLUMNS: Final = (
    ("passed", Verdict.PASSED),
    ("skipped", Verdict.SKIPPED),
    ("fails stock too", Verdict.FAILS_STOCK_TOO),
    ("known", Verdict.KNOWN_FAILURE),
    ("listed passes", Verdict.LISTED_BUT_PASSES),
    ("NEW", Verdict.NEW_FAILURE),
)
DETAIL_LINES: Final = 60
UNREACHED_NAMES: Final = 5


def table(results: list[EnvironmentResult]) -> str:
    """Return a table with a row for each module on each interpreter."""
    rows = [["python", "file", "tests", *(name for name, _ in COLUMNS), "stock s", "ropewalk s"]]
    for result in results:
        for file in result.files:
            counts = count(file.judged)
            tests = sum(1 for test_id in file.stock.tests if not test_id.endswith("]"))
            cells = [str(counts[verdict] or "-") for _, verdict in COLUMNS]
            times = [f"{file.stock.seconds:.1f}", f"{file.ropewalk.seconds:.1f}"]
            rows.append([result.environment.version, file.module, str(tests), *cells, *times])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(left + right).rstrip())
    return "\n".join(lines)


def _describe(version: str, item: Judged) -> str:
    stock = item.stock.outcome if item.stock else "missing"
    ropewalk = item.ropewalk.outcome if item.ropewalk else "missing"
    text = f"{item.verdict} on {version}: {item.test_id} (stock: {stock}, Ropewalk: {ropewalk})"
    detail = (
        item.ropewalk.detail.strip()
        if item.ropewalk and item.verdict is Verdict.NEW_FAILURE
        else ""
    )
    lines = detail.splitlines()
    if len(lines) > DETAIL_LINES:
        lines = ["...", *lines[-DETAIL_LINES:]]
    return "\n".join([text, *(f"    {line}" for line in lines)])


def _describe_file(version: str, file: FileResult) -> list[str]:
    """Describe what is bad in a file; one entry for all tests that were never reached."""
    unreached = [item.test_id for item in file.bad if item.ropewalk is None]
    parts = [_describe(version, item) for item in file.bad if item.ropewalk is not None]
    if unreached:
        names = ", ".join(unreached[:UNREACHED_NAMES]) + (
            ", ..." if len(unreached) > UNREACHED_NAMES else ""
        )
        parts.append(
            f"{Verdict.NEW_FAILURE} on {version}: "
            f"never reached under Ropewalk, {len(unreached)} tests: {names}"
        )
    return parts


def summary(results: list[EnvironmentResult], bare: list[Environment], logs: Path) -> str:
    """Return everything that a reader needs; the last line is `N passed, N failed`."""
    parts = [table(results)]
    for result in results:
        for file in result.files:
            parts += _describe_file(result.environment.version, file)
    for result in results:
        version = result.environment.version
        stock_too = [
            item.test_id
            for file in result.files
            for item in file.judged
            if item.verdict is Verdict.FAILS_STOCK_TOO
        ]
        if stock_too:
            parts.append(f"fails stock too on {version}: " + ", ".join(stock_too))
        vacuous = [file.module for file in result.files if not file.is_proven]
        if vacuous:
            names = ", ".join(vacuous)
            parts.append(
                f"not all of Ropewalk was under test on {version}, no pass counts: {names}"
            )
        parts += [f"LISTED BUT MATCHES NO TEST on {version}: {pattern}" for pattern in result.stale]
        if result.not_found:
            parts.append(
                f"not found on this interpreter ({version}): " + ", ".join(result.not_found)
            )
        if result.environment.problem:
            parts.append(
                f"NOT TESTED: {version} ({result.environment.python}): {result.environment.problem}"
            )
    for environment in bare:
        parts.append(
            f"not tested: {environment.full_version} at {environment.python} "
            "has no environment with Ropewalk"
        )
    parts.append(f"logs and stacks: {logs}")
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    parts.append(f"{passed} passed, {failed} failed")
    return "\n".join(parts)


def _outcome(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    plain: dict[str, Any] = {"outcome": outcome.outcome, "seconds": outcome.seconds}
    if outcome.outcome != "pass" and outcome.detail:
        plain["detail"] = outcome.detail
    return plain


def as_json(results: list[EnvironmentResult], bare: list[Environment]) -> str:
    """Return every outcome and verdict, for programs."""
    data = {
        "schema": 1,
        "passed": sum(result.passed for result in results),
        "failed": sum(result.failed for result in results),
        "not_tested": [environment.full_version for environment in bare],
        "interpreters": [
            {
                "version": result.environment.full_version,
                "problem": result.environment.problem,
                "not_found": result.not_found,
                "listed_but_match_no_test": result.stale,
                "files": [
                    {
                        "module": file.module,
                        "group": file.file.group,
                        "seconds": {"stock": file.stock.seconds, "ropewalk": file.ropewalk.seconds},
                        "tests": [
                            {
                                "id": item.test_id,
                                "verdict": item.verdict,
                                "stock": _outcome(item.stock),
                                "ropewalk": _outcome(item.ropewalk),
                            }
                            for item in file.judged
                        ],
                    }
                    for file in result.files
                ],
            }
            for result in results
        ],
    }
    return json.dumps(data, indent=1)
