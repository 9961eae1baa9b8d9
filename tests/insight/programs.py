"""Programs that are looked at from outside while they run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from tests.face.programs import LIMIT, environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
# A program says when it stands as it is to be seen, and goes on when it is told.
_HEAD = """\
import os, sys, threading, time, queue
from tests.traps.ways import outsider, until, until_blocked
def ready():
    print("ready", flush=True)
    sys.stdin.readline()
"""


class Program:
    """A program under `ropewalk run` that has said that it is ready."""

    def __init__(self, folder: Path, text: str, *options: str, under: bool = True) -> None:
        path = folder / "program.py"
        path.write_text(_HEAD + dedent(text).lstrip("\n"))
        run = ["-m", "ropewalk", "run", *options] if under else []
        self.process = subprocess.Popen(
            [sys.executable, *run, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT)),
        )
        self.pid = self.process.pid

    def __enter__(self) -> Program:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line != "ready\n":
            self.process.kill()
            raise AssertionError(f"{line!r} {self.process.communicate()}")
        return self

    def end(self) -> tuple[int, str, str]:
        """Tell it to go on; return its exit code and what it wrote."""
        out, err = self.process.communicate("\n", timeout=LIMIT)
        return self.process.returncode, out, err

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate(timeout=LIMIT)


def ropewalk(*words: str | int) -> subprocess.CompletedProcess[str]:
    """Run the command `ropewalk`."""
    return subprocess.run(
        [sys.executable, "-m", "ropewalk", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=ROOT,
        env=environment(COLUMNS="80"),
    )


def says(words: Sequence[str | int]) -> str:
    """What the command `ropewalk` prints, if it ends well."""
    done = ropewalk(*words)
    assert done.stderr == "", done.stderr
    assert done.returncode == 0
    return done.stdout


# Two threads that wait for each other's lock, one that waits for a queue, one that computes.
ABBA = """
outside = outsider()
cache = threading.Lock()
index = threading.Lock()
jobs = queue.Queue()
both = threading.Barrier(2)
def reader():
    with cache:
        both.wait()
        with index:
            pass
def writer():
    with index:
        both.wait()
        with cache:
            pass
def worker():
    while True:
        jobs.get()
targets = (reader, writer, worker)
threads = [threading.Thread(target=each, name=each.__name__, daemon=True) for each in targets]
for thread in threads:
    thread.start()
until_blocked(*threads)
# A deadlock that may still end is one from now on.
from ropewalk import _ropewalk
_ropewalk.set_suspect_grace(0)
ready()
"""
