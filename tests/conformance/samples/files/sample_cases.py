"""Tests whose outcomes are known, to see what the harness makes of them."""

from __future__ import annotations

import signal
import sys
import threading
import unittest

REPLACED = "ropewalk" in sys.modules


class Cases(unittest.TestCase):
    def test_passes(self) -> None:
        assert True

    def test_fails_replaced(self) -> None:
        assert not REPLACED, "the words of the failure"

    def test_fails_everywhere(self) -> None:
        raise AssertionError

    def test_fails_stock_only(self) -> None:
        assert REPLACED

    def test_skipped(self) -> None:
        self.skipTest("on both sides")

    @unittest.skip("on both sides")
    def test_skipped_by_decorator(self) -> None:
        raise AssertionError

    def test_skipped_replaced(self) -> None:
        if REPLACED:
            self.skipTest("on one side")

    def test_subtest_fails_replaced(self) -> None:
        for number in range(3):
            with self.subTest(number=number):
                assert not (REPLACED and number == 1)

    def test_leaves_something_replaced(self) -> None:
        support = sys.modules["test.support"]
        if REPLACED:
            support.environment_altered = True  # type: ignore[attr-defined]

    def test_thread_dies_replaced(self) -> None:
        dying = threading.Thread(target=divmod, args=(1, 0 if REPLACED else 1))
        dying.start()
        dying.join()

    def test_sigint_is_at_its_default(self) -> None:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class BrokenClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        assert not REPLACED

    def test_is_never_reached(self) -> None:
        assert not REPLACED


@unittest.skip("on both sides")
class SkippedClass(unittest.TestCase):
    def test_is_skipped(self) -> None:
        raise AssertionError
