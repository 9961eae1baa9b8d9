"""`make setup`: a virtual environment for each interpreter, with what the tests need.

    python -m tools.setup_env [--default-only]

`.venv` is made with the interpreter that runs this program and gets the tools of the developer
as well; `.venvs/X.Y` are for the others. Does nothing for an environment that is up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tools import interpreters
from tools.environments import ROOT, Environment, default_path, only_one, other_path, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.interpreters import Interpreter


def requirements(extras: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """What an extra asks for; `ropewalk[other]` stands for what the extra `other` asks for."""
    flat: list[str] = []
    for requirement in extras[name]:
        other = re.fullmatch(r"ropewalk\[(\w+)\]", requirement)
        flat += requirements(extras, other[1]) if other else [requirement]
    return flat


def set_up(path: Path, interpreter: Interpreter, packages: list[str]) -> None:
    """Makes the environment if it is not there or is for something else."""
    environment = Environment(interpreter.name, path)
    # The scripts in an environment hold its absolute path: a folder that was moved needs new ones.
    wanted = json.dumps(
        {
            "name": interpreter.name,
            "version": interpreter.full_version,
            "path": str(path),
            "packages": packages,
        }
    )
    if environment.read_stamp("setup") == wanted:
        return
    print(f"making {path.relative_to(ROOT)} with Python {interpreter.full_version}", flush=True)
    shutil.rmtree(path, ignore_errors=True)
    run([interpreter.path, "-m", "venv", path])
    pip: list[str | Path] = [environment.python, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", *packages])
    environment.write_stamp("setup", wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--default-only", action="store_true", help="make .venv and no other")
    options = parser.parse_args()
    own = interpreters.probe(Path(sys.executable))
    if own is None:
        sys.exit(f"{sys.executable} cannot be used: it must be CPython 3.11 to 3.15 with venv")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    with only_one():
        set_up(default_path(), own, requirements(extras, "dev"))
        if not options.default_only:
            for interpreter in interpreters.find():
                if interpreter.name != own.name:
                    packages = requirements(extras, "test")
                    set_up(other_path(interpreter.name), interpreter, packages)


if __name__ == "__main__":
    main()
