"""Runs a program in a child process, as its readers do: `python x.py` and `ropewalk run x.py`."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNERS = {
    "stock": [sys.executable],
    "ropewalk": [sys.executable, "-m", "ropewalk", "run"],
}


@dataclass(frozen=True)
class Outcome:
    """What a program left behind: its exit code, its lines on stdout, and all of its stderr."""

    code: int
    lines: list[str]
    errors: str

    def number_after(self, beginning: str) -> float:
        """The number that follows this beginning, which exactly one line has."""
        (rest,) = [
            line.removeprefix(beginning) for line in self.lines if line.startswith(beginning)
        ]
        return float(rest.split()[0].rstrip("%,"))


def environment() -> dict[str, str]:
    """Ours, without what would put the children of a `ropewalk run` under Ropewalk."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ROPEWALK")}
    return ours | {"PYTHONFAULTHANDLER": "1"}


def run_under(runner: str, program: Path, *arguments: str, timeout: float = 60) -> Outcome:
    """Run to the end; a program that has not ended after `timeout` seconds is a failure."""
    done = subprocess.run(
        [*RUNNERS[runner], str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        check=False,
    )
    return Outcome(done.returncode, done.stdout.splitlines(), done.stderr)


def start_under(runner: str, program: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that does not end by itself; the caller ends it."""
    return subprocess.Popen(
        [*RUNNERS[runner], str(program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
