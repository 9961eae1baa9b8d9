"""The two ways to run a program are really two: else every comparison here would be worthless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.examples.programs import run_under

if TYPE_CHECKING:
    from pathlib import Path

# The drop-in modules call themselves `threading` and `queue`; where they come from tells.
PROGRAM = """
import os, queue, threading
for module in (threading, queue):
    print(os.path.basename(os.path.dirname(module.__file__)))
"""


def test_stock_is_stock_and_ropewalk_is_ropewalk(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    ours = run_under("ropewalk", program)
    assert ours.errors == ""
    assert ours.lines == ["ropewalk", "ropewalk"]
    stock = run_under("stock", program)
    assert stock.errors == ""
    assert len(stock.lines) == 2
    assert "ropewalk" not in stock.lines
