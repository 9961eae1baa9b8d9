"""Which line is said to have made a lock or queue."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.deadlock.programs import LIMIT, run
from tests.face.programs import environment

if TYPE_CHECKING:
    from pathlib import Path

_CONTEND = """\
import dataclasses, queue, threading
from concurrent.futures import ThreadPoolExecutor
from tests.traps.ways import until_blocked
def contend(lock):
    with lock:
        thread = threading.Thread(target=lambda: lock.acquire() and lock.release())
        thread.start()
        until_blocked(thread)
    thread.join()
"""


def locks(path: Path) -> list[dict[str, Any]]:
    """What the report says of locks, which must be all that was waited for."""
    report = json.loads(path.read_text())
    found = [each for each in report["things"] if each["kind"] == "Lock"]
    [waited] = [each["waits"] for each in report["waited"] if each["kind"] == "Lock"]
    assert sum(each["waits"]["number"] for each in found) == waited
    return found


def test_what_a_thread_of_a_pool_makes_is_the_programs(tmp_path: Path) -> None:
    text = """
with ThreadPoolExecutor(1) as pool:
    contend(pool.submit(threading.Lock).result())
"""
    path, trace = tmp_path / "report.json", tmp_path / "out.json"
    done = run(tmp_path, _CONTEND + text, f"--report={path}", f"--trace={trace}")
    assert (done.returncode, done.stderr) == (0, "")
    [lock] = locks(path)
    assert "futures/thread.py:" in lock["made_at"]
    assert "of ropewalk" not in trace.read_text()


_CLASSES = """
@dataclasses.dataclass
class First:
    lock: object = dataclasses.field(default_factory=threading.Lock)
@dataclasses.dataclass
class Second(First):
    pass
def first():
    return First()
contend(first().lock)
contend(Second().lock)
"""


def test_what_a_dataclass_makes_is_made_where_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    done = run(tmp_path, _CONTEND + _CLASSES, f"--report={path}")
    assert (done.returncode, done.stderr) == (0, "")
    lines = (_CONTEND + _CLASSES).splitlines()
    expected = {lines.index("    return First()") + 1, lines.index("contend(Second().lock)") + 1}
    made_at = {each["made_at"].rpartition("/")[2] for each in locks(path)}
    assert made_at == {f"program.py:{line}" for line in expected}


def test_a_program_that_is_a_text_has_lines_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    text = _CONTEND + "class Own:\n  def __init__(self):\n    self.lock = threading.Lock()\n"
    command = [sys.executable, "-m", "ropewalk", "run", f"--report={path}", "-c"]
    done = subprocess.run(
        [*command, text + "contend(Own().lock)"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=environment(PYTHONPATH="."),
    )
    assert (done.returncode, done.stderr) == (0, "")
    [lock] = locks(path)
    assert lock["made_at"] == f"<string>:{text.count(chr(10))}"
