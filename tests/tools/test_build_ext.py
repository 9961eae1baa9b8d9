"""The extension is built again when, and only when, what it is made from has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.build_ext import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = [
    "Cargo.toml",
    "Cargo.lock",
    "pyproject.toml",
    "crates/ropewalk/Cargo.toml",
    "crates/ropewalk/src/sync/lock.rs",
    "crates/ropewalk-py/Cargo.toml",
    "crates/ropewalk-py/src/lib.rs",
    "python/ropewalk.data/platlib/ropewalk_run.pth",
]
OTHERS = ["python/ropewalk/threading.py", "crates/ropewalk/tests/stress.rs", "README.md"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in INPUTS + OTHERS:
        path = tmp_path / "a tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as it was")
    return tmp_path / "a tree"


@pytest.mark.parametrize("name", INPUTS)
def test_a_changed_input_is_seen(tree: Path, name: str) -> None:
    before = fingerprint(tree)
    assert fingerprint(tree) == before
    (tree / name).write_text("as it is")
    assert fingerprint(tree) != before


@pytest.mark.parametrize("name", OTHERS)
def test_what_the_extension_is_not_made_from_does_not_matter(tree: Path, name: str) -> None:
    before = fingerprint(tree)
    (tree / name).write_text("as it is")
    assert fingerprint(tree) == before


def test_a_new_and_a_moved_file_are_seen(tree: Path) -> None:
    before = fingerprint(tree)
    moved = tree / "crates/ropewalk/src/sync/lock.rs"
    moved.rename(moved.with_name("rlock.rs"))
    after = fingerprint(tree)
    (tree / "crates/ropewalk/src/sync/new.rs").touch()
    assert len({before, after, fingerprint(tree)}) == 3


def test_a_moved_folder_is_seen(tree: Path) -> None:
    """An editable install holds the absolute path."""
    before = fingerprint(tree)
    assert fingerprint(tree.rename(tree.with_name("elsewhere"))) != before


def test_other_flags_for_the_compiler_are_seen(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUSTFLAGS", raising=False)
    before = fingerprint(tree)
    monkeypatch.setenv("RUSTFLAGS", "-C target-cpu=native")
    assert fingerprint(tree) != before
