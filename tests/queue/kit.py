"""What the tests of queues share."""

from __future__ import annotations

import sys
import threading as stdlib
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import ropewalk
from ropewalk import queue as ours
from ropewalk import threading

if TYPE_CHECKING:
    from collections.abc import Callable

# Longer than anything here takes: a hang is a failure and not a wait.
LIMIT = 30.0
# Short, for timeouts that are to pass.
SOON = 0.02
KINDS = ("Queue", "LifoQueue", "PriorityQueue")


def is_ours(queue: Any) -> bool:  # noqa: ANN401
    return isinstance(queue, (ours.Queue, ours.SimpleQueue))


class Started:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._future: Future[object] = Future()
        self._switches: tuple[str, float] = ("", 0.0)

        def run() -> None:
            try:
                self._future.set_result(call())
            except BaseException as error:
                self._future.set_exception(error)

        # Ours, so that a deadlock is told; a daemon, so that a failed test can end.
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def result(self) -> Any:  # noqa: ANN401
        return self._future.result(LIMIT)

    def done(self) -> bool:
        return self._future.done()

    def until_blocked(self, queue: Any) -> Started:  # noqa: ANN401
        """Wait until it is seen blocked in an operation on the queue."""
        end = time.monotonic() + LIMIT
        while not self._is_blocked(queue):
            assert time.monotonic() < end, "never blocked"
            assert not self.done(), f"did not block: {self._future}"
            time.sleep(0.0005)
        return self

    def _is_blocked(self, queue: Any) -> bool:  # noqa: ANN401
        ident = self.thread.ident
        if is_ours(queue):
            return ident in ropewalk.blocked_threads()
        frame = sys._current_frames().get(ident or 0)
        if frame is None:
            return False
        if frame.f_code in (stdlib.Condition.wait.__code__, stdlib.Semaphore.acquire.__code__):
            return True
        # CPython's C: its thread has not run for 20 ms.
        with open(f"/proc/self/task/{self.thread.native_id}/status") as status:
            switches = "".join(line for line in status if "ctxt_switches" in line)
        now = time.monotonic()
        if switches != self._switches[0]:
            self._switches = (switches, now)
        return now - self._switches[1] > 0.02
