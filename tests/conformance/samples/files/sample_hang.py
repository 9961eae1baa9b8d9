"""Tests that hang when the replacement is in place, between two that do not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import unittest
from pathlib import Path

REPLACED = "ropewalk" in sys.modules
CHILD = """
import threading
def hang_in_the_child():
    threading.Event().wait()
hang_in_the_child()
"""


def hang_in_this_process() -> None:
    if os.environ.get("SAMPLE_PID_FILE"):
        Path(os.environ["SAMPLE_PID_FILE"]).write_text(str(os.getpid()), encoding="utf-8")
    threading.Event().wait()


class Hang(unittest.TestCase):
    def test_1_before(self) -> None:
        assert True

    def test_2_hangs(self) -> None:
        if REPLACED:
            other = threading.Thread(target=hang_in_this_process, daemon=True)
            other.start()
            other.join()

    def test_3_hangs_in_a_child(self) -> None:
        if REPLACED:
            command = [sys.executable, "-X", "faulthandler", "-c", CHILD]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr

    def test_4_after(self) -> None:
        assert True
