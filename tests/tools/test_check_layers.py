"""The layer check must find what it is for: each rule is broken in a made-up tree."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from tools.check_layers import RULES, check, check_dependencies, main

if TYPE_CHECKING:
    from pathlib import Path

CORE = "crates/ropewalk/src/"
FACE = "crates/ropewalk-py/src/"
FORBID = "#![forbid(unsafe_code)]\n"
SOUND = {
    CORE + "lib.rs": "mod platform;\npub mod wait;\npub mod sync;\n",
    CORE + "platform/mod.rs": "use std::sync::Mutex;\npub fn now() { unsafe { call() } }\n",
    CORE + "wait/mod.rs": "use crate::platform::now;\npub struct WaitQueue;\n",
    CORE + "sched/mod.rs": FORBID + "use crate::wait::Sched;\nmod os;\n",
    CORE + "sched/os.rs": "fn sleep(parker: &Parker) { parker.park(None) }\n",
    CORE + "sync/mod.rs": FORBID + "mod lock;\n",
    CORE + "sync/lock.rs": "use std::sync::Arc;\nuse crate::wait::WaitQueue;\n",
    FACE + "lib.rs": "mod host;\nmod lock;\n",
    FACE + "host.rs": "fn f(py: Python<'_>) { py.detach(|| unsafe { call() }) }\n",
    FACE + "lock.rs": FORBID + "use ropewalk::sync::Lock;\n",
}


def violations(root: Path, files: dict[str, str]) -> list[str]:
    """Writes the sound tree with `files` put into it and checks it by the project's own rules."""
    for name, text in (SOUND | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    rules = tomllib.loads(RULES.read_text()) | {"exception": []}
    checked, found = check(root, rules)
    assert checked > 0
    return found


def test_a_sound_tree_has_no_violation(tmp_path: Path) -> None:
    assert violations(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("place", "code", "message"),
    [
        ("wait/a.rs", "use crate::sync::Lock;", "uses `crate::sync::Lock`"),
        ("wait/a.rs", "fn f() { crate::sched::OS.wake() }", "uses `crate::sched::OS`"),
        ("sched/a.rs", "use crate::watch::Trace;", "uses `crate::watch::Trace`"),
        ("platform/a.rs", "use super::super::wait::WaitQueue;", "uses `crate::wait::WaitQueue`"),
        ("sync/a.rs", "use crate::{wait::park, queue::Queue as Q};", "uses `crate::queue::Queue`"),
        ("sync/a.rs", "mod b { use super::super::super::queue; }", "uses `crate::queue`"),
        ("sync/a.rs", "use crate::Lock;", "name it through its module"),
        ("sync/a.rs", "use crate::*;", "name it through its module"),
        ("other/a.rs", "", "has no rank"),
        ("sync/a.rs", "fn f() { unsafe { g() } }", "`unsafe` outside"),
        ("queue/mod.rs", "//! #![forbid(unsafe_code)]", "says `#![forbid(unsafe_code)]`"),
        ("sync/a.rs", "use std::sync::{Arc, Mutex};", "`std::sync::Mutex` is not for this place"),
        ("sync/a.rs", "use std::sync::*;", "`std::sync::*` is not for this place"),
        ("sync/a.rs", "type M = core::sync::atomic::AtomicU8;", "`std::sync::atomic::AtomicU8`"),
        ("sync/a.rs", "use std::thread;\nfn f() { thread::sleep(d) }", "`std::thread::sleep`"),
        ("sync/a.rs", "use std::thread as t;\nfn f() { t::park() }", "`std::thread::park`"),
        ("sync/a.rs", "use std::{thread::{self, sleep}};", "`std::thread::sleep`"),
        ("sync/a.rs", "fn f() { parker.park(None) }", "`.park` is not for this place"),
        ("wait/a.rs", "use crate::platform::wait;", "`crate::platform::wait` is not"),
        (
            "wait/a.rs",
            "use crate::platform;\nfn f() { platform::wait(w) }",
            "`crate::platform::wait`",
        ),
        (
            "queue/a.rs",
            "fn f() { let t = std::time::Instant::now(); }",
            "`std::time::Instant::now`",
        ),
    ],
)
def test_a_violation_in_the_core_is_found(
    tmp_path: Path, place: str, code: str, message: str
) -> None:
    found = violations(tmp_path, {CORE + place: f"{code}\n"})
    assert all(it.startswith(f"{CORE}{place}:") for it in found)
    assert any(message in it for it in found)


@pytest.mark.parametrize(
    ("place", "code", "message"),
    [
        ("lock.rs", "fn f() { unsafe { g() } }", "`unsafe` outside"),
        ("queue.rs", "fn f() {}", "says `#![forbid(unsafe_code)]`"),
        ("lock.rs", FORBID + "use std::sync::Mutex;", "`std::sync::Mutex`"),
        ("lock.rs", FORBID + "fn f() { py.detach(|| ()) }", "`.detach` is not for this place"),
        (
            "lock.rs",
            FORBID + "fn f() { Python::attach(g) }",
            "`Python::attach` is not for this place",
        ),
    ],
)
def test_a_violation_in_the_face_is_found(
    tmp_path: Path, place: str, code: str, message: str
) -> None:
    found = violations(tmp_path, {FACE + place: f"{code}\n"})
    assert any(it.startswith(f"{FACE}{place}:") and message in it for it in found)


@pytest.mark.parametrize(
    "code",
    [
        "// use crate::queue::Queue; unsafe",
        "/* unsafe /* nested */ crate::queue::Queue */",
        'const A: &str = "unsafe { crate::queue::Queue }";',
        'const A: &str = r#"a " unsafe crate::queue::Queue"#;',
        "const A: (char, char, &'static u8) = ('\"', '\\'', &0);",
        "#[cfg(test)]\nmod tests { use std::sync::Mutex; fn f() { unsafe { g() } } }",
        "pub(crate) fn f() {}\npub(super) use self::b::c;\nmod b { pub use super::d::c; }",
        "use std::thread;\nfn f() { thread::spawn(g).join() }",
        "use super::lock::Lock;",
    ],
)
def test_what_only_looks_like_a_violation_is_none(tmp_path: Path, code: str) -> None:
    assert violations(tmp_path, {CORE + "sync/a.rs": f"{code}\n"}) == []


def test_files_of_tests_are_left_out_and_others_are_not(tmp_path: Path) -> None:
    use = "use std::sync::Mutex;\n"
    declared = FORBID + "#[cfg(all(test, not_loom))]\nmod tests;\n#[cfg(windows)]\nmod other;\n"
    files = {CORE + "queue/mod.rs": declared}
    files |= {CORE + f"queue/{name}.rs": use for name in ("tests", "other")}
    found = violations(tmp_path, files)
    assert [it.partition(":")[0] for it in found] == [CORE + "queue/other.rs"]


def test_long_files_are_found_whatever_they_are_written_in(tmp_path: Path) -> None:
    files = {"python/a.py": "\n" * 601, "python/b.py": "\n" * 600, "target/c.py": "\n" * 601}
    assert violations(tmp_path, files) == [
        "python/a.py:601: 601 lines, more than 600: split it by what it does"
    ]


def test_an_exception_holds_for_its_file_and_must_be_needed(tmp_path: Path) -> None:
    used = CORE + "sync/a.rs"
    code = "use std::sync::OnceLock;\nuse crate::queue::Queue;\nuse crate::time::Timer;\n"
    violations(tmp_path, {used: code, CORE + "sync/b.rs": ""})
    rules = tomllib.loads(RULES.read_text())
    rules["exception"] = [
        {"file": used, "what": ["std::sync::OnceLock", "crate::queue"]},
        {"file": CORE + "sync/b.rs", "what": ["std::sync::OnceLock"]},
    ]
    _, found = check(tmp_path, rules)
    assert found == [
        f"{used}:3: `sync` (rank 3) uses `crate::time::Timer` (rank 3)",
        f"{CORE}sync/b.rs:1: `std::sync::OnceLock` is not used here any more:"
        " remove it from tools/layers.toml",
    ]


def test_an_item_is_reported_once_for_each_file(tmp_path: Path) -> None:
    code = "use std::sync::atomic::{AtomicU8, Ordering};\nfn f() { X.load(Ordering::Relaxed) }\n"
    (found,) = violations(tmp_path, {CORE + "sync/a.rs": code})
    assert found.startswith(f"{CORE}sync/a.rs:1: `std::sync::atomic::AtomicU8`")


def test_a_tree_without_sources_fails(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no Rust source"):
        main(tmp_path)


def test_python_in_the_dependency_tree_is_found(tmp_path: Path) -> None:
    for name, more in (("ropewalk", '[dependencies]\npyo3 = { path = "../pyo3" }\n'), ("pyo3", "")):
        source = tmp_path / name / "src" / "lib.rs"
        source.parent.mkdir(parents=True)
        source.touch()
        package = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2024"\n'
        (tmp_path / name / "Cargo.toml").write_text(package + more)
    root = tmp_path / "ropewalk"
    lock = 'version = 4\n[[package]]\nname = "pyo3"\nversion = "0.1.0"\n'
    lock += '[[package]]\nname = "ropewalk"\nversion = "0.1.0"\ndependencies = ["pyo3"]\n'
    (root / "Cargo.lock").write_text(lock)
    assert list(check_dependencies(root, "ropewalk", ["pyo3"])) == [
        "the crate ropewalk depends on pyo3"
    ]
    assert list(check_dependencies(root, "ropewalk", ["other"])) == []
    (missing,) = check_dependencies(root, "no-such-crate", ["pyo3"])
    assert missing.startswith("cargo tree gave no answer for no-such-crate")
