"""For all Python tests: says what is under test, and refuses to test something else."""

from __future__ import annotations

import sys
from pathlib import Path

import ropewalk

ROOT = Path(__file__).resolve().parent.parent

# An installed copy from somewhere else would pass or fail for another tree than this one.
if Path(ropewalk.__file__).parent != ROOT / "python" / "ropewalk":
    raise RuntimeError(f"the tests would run on {ropewalk.__file__}: `make build` first")


def pytest_report_header() -> str:
    return f"ropewalk: {Path(ropewalk.__file__).parent} with Python {sys.version}"
