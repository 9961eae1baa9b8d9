"""Where Python may end a thread: see `host.rs` and `dealloc.rs` of the extension."""

from __future__ import annotations

import re
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "crates" / "ropewalk-py" / "src"
_CLASS = re.compile(r"#\[pyclass\(([^\]]*)\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub\S* )?struct (\w+)")


def test_the_end_of_each_class_with_attributes_or_weak_references_is_guarded() -> None:
    classes = [found for file in SOURCES.glob("*.rs") for found in _CLASS.findall(file.read_text())]
    wanted = {
        name for options, name in classes if re.search(r"\b(dict|weakref|extends)\b", options)
    }
    install = (SOURCES / "dealloc.rs").read_text().partition("guard_the_end_of!(\n")[2]
    guarded = set(re.findall(r"super::\w+::(\w+),", install.partition(");")[0]))
    assert len(wanted) > 10
    assert wanted == guarded
