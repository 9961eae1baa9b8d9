"""Who looks at the program is shown the deadlocks that are told, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deadlock.programs import silent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", ["raise", "report", "off"])
def test_who_looks_runs_and_may_help(tmp_path: Path, mode: str) -> None:
    program = """
        import queue, threading
        from ropewalk import inspect
        from tests.traps.ways import until_blocked
        jobs = queue.Queue()
        getter = threading.Thread(target=jobs.get)
        getter.start()
        until_blocked(getter)
        print(inspect.find_deadlocks())
        jobs.put(1)
        getter.join()
        """
    assert silent(tmp_path, program, f"--deadlock={mode}") == "[]\n"
