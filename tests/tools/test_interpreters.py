"""Interpreters are found by running them: a name on PATH proves nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools.interpreters import Interpreter, candidates, first_of_each, probe
from tools.setup_env import requirements


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def made_up(version: tuple[int, int], path: str, free_threaded: bool = False) -> Interpreter:
    return Interpreter(version, "", free_threaded, Path(path))


def test_the_interpreter_of_this_test_works() -> None:
    found = probe(Path(sys.executable))
    assert found is not None
    assert found.version == sys.version_info[:2]
    assert found.path.exists()


@pytest.mark.parametrize(
    "body",
    [
        "echo 'pyenv: python3.12: command not found' >&2; exit 127",
        "echo not json",
        """echo '{"implementation": "cpython", "version": [3, 10]}'""",
        """echo '{"implementation": "pypy", "version": [3, 11]}'""",
    ],
    ids=["shim of nothing", "no interpreter", "too old", "not CPython"],
)
def test_what_cannot_be_used_is_not_an_interpreter(tmp_path: Path, body: str) -> None:
    assert probe(program(tmp_path / "python3.12", body)) is None


def test_a_missing_file_is_not_an_interpreter(tmp_path: Path) -> None:
    assert probe(tmp_path / "python3.12") is None


def test_candidates_are_on_the_path_and_then_in_pyenv(tmp_path: Path) -> None:
    on_path = program(tmp_path / "bin dir" / "python3.12", "")
    in_pyenv = program(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin" / "python3.12", "")
    program(tmp_path / "bin dir" / "python3.10", "")
    (tmp_path / "bin dir" / "python3.13").write_text("not executable")
    path = os.pathsep.join(["", str(on_path.parent), str(tmp_path / "nowhere")])
    found = list(candidates(path, tmp_path / "pyenv"))
    assert found == [("3.12", on_path), ("3.12", in_pyenv)]


def test_one_of_each_version_is_taken_and_the_next_one_if_the_first_does_not_run() -> None:
    works = {
        Path("a/3.11"): made_up((3, 11), "a/3.11"),
        Path("b/3.11"): made_up((3, 11), "b/3.11"),
        Path("b/3.12"): made_up((3, 12), "b/3.12"),
        Path("a/3.13t"): made_up((3, 13), "a/3.13t", free_threaded=True),
        # Says 3.14, but is not: the version that it is has been found already.
        Path("a/3.14"): made_up((3, 12), "a/3.14"),
    }
    names = ["a/3.13t", "a/3.11", "b/3.11", "a/3.12", "b/3.12", "a/3.14"]
    found = first_of_each(((name[2:], Path(name)) for name in names), works.get)
    assert [str(it.path) for it in found] == ["a/3.11", "b/3.12", "a/3.13t"]
    assert [it.name for it in found] == ["3.11", "3.12", "3.13t"]


def test_an_extra_may_include_another() -> None:
    extras = {"test": ["pytest>=9"], "dev": ["ropewalk[test]", "ruff"]}
    assert requirements(extras, "dev") == ["pytest>=9", "ruff"]
