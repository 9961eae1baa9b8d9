"""Find the interpreters of this machine, and the environments that have Ropewalk for them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 15)
BROKEN = "its Python does not run, or is of a version that is not supported"
_ASK = """
import sys, sysconfig
free_threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print("%d.%d%s" % (*sys.version_info[:2], free_threaded), sys.version.split()[0])
"""


@dataclass(frozen=True)
class Environment:
    """An interpreter that runs, and what is known of it."""

    python: Path
    version: str
    full_version: str
    problem: str = ""  # why it cannot be tested; empty when it can


def _ask(python: Path, *arguments: str) -> tuple[str | None, str]:
    """Run the interpreter; return its answer, or None and why there is none.

    That a file is there says little: a version manager's shim may refuse to run.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "ROPEWALK"))
    }
    try:
        done = subprocess.run(
            [python, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    if done.returncode != 0:
        return None, (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
    return done.stdout, ""


def _inspect(python: Path) -> Environment | None:
    """Return what the interpreter says of itself; None if it does not run or is too old or new."""
    answer, _ = _ask(python, "-c", _ASK)
    if answer is None:
        return None
    version, full = answer.splitlines()[0].split()
    return (
        Environment(python, version, full) if OLDEST <= version_number(version) <= NEWEST else None
    )


def version_number(version: str) -> tuple[int, ...]:
    """Return (3, 13) for `3.13` and for `3.13t`, to compare versions."""
    return tuple(map(int, version.rstrip("t").split(".")))


def _order(environment: Environment) -> tuple[int, ...]:
    return version_number(environment.version)


def find_environments(roots: list[Path]) -> list[Environment]:
    """Return one environment for each Python version, in order; `.venvs/X.Y` comes before `.venv`.

    `roots` are folders that hold `.venvs/*/bin/python` and `.venv/bin/python`. An environment that
    is there and lacks Ropewalk has a `problem`.
    """
    found: dict[str, Environment] = {}
    for root in roots:
        for python in [*sorted(root.glob(".venvs/*/bin/python")), root / ".venv/bin/python"]:
            environment = _inspect(python)
            if environment is None:
                # A folder that is called after a version was meant to be tested: tell.
                name = python.parent.parent.name
                if re.fullmatch(r"3\.\d+t?", name):
                    found[name] = Environment(python, name, name, BROKEN)
                continue
            if environment.version in found:
                continue
            answer, why = _ask(python, "-m", "ropewalk", "--version")
            if answer is None:
                problem = f"`python -m ropewalk --version` fails in it: {why}"
                environment = replace(environment, problem=problem)
            found[environment.version] = environment
    return sorted(found.values(), key=_order)


def find_bare_interpreters(tested: list[Environment]) -> list[Environment]:
    """Return interpreters that run but have no environment: to be told, not to be tested."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    known = {environment.version for environment in tested}
    bare: dict[str, Environment] = {}
    for folder in folders:
        if not folder.is_dir():
            continue
        for python in sorted(folder.iterdir()):
            if not re.fullmatch(r"python3\.\d+t?", python.name) or not os.access(python, os.X_OK):
                continue
            environment = _inspect(python)
            if environment is not None and environment.version not in known:
                bare.setdefault(environment.version, environment)
    return sorted(bare.values(), key=_order)
