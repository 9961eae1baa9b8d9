"""Compare a file's stock run with its run under Ropewalk, test by test, and with the list."""

from __future__ import annotations

import fnmatch
import tomllib
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.process import ModuleRun, Outcome

KNOWN_FAILURES: Final = Path(__file__).resolve().parent.parent / "known_failures.toml"
SAME_AS_STOCK: Final = frozenset({"skip", "xfail"})


class Verdict(StrEnum):
    """What the comparison says of one test."""

    PASSED = "passed"
    SKIPPED = "skipped"  # or expected to fail, on both sides
    NEW_FAILURE = "NEW FAILURE"
    KNOWN_FAILURE = "known failure"
    LISTED_BUT_PASSES = "LISTED BUT PASSES"
    FAILS_STOCK_TOO = "fails stock too"


BAD: Final = frozenset({Verdict.NEW_FAILURE, Verdict.LISTED_BUT_PASSES})


@dataclass(frozen=True)
class Known:
    """One entry of the list of known failures."""

    pattern: str
    versions: tuple[str, ...]  # "3.13", or "3.13.0" for what a later one has mended
    reason: str
    # Of a failure that CPython has itself now and then: what the failure must say to be that one.
    words: tuple[str, ...] = ()

    def is_for(self, full_version: str) -> bool:
        return full_version in self.versions or short(full_version) in self.versions

    def matches(self, test_id: str, full_version: str) -> bool:
        return self.is_for(full_version) and fnmatch.fnmatchcase(test_id, self.pattern)

    def explains(self, outcome: Outcome | None) -> bool:
        """Whether this is the failure that CPython has itself."""
        return outcome is not None and all(word in outcome.detail for word in self.words)


def short(full_version: str) -> str:
    """Return the version without its last part."""
    return ".".join(full_version.split(".")[:2])


@dataclass(frozen=True)
class Judged:
    """One test, both outcomes (None: that side never reached it) and the verdict."""

    test_id: str
    verdict: Verdict
    stock: Outcome | None
    ropewalk: Outcome | None

    @property
    def is_check(self) -> bool:
        """Whether it is one of the harness's own checks, such as `[exit]`, and no test."""
        return self.test_id.endswith("]")


def load_known(path: Path = KNOWN_FAILURES) -> list[Known]:
    """Read the list; every entry must say which versions it is for and why."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    entries = []
    for kind, keys in (
        ("failure", ("id", "versions", "reason")),
        ("stock_too", ("id", "versions", "reason", "words")),
    ):
        for entry in data.get(kind, []):
            if set(entry) != set(keys) or not all(entry.values()) or not entry["reason"].strip():
                raise ValueError(
                    f"{path.name}: an entry needs {', '.join(keys)}, and nothing else: {entry}"
                )
            words = tuple(entry.get("words", ()))
            entries.append(Known(entry["id"], tuple(entry["versions"]), entry["reason"], words))
    return entries


def judge(version: str, stock: ModuleRun, ropewalk: ModuleRun, known: list[Known]) -> list[Judged]:
    """Compare one module's two runs on an interpreter of this full version."""
    judged = []
    for test_id in dict.fromkeys([*stock.tests, *ropewalk.tests]):
        before, after = stock.tests.get(test_id), ropewalk.tests.get(test_id)
        entries = [entry for entry in known if entry.matches(test_id, version)]
        listed = any(not entry.words for entry in entries)
        verdict = _verdict(before, after, listed)
        if verdict is Verdict.NEW_FAILURE and any(
            entry.words and entry.explains(after) for entry in entries
        ):
            verdict = Verdict.FAILS_STOCK_TOO
        judged.append(Judged(test_id, verdict, before, after))
    return judged


def _verdict(stock: Outcome | None, ropewalk: Outcome | None, listed: bool) -> Verdict:
    before = stock.outcome if stock else "missing"
    after = ropewalk.outcome if ropewalk else "missing"
    if after == "pass":
        return Verdict.LISTED_BUT_PASSES if listed else Verdict.PASSED
    if before == "pass":
        return Verdict.KNOWN_FAILURE if listed else Verdict.NEW_FAILURE
    if before == after and after in SAME_AS_STOCK:
        return Verdict.SKIPPED
    if before in SAME_AS_STOCK or before == "missing":
        # it did not run stock and fails now, or it appeared out of nowhere (a failing setUpClass)
        return Verdict.KNOWN_FAILURE if listed else Verdict.NEW_FAILURE
    return Verdict.FAILS_STOCK_TOO


def unused(known: list[Known], version: str, judged: list[Judged], modules: list[str]) -> list[str]:
    """Return the patterns for this full version that match no test of modules that were run."""
    ids = [item.test_id for item in judged]
    return [
        entry.pattern
        for entry in known
        if entry.is_for(version)
        and any(entry.pattern.startswith(f"{module}.") for module in modules)
        and not any(entry.matches(test_id, version) for test_id in ids)
    ]


def count(judged: list[Judged]) -> Counter[Verdict]:
    """Count the verdicts; a check of the harness counts only when it is bad, as it is no test."""
    return Counter(item.verdict for item in judged if not item.is_check or item.verdict in BAD)
