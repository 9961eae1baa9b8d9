"""What the tests of futures share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import ropewalk
from ropewalk import threading

if TYPE_CHECKING:
    from collections.abc import Callable

# Longer than anything here takes: a hang is a failure and not a wait.
LIMIT = 30.0


def until(what: Callable[[], object], meaning: str) -> None:
    """Wait until it is so."""
    end = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < end, f"never {meaning}"
        time.sleep(0.0005)


class Started:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._outcome: list[object] = []
        self._error: list[BaseException] = []

        def run() -> None:
            try:
                self._outcome.append(call())
            except BaseException as error:
                self._error.append(error)

        # A daemon, so that a failed test can end.
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def result(self) -> object:
        """What it returned or raised."""
        self.thread.join(LIMIT)
        assert not self.thread.is_alive(), "it has not ended"
        if self._error:
            raise self._error[0]
        return self._outcome[0]

    def until_blocked(self) -> Started:
        """Wait until it is seen blocked in something of Ropewalk's."""
        until(lambda: self.thread.ident in ropewalk.blocked_threads(), "blocked")
        return self


class Gate:
    """A task that says that it runs and then waits to be let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, value: object = None) -> object:
        self.entered.release()
        assert self._open.wait(LIMIT)
        return value

    def open(self) -> None:
        """Let all go."""
        self._open.set()
