"""The programs of docs/hangs.md and docs/slow.md do what the pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.face.programs import environment
from tests.insight.programs import ROOT, ropewalk, says

if TYPE_CHECKING:
    from pathlib import Path


def _program(page: str) -> str:
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def _run(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ropewalk", "run", *words],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def test_the_program_that_hangs_hangs_as_shown(tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(_program("hangs.md"))
    with _run(path) as process:
        try:
            assert process.stderr is not None
            told = process.stderr.readline()
            assert told == "ropewalk: possible deadlock: 2 threads wait for each other\n"
            text = says(["ps", process.pid])
            assert "possible deadlock" in text
            assert re.search(r"sell +blocked .*Lock shop.py:6 +audit\n", text)
            assert re.search(r"audit +blocked .*Lock shop.py:5 +sell\n", text)
            text = says(["stacks", process.pid])
            assert "line 15, in sell\n    with ledger:" in text
        finally:
            process.kill()


def test_the_order_of_its_locks_is_told_as_shown(tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(_program("hangs.md"))
    page = (ROOT / "docs" / "hangs.md").read_text()
    found = re.search(r"^\$ .*--lock-order shop.py\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    shown = found[1].replace("/home/me", str(tmp_path)).splitlines(keepends=True)
    with _run("--lock-order", path) as process:
        try:
            assert process.stderr is not None
            told = [process.stderr.readline() for _ in shown]
        finally:
            process.kill()
    # Each of the two may be the second one.
    assert sorted(told[:-1]) == sorted(shown[:-1])


def test_the_program_that_is_slow_is_slow_as_shown(tmp_path: Path) -> None:
    path = tmp_path / "slow.py"
    path.write_text(_program("slow.md"))
    done = ropewalk("run", "--report", str(path))
    assert done.returncode == 0
    things = done.stderr.partition("waited for most")[2]
    assert things.splitlines()[1].endswith("slow.py:6")
