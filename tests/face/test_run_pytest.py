"""`ropewalk run -m pytest`: Ropewalk, which has a plugin for pytest, is imported before pytest."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.face.programs import ROPEWALK, STOCK, python

if TYPE_CHECKING:
    from pathlib import Path

QUIET = ("-p", "no:cacheprovider", "-p", "no:asyncio")
WITH_XDIST = pytest.param(
    ("-n1",),
    marks=pytest.mark.skipif(not importlib.util.find_spec("xdist"), reason="needs pytest-xdist"),
)


@pytest.mark.parametrize("more", [(), ("-p", "ropewalk"), WITH_XDIST])
@pytest.mark.parametrize("strict", [(), ("-W", "error")])
def test_nothing_is_warned_of(
    tmp_path: Path, more: tuple[str, ...], strict: tuple[str, ...]
) -> None:
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    for under in (STOCK, ROPEWALK):
        done = python("-m", "pytest", *QUIET, *more, *strict, under=under, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 passed in" in done.stdout
        assert "Warning" not in done.stdout + done.stderr


def test_warnings_may_be_errors_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    done = python("-m", "pytest", *QUIET, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed in" in done.stdout
