"""The alarm of the pytest plugin: it goes off in a test that takes too long, again and again.

There is one SIGALRM and one timer for everybody. So what others have set, pytest-timeout above all,
is kept: their handler is called when their time comes, and they get back what is left of it.
"""

from __future__ import annotations

import math
import signal
import time

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

# A test that goes on after its failure, as one may whose cleanup waits, fails again after as long
# as its limit, but not sooner than this.
_AGAIN = 1.0
# Pytest's own code between a test's pieces, where an exception would end more than the test; the
# test itself is never there for long.
_NOT_IN = ("pluggy", "_pytest.runner", "ropewalk._pytest")
_SOON = 0.01
# More than this `setitimer` need not take.
_MOST = 1e8


def is_pytest_timeouts(handler: object) -> bool:
    """Whether a handler is that of pytest-timeout: it ends a test, and helps no thread in it."""
    return callable(handler) and getattr(handler, "__module__", "") == "pytest_timeout"


class Alarm:
    """A handler of SIGALRM for as long as a piece of a test runs: its setup, call or teardown.

    Args:
        limit: the seconds that the whole test may take.
        left: those that are left of them; `math.inf` for no limit.
        who_waits: tells who waits for what.
    """

    def __init__(self, limit: float, left: float, who_waits: Callable[[], str]) -> None:
        self._limit = limit
        self._who_waits = who_waits
        self._over = False
        self._due = time.monotonic() + left
        self._set_to = 0.0
        self._theirs_due = math.inf
        self._theirs_again = 0.0
        self._before: Any = None
        self.failure = ""

    def __enter__(self) -> Alarm:
        self._before = signal.getsignal(signal.SIGALRM)
        if not callable(self._before) or is_pytest_timeouts(self._before):
            # The detector then knows that this is no handler of the program's, which could help it.
            self._ropewalk_watchdog = True
        left, self._theirs_again = signal.setitimer(signal.ITIMER_REAL, 0)
        if left > 0:
            self._theirs_due = time.monotonic() + left
        signal.signal(signal.SIGALRM, self)
        self._set()
        return self

    def __exit__(self, *_: object) -> None:
        # First: an alarm that comes now must not set the next one.
        self._over = True
        handler = signal.getsignal(signal.SIGALRM)
        if not isinstance(handler, Alarm):
            # The test's own, which is to stay, as is its timer, but not ours.
            if (
                abs(signal.getitimer(signal.ITIMER_REAL)[0] - (self._set_to - time.monotonic()))
                < 0.005
            ):
                signal.setitimer(signal.ITIMER_REAL, 0)
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        # Also the one of an earlier piece, which the test has found there and has restored.
        while isinstance(handler, Alarm) and handler._over:
            handler = handler._before
        signal.signal(signal.SIGALRM, handler)
        if self._theirs_due < math.inf:
            left = max(self._theirs_due - time.monotonic(), _SOON)
            signal.setitimer(signal.ITIMER_REAL, left, self._theirs_again)

    @property
    def left(self) -> float:
        """The seconds until it goes off."""
        return max(self._due - time.monotonic(), _SOON)

    def _set(self, at_least: float = 1e-6) -> None:
        left = min(self._due, self._theirs_due) - time.monotonic()
        left = 0.0 if left == math.inf else min(max(left, at_least), _MOST)
        self._set_to = time.monotonic() + left
        signal.setitimer(signal.ITIMER_REAL, left)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        now = time.monotonic()
        is_ours = self._due <= now
        if is_ours and frame and frame.f_globals.get("__name__", "").startswith(_NOT_IN):
            self._set(_SOON)
        elif is_ours:
            try:
                waits = self._who_waits()
            finally:
                self._due = time.monotonic() + max(self._limit, _AGAIN)
                self._set()
            goes_on = ", and goes on" if self.failure else ""
            text = f"the test took longer than {self._limit:g} s{goes_on}\n{waits}"
            self.failure = self.failure or text
            pytest.fail(text, pytrace=False)
        else:
            # Theirs, or one that somebody has sent.
            if self._theirs_due <= now:
                again = self._theirs_again
                self._theirs_due = self._theirs_due + again if again else math.inf
            self._set()
            if callable(self._before):
                self._before(number, frame)
