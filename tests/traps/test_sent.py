"""Exceptions that a thread sends to another one, `PyThreadState_SetAsyncExc`, while that waits."""

from __future__ import annotations

import pytest

from tests.traps.programs import succeeds

_SEND = """
import concurrent.futures, ctypes
class Kill(BaseException): pass

def send(thread):
    ident, kill = ctypes.c_ulong(thread.ident), ctypes.py_object(Kill)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, kill) == 1

def killed_while(wait, then):
    seen = []
    def run():
        try:
            seen.append(wait())
        except Kill:
            seen.append("killed")
        except BaseException as error:
            # It would come in here, where nobody expects it.
            seen.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    until_blocked(thread)
    send(thread)
    then()
    thread.join(LIMIT)
    assert seen == ["killed"], seen
"""

GIVEN = {
    "queue": "it = queue.Queue(); killed_while(it.get, lambda: it.put(1)); assert it.get() == 1",
    "priority queue": """
it = queue.PriorityQueue(); killed_while(it.get, lambda: it.put(1)); assert it.get() == 1
""",
    "simple queue": """
it = queue.SimpleQueue(); killed_while(it.get, lambda: it.put(1)); assert it.get() == 1
""",
    "place": """
it = queue.Queue(1); it.put(0)
killed_while(lambda: it.put(1), it.get)
assert it.qsize() == 0
""",
    "semaphore": """
it = threading.Semaphore(0)
killed_while(it.acquire, it.release)
assert it.acquire(timeout=LIMIT)
""",
    "the next one's": """
it, got = queue.Queue(), []
other = threading.Thread(target=lambda: got.append(it.get()))
def then():
    other.start()
    until_blocked(other)
    it.put(1)
killed_while(it.get, then)
other.join(LIMIT)
assert got == [1]
""",
}


@pytest.mark.parametrize("what", GIVEN)
def test_what_it_would_have_been_given_is_not_lost(what: str) -> None:
    succeeds(_SEND + GIVEN[what])


TIMED = {
    "queue": "queue.Queue().get",
    "semaphore": "threading.Semaphore(0).acquire",
    "event": "threading.Event().wait",
    "future": "concurrent.futures.Future().result",
    "barrier": "threading.Barrier(2).wait",
}


@pytest.mark.parametrize("what", TIMED)
def test_it_is_raised_in_the_call_whose_time_is_up(what: str) -> None:
    succeeds(_SEND + f"killed_while(lambda: {TIMED[what]}(timeout=0.3), int)")
