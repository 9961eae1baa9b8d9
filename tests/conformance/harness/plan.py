"""Which of CPython's test files are run, and which of their modules an interpreter has."""

from __future__ import annotations

import json
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.environments import version_number
from harness.process import clean_environment

if TYPE_CHECKING:
    from harness.environments import Environment

PLAN: Final = Path(__file__).resolve().parent.parent / "plan.toml"

# A name that is a package stands for its test modules, so that each runs in its own process.
_ASK: Final = """
import importlib.util, json, pkgutil, sys, unittest
request = json.load(sys.stdin)
sys.path.extend(request["tests_from"])
answer = {}
for name in request["names"]:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    except unittest.SkipTest:  # its package says so when it is imported; running it says why
        answer[name] = [name]
        continue
    if spec is None:
        answer[name] = []
    elif spec.submodule_search_locations:
        found = pkgutil.iter_modules(spec.submodule_search_locations)
        modules = [module.name for module in found if module.name.startswith("test_")]
        answer[name] = [f"{name}.{module}" for module in modules]
    else:
        answer[name] = [name]
print(json.dumps(answer))
"""


@dataclass(frozen=True)
class TestFile:
    """One file of CPython's tests, under the name that CPython's own test runner takes."""

    __test__ = False

    name: str
    group: str
    quick: bool = False
    quick_modules: tuple[str, ...] = ()  # the modules of a package that are in the quick subset
    resources: tuple[str, ...] = ()
    until: str = ""  # the last version that has it: its subject was removed then
    leave_out: tuple[str, ...] = ()  # modules of a package that are not run here
    only: tuple[str, ...] = ()  # the modules of a package that are run; empty: all
    outside: str = ""  # the module, where it is not one of the package `test`

    @property
    def module(self) -> str:
        return self.outside or f"test.{self.name}"

    def applies_to(self, version: str) -> bool:
        return not self.until or version_number(version) <= version_number(self.until)


def load_plan(path: Path = PLAN) -> list[TestFile]:
    """Read the list of files."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    keys = {"name", "group", "quick", "quick_modules", "resources", "until", "leave_out", "outside"}
    files = []
    for entry in data["file"]:
        unknown = set(entry) - keys - {"why"}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise ValueError(f"{path.name}: {entry.get('name')}: unknown keys: {names}")
        lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
        files.append(TestFile(**{key: entry[key] for key in keys & set(entry)} | lists))
    return files


def quick_subset(files: list[TestFile]) -> list[TestFile]:
    """Return the files for a quick run, of packages only the modules that are quick."""
    return [replace(file, only=file.quick_modules) for file in files if file.quick]


def find_modules(
    environment: Environment, files: list[TestFile], tests_from: tuple[Path, ...] = ()
) -> dict[str, list[str]]:
    """Ask an interpreter which modules each file stands for; none: it does not have the file."""
    request = {
        "names": [file.module for file in files],
        "tests_from": [str(folder) for folder in tests_from],
    }
    done = subprocess.run(
        [environment.python, "-c", _ASK],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=clean_environment(tempfile.gettempdir()),
    )
    answer: dict[str, list[str]] = json.loads(
        done.stdout.splitlines()[-1]  # packages of tests may print when they are imported
    )
    found = {}
    for file in files:
        if answer[file.module] == [file.module]:  # a single module, in older versions of a package
            found[file.name] = answer[file.module]
            continue
        left_out = {f"{file.module}.{name}" for name in file.leave_out}
        only = {f"{file.module}.{name}" for name in file.only}
        found[file.name] = [
            name
            for name in answer[file.module]
            if name not in left_out and (not only or name in only)
        ]
    return found
