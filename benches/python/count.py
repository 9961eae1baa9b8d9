"""Counts instructions for one operation: the same on a busy machine as on a quiet one.

A row's statement runs in a child process under `perf stat` or under valgrind, once with few turns
and once with many. The difference, divided by the turns, is free of what starting Python costs.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence

from benches.python.row import Row

FEW, MANY = 2_000, 12_000
# Enough for the interpreter to have specialised the loop before the turns that count.
WARM_UP = 500
_PERF = ("perf", "stat", "-x", ",", "-e", "instructions:u")
_VALGRIND = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}")


class CannotCountError(RuntimeError):
    """Neither perf nor valgrind works here."""


def counter() -> Sequence[str]:
    """Return the command that counts the instructions of another: perf if it can, or valgrind."""
    if shutil.which("perf"):
        tried = subprocess.run([*_PERF, "true"], capture_output=True, text=True, check=False)
        if tried.returncode == 0 and re.search(r"^\d+,", tried.stderr, re.MULTILINE):
            return _PERF
    if shutil.which("valgrind"):
        return _VALGRIND
    raise CannotCountError("counting needs valgrind, or perf with a processor that counts for it")


def instructions(command: Sequence[str], row: Row, side: str) -> float:
    """Return the instructions that one turn of a row takes on one side."""
    few, many = (_total(command, row, side, turns) for turns in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _total(command: Sequence[str], row: Row, side: str, turns: int) -> int:
    python = (sys.executable, "-m", "benches.python", "--turns", str(turns), "--side", side)
    ran = subprocess.run(
        [*command, *python, "--rows", f"={row.name}"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    if ran.returncode != 0:
        raise CannotCountError(ran.stderr)
    found = re.search(r"Collected : (\d+)|^(\d+),", ran.stderr, re.MULTILINE)
    if found is None:
        raise CannotCountError(f"no count in what {command[0]} wrote:\n{ran.stderr}")
    return int(found[1] or found[2])
