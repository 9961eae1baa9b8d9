"""Who runs after a wake: the waker, until it lets go of the GIL, as programs are used to."""

from __future__ import annotations

import pytest

from tests.traps.programs import succeeds

# How the main thread wakes a thread that waits for it.
WAKES = {
    "event": ("it = threading.Event()", "it.wait()", "it.set()"),
    "semaphore": ("it = threading.Semaphore(0)", "it.acquire()", "it.release()"),
    "lock": ("it = threading.Lock(); it.acquire()", "it.acquire()", "it.release()"),
    "queue": ("it = queue.Queue()", "it.get()", "it.put(1)"),
    "simple queue": ("it = queue.SimpleQueue()", "it.get()", "it.put(1)"),
    "condition": (
        "it = threading.Condition()",
        "it.acquire(); it.wait(); it.release()",
        "it.acquire(); it.notify(); it.release()",
    ),
}


@pytest.mark.parametrize("habit", [False, True], ids=["at first", "after many turns"])
@pytest.mark.parametrize("wake", WAKES)
def test_the_line_after_a_wake_runs_before_the_woken_thread(wake: str, habit: bool) -> None:
    make, wait, wakes = WAKES[wake]
    succeeds(
        f"""
import queue, sys, threading
from tests.traps.ways import until_blocked
# Nobody asks for the GIL before the waker has let go of it.
sys.setswitchinterval(60)
# A habit: this thread sleeps after each of its wakes.
ping, pong = threading.Semaphore(0), threading.Semaphore(0)
def partner():
    while True:
        ping.acquire()
        pong.release()
threading.Thread(target=partner, daemon=True).start()
{make}
line = []
def waiter():
    {wait}
    line.append("woken")
waiting = threading.Thread(target=waiter)
waiting.start()
until_blocked(waiting)
for _ in range(100 if {habit} else 0):
    ping.release()
    pong.acquire()
{wakes}
line.append("waker")
waiting.join()
assert line == ["waker", "woken"], line
"""
    )


@pytest.mark.parametrize("instead", ["os.read(ours, 1)", "select.select([ours], [], [])"])
def test_a_waker_that_sleeps_elsewhere_keeps_nobody_waiting(instead: str) -> None:
    """Its wakes were each followed by a sleep in the runtime; this one is not."""
    succeeds(
        f"""
import os, select, threading
ping, pong = threading.Semaphore(0), threading.Semaphore(0)
ours, theirs = os.pipe()
def partner():
    for _ in range(20):
        for _ in range(100):
            ping.acquire()
            pong.release()
        ping.acquire()
        os.write(theirs, b"x")
other = threading.Thread(target=partner)
other.start()
for _ in range(20):
    for _ in range(100):
        ping.release()
        pong.acquire()
    ping.release()
    {instead}
    assert os.read(ours, 1) == b"x" if "select" in {instead!r} else True
other.join()
"""
    )


def test_wakes_in_the_child_of_a_fork() -> None:
    succeeds(
        """
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
def play():
    ping, pong = threading.Semaphore(0), threading.Semaphore(0)
    ours, theirs = os.pipe()
    def partner():
        for _ in range(100):
            ping.acquire()
            pong.release()
        ping.acquire()
        os.write(theirs, b"x")
    other = threading.Thread(target=partner)
    other.start()
    for _ in range(100):
        ping.release()
        pong.acquire()
    ping.release()
    assert os.read(ours, 1) == b"x"
    other.join()
play()
for _ in range(5):
    child = os.fork()
    if child == 0:
        play()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    play()
"""
    )


def test_a_woken_thread_has_the_lock_before_it_has_the_gil() -> None:
    """Or it would be overtaken by all that have the GIL."""
    succeeds(
        """
import sys, threading, time
from tests.traps.ways import until_blocked
sys.setswitchinterval(60)
lock = threading.Lock()
lock.acquire()
waiting = threading.Thread(target=lock.acquire)
waiting.start()
until_blocked(waiting)
lock.release()
# This thread keeps the GIL.
limit = time.monotonic() + 30
while not lock.locked() and time.monotonic() < limit:
    pass
assert lock.locked()
waiting.join()
"""
    )
