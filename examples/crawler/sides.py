"""Runs programs of this folder as its readers do, with stock Python and on Ropewalk."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
SIDES = {
    "stock": [sys.executable],
    "ropewalk": [sys.executable, "-m", "ropewalk", "run"],
}


def run(side: str, program: str, *arguments: str) -> str:
    """Run a program of this folder on that side; what it printed."""
    command = [*SIDES[side], str(HERE / program), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def in_turns(rounds: int) -> Iterator[str]:
    """The sides in turns, and first one side first, then the other."""
    for number in range(rounds):
        yield from SIDES if number % 2 == 0 else reversed(SIDES)


def row(name: str, stock: float, ropewalk: float, *, more_is_better: bool = False) -> str:
    ratio = ropewalk / stock if more_is_better else stock / ropewalk
    return f"{name:<36}{stock:>10.2f}{ropewalk:>10.2f}{ratio:>8.2f}x"
