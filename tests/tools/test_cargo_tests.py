"""`cargo test` succeeds when nothing is left to run: tools/cargo_tests.py must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSES = "#[test] fn passes() {}\n"
FAILS = '#[test] fn fails() { panic!("on purpose") }\n'


@pytest.mark.parametrize(
    ("source", "arguments", "status", "last_line"),
    [
        (PASSES, [], 0, "cargo test --lib: 1 passed, 0 failed"),
        (PASSES, ["other_name"], 1, "no test was run: cargo test --lib other_name"),
        ("", [], 1, "no test was run: cargo test --lib"),
        (PASSES + FAILS, [], 1, "failed with exit status 101: cargo test --lib"),
        ("fn {", [], 1, "failed with exit status 101: cargo test --lib"),
    ],
    ids=["passes", "filtered out", "no test", "fails", "does not compile"],
)
def test_it_passes_only_if_tests_ran_and_passed(
    tmp_path: Path, source: str, arguments: list[str], status: int, last_line: str
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "lib.rs").write_text(source)
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "some"\nedition = "2024"\n')
    done = subprocess.run(
        [sys.executable, "-m", "tools.cargo_tests", "--lib", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == last_line
