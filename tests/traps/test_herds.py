"""Many threads that are woken at once: a few are, and each wakes the next; nobody is forgotten."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from tests.traps.programs import succeeds

_HERD = """
MANY = 200
started, ended = [], []

def herd(wait, work=lambda: None, many=MANY, blocked=True):
    def run():
        started.append(1)
        wait()
        work()
        ended.append(1)
    threads = [threading.Thread(target=run) for _ in range(many)]
    for thread in threads:
        thread.start()
    if blocked:
        until_blocked(*threads)
    return threads

def all_end(threads):
    for thread in threads:
        thread.join(LIMIT)
    assert len(ended) == len(threads), (len(ended), len(threads))
"""

# What all of them wait for, and what lets them go.
WAYS = {
    "event": ("it = threading.Event()", "it.wait", "it.set()"),
    "semaphore": ("it = threading.Semaphore(0)", "it.acquire", "it.release(MANY)"),
    "condition": (
        "it = threading.Condition()",
        "lambda: it.__enter__() and (it.wait(), it.release())",
        "it.acquire(); it.notify_all(); it.release()",
    ),
    "barrier": ("it = threading.Barrier(MANY + 1)", "it.wait", "it.wait()"),
    "future": ("it = concurrent.futures.Future()", "it.result", "it.set_result(1)"),
    "thread": (
        "go = threading.Event(); it = threading.Thread(target=go.wait); it.start()",
        "it.join",
        "go.set()",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_one_of_a_herd_goes_on(way: str) -> None:
    make, wait, wake = WAYS[way]
    program = f"""
    import concurrent.futures
    {make}
    threads = herd({wait})
    {wake}
    all_end(threads)
    """
    succeeds(_HERD + dedent(program))


def test_they_need_not_end_for_the_next_one_to_be_woken() -> None:
    """Each computes until all of them do."""
    program = """
    go = threading.Event()
    awake = []
    def compute():
        awake.append(1)
        while len(awake) < 100:
            pass
    threads = herd(go.wait, compute, 100)
    go.set()
    all_end(threads)
    """
    succeeds(_HERD + dedent(program))


def test_a_waker_that_computes_does_not_keep_them_from_running() -> None:
    program = """
    go = threading.Event()
    threads = herd(go.wait)
    go.set()
    while len(ended) < MANY:
        pass
    all_end(threads)
    """
    succeeds(_HERD + dedent(program))


def test_those_who_give_up_meanwhile_keep_nobody_from_being_woken() -> None:
    program = """
    for _ in range(20):
        ended.clear()
        go = threading.Event()
        threads = herd(lambda: go.wait(0.05), many=60, blocked=False)
        time.sleep(0.045)
        go.set()
        all_end(threads)
    """
    succeeds(_HERD + dedent(program))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_in_the_middle_of_it() -> None:
    """In the parent all go on; the child has a herd of its own."""
    program = """
    go = threading.Event()
    threads = herd(go.wait)
    go.set()
    child = os.fork()
    if child == 0:
        ended.clear()
        again = threading.Event()
        others = herd(again.wait, many=50)
        again.set()
        all_end(others)
        os._exit(7)
    all_end(threads)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    """
    succeeds(_HERD + dedent(program))


def test_daemon_threads_of_a_herd_at_the_exit() -> None:
    program = """
    go = threading.Event()
    for _ in range(100):
        threading.Thread(target=lambda: (go.wait(), time.sleep(60)), daemon=True).start()
    go.set()
    """
    for _ in range(10):
        succeeds(_HERD + dedent(program))
