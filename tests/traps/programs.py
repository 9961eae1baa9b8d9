"""Programs in processes of their own, under `ropewalk run`."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.face.programs import environment

ROOT = Path(__file__).resolve().parents[2]
# A program that hangs is ended after that, with a failure.
LIMIT = 60.0

_PRELUDE = """
import os, queue, signal, sys, threading, time
from ropewalk import _ropewalk
from tests.traps.ways import *
"""


def run(text: str, *words: str, prelude: str = _PRELUDE) -> subprocess.CompletedProcess[str]:
    """Run a program that has the names of `tests.traps.ways`; its arguments are `words`.

    Forks in processes with threads are what some of them are about: Python's warning is off.
    """
    return subprocess.run(
        [sys.executable, "-m", "ropewalk", "run", "-c", prelude + textwrap.dedent(text), *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=ROOT,
        env=environment(PYTHONWARNINGS="ignore::DeprecationWarning", PYTHONFAULTHANDLER="1"),
        # A background job ignores SIGINT, and so would the program.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def succeeds(text: str, *words: str) -> str:
    """What the program prints; it must exit with 0 and have nothing to complain about."""
    done = run(text, *words)
    assert done.stderr == "", done.stderr
    assert done.returncode == 0
    return done.stdout
