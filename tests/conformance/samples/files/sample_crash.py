"""A test that kills the process when the replacement is in place, and an exit that goes wrong."""

from __future__ import annotations

import atexit
import os
import sys
import unittest

REPLACED = "ropewalk" in sys.modules


class Crash(unittest.TestCase):
    def test_1_crashes(self) -> None:
        if REPLACED:
            os.abort()

    def test_2_after(self) -> None:
        assert True

    def test_3_spoils_the_exit(self) -> None:
        if REPLACED:
            atexit.register(os._exit, 3)
