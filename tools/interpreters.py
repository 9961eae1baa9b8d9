"""Finds the Python interpreters of this machine that Ropewalk can be built for.

A name on PATH proves nothing: it may be a version manager's shim for a version that is not
there. So every candidate is run once and asked what it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SUPPORTED = tuple((3, minor) for minor in range(11, 16))
PROBE_SECONDS = 20.0

# `ensurepip` and `venv` because some distributions leave them out: no environment without them.
# `_base_executable` leads from inside a virtual environment to the interpreter it was made with.
_PROBE = """
import ensurepip, json, sys, sysconfig, venv
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": sys.version_info[:2],
    "full": sys.version.split()[0],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "path": getattr(sys, "_base_executable", None) or sys.executable,
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that ran: `name` is `3.13`, or `3.13t` for a free-threaded build."""

    version: tuple[int, int]
    full_version: str
    free_threaded: bool
    path: Path

    @property
    def name(self) -> str:
        major, minor = self.version
        return f"{major}.{minor}{'t' if self.free_threaded else ''}"


def probe(candidate: Path) -> Interpreter | None:
    """Runs `candidate`; `None` if it does not run, is no CPython or is not a supported version."""
    try:
        # -S and not -I: a site-packages that is broken must not hide a sound interpreter, and
        # pyenv's shims need the environment.
        done = subprocess.run(
            [candidate, "-S", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        facts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    version = (facts["version"][0], facts["version"][1])
    if facts["implementation"] != "cpython" or version not in SUPPORTED:
        return None
    return Interpreter(version, facts["full"], facts["free_threaded"], Path(facts["path"]))


def candidates(search_path: str, pyenv_root: Path) -> Iterator[tuple[str, Path]]:
    """Everything that is named like a supported interpreter: the version and the file."""
    folders = [Path(folder) for folder in search_path.split(os.pathsep) if folder]
    folders += sorted(pyenv_root.glob("versions/*/bin"))
    for suffix in ("", "t"):
        for major, minor in SUPPORTED:
            name = f"{major}.{minor}{suffix}"
            for folder in folders:
                if os.access(folder / f"python{name}", os.X_OK):
                    yield name, folder / f"python{name}"


def first_of_each(
    named: Iterable[tuple[str, Path]], ask: Callable[[Path], Interpreter | None] = probe
) -> list[Interpreter]:
    """The first that works of each version: with a GIL before free-threaded, then by version.

    A file that does not run, or is not what its name says, makes room for the next one.
    """
    found: dict[str, Interpreter] = {}
    for name, path in named:
        if name not in found and (interpreter := ask(path)) and interpreter.name == name:
            found[name] = interpreter
    return sorted(found.values(), key=lambda it: (it.free_threaded, it.version))


def find() -> list[Interpreter]:
    """The interpreters of this machine, one for each minor version."""
    pyenv_root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = first_of_each(candidates(os.environ.get("PATH", os.defpath), pyenv_root))
    own = probe(Path(sys.executable))
    if own and own.name not in {interpreter.name for interpreter in found}:
        found.append(own)
    return found


if __name__ == "__main__":
    for interpreter in find():
        print(f"{interpreter.name:6} {interpreter.full_version:10} {interpreter.path}")
