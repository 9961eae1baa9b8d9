"""The project's virtual environments: `.venv`, and `.venvs/X.Y` for the other interpreters."""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Environment:
    """One virtual environment; `name` is the version of its interpreter, such as `3.13`."""

    name: str
    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def read_stamp(self, step: str) -> str | None:
        """What `write_stamp` left for `step`, or `None`."""
        try:
            return self._stamp(step).read_text()
        except FileNotFoundError:
            return None

    def write_stamp(self, step: str, content: str) -> None:
        """Notes that `step` was done for `content`, so that it need not be done again."""
        self._stamp(step).write_text(content)

    def drop_stamp(self, step: str) -> None:
        """To be called before `step` begins: one that is cut short has then not been done."""
        self._stamp(step).unlink(missing_ok=True)

    def _stamp(self, step: str) -> Path:
        return self.path / f"ropewalk-{step}.stamp"


def default_path() -> Path:
    return ROOT / ".venv"


def other_path(name: str) -> Path:
    return ROOT / ".venvs" / name


def existing() -> list[Environment]:
    """The environments that `make setup` has made, `.venv` first."""
    paths = [default_path(), *sorted((ROOT / ".venvs").glob("*"))]
    stamped = [Environment("", path) for path in paths]
    return [
        Environment(json.loads(stamp)["name"], environment.path)
        for environment in stamped
        if (stamp := environment.read_stamp("setup"))
    ]


def run(command: Sequence[str | Path], env: dict[str, str] | None = None) -> None:
    """Runs a command in the project's folder; if it fails, shows its output and ends."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout, end="", flush=True)
        sys.exit(f"failed with exit status {done.returncode}: {' '.join(map(str, command))}")


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Waits for any other setup or build in this folder, which would write the same files."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
