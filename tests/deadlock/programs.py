"""Programs that deadlock, or seem to, in processes of their own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.face.programs import environment

ROOT = Path(__file__).resolve().parents[2]
# What the stdlib turns into a hang must not be one: longer than anything here takes.
LIMIT = 60.0


def run(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program from a file, so that it has lines to be shown, under `ropewalk run`."""
    path = folder / "program.py"
    path.write_text(dedent(text).lstrip("\n"))
    return subprocess.run(
        [sys.executable, "-m", "ropewalk", "run", *options, path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT)),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def silent(folder: Path, text: str, *options: str) -> str:
    """What a program prints that must end well, without any report."""
    done = run(folder, text, *options)
    assert done.stderr == "", done.stderr
    assert done.returncode == 0
    return done.stdout


def plain(text: str) -> str:
    """A message without what differs between runs: folders, times, addresses, carets."""
    text = re.sub(r'[^\s"]*/program\.py', "program.py", text)
    text = re.sub(r"since \d+(\.\d+)? m?s", "since T", text)
    text = re.sub(r"0x[0-9a-f]+", "0xADDRESS", text)
    return "\n".join(line for line in text.split("\n") if not re.fullmatch(r"\s*[~^]+\s*", line))
