"""Child processes for the tests: a program stock, or under `ropewalk run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Longer than anything here takes: a hang is a failure and not a wait.
LIMIT = 60.0
STOCK: tuple[str, ...] = ()
ROPEWALK = ("-m", "ropewalk", "run")


def environment(**more: str) -> dict[str, str]:
    """The tests' own, less what would change what a program prints."""
    changes = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "ROPEWALK_RUN")
    kept = {key: value for key, value in os.environ.items() if key not in changes}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"} | more


def python(
    *words: str | Path,
    under: Sequence[str] = ROPEWALK,
    cwd: Path | None = None,
    standard_input: str = "",
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python [-m ropewalk run] WORDS` to its end."""
    return subprocess.run(
        [sys.executable, *under, *map(str, words)],
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=cwd,
        env=environment() if env is None else env,
        # A background job ignores SIGINT, and so would the program.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def code(
    text: str, *words: str, under: Sequence[str] = ROPEWALK
) -> subprocess.CompletedProcess[str]:
    """Run a piece of code with `-c`."""
    return python("-c", textwrap.dedent(text), *words, under=under)


def succeeds(text: str, *words: str, under: Sequence[str] = ROPEWALK) -> str:
    """What a piece of code prints; it must exit with 0 and have nothing to complain about."""
    done = code(text, *words, under=under)
    assert done.stderr == "", done.stderr
    assert done.returncode == 0
    return done.stdout


def same(*words: str | Path, cwd: Path | None = None, standard_input: str = "") -> str:
    """Run stock and under Ropewalk: exit code, output and errors must agree. Gives the output."""
    stock = python(*words, under=STOCK, cwd=cwd, standard_input=standard_input)
    ours = python(*words, under=ROPEWALK, cwd=cwd, standard_input=standard_input)
    assert ours.stdout == stock.stdout
    assert ours.stderr == stock.stderr
    assert ours.returncode == stock.returncode
    return ours.stdout
