"""Forks from a parent with threads: in the child, only the thread that forked is alive."""

from __future__ import annotations

import os
import textwrap

import pytest

from tests.face.programs import ROPEWALK, STOCK, succeeds

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

WAYS = {
    "run": (ROPEWALK, "import queue, threading\n"),
    "by name": (STOCK, "from ropewalk import queue, threading\n"),
}
BEGIN = """
import faulthandler, os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
faulthandler.dump_traceback_later(50, exit=True)
main = threading.main_thread()
release = threading.Event()
inside = threading.Barrier(4)
def live():
    inside.wait()
    release.wait()
others = [threading.Thread(target=live, name=f"other {n}", daemon=True) for n in range(3)]
for other in others:
    other.start()
inside.wait()
def fork(child):
    pid = os.fork()
    if pid == 0:
        try:
            child()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
"""
END = """
release.set()
for other in others:
    other.join()
    assert not other.is_alive()
assert threading.enumerate() == [main], threading.enumerate()
"""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], str]:
    return WAYS[request.param]


def run(way: tuple[tuple[str, ...], str], text: str) -> str:
    under, imports = way
    return succeeds(imports + BEGIN + textwrap.dedent(text) + END, under=under)


def test_the_child_of_the_main_thread(way: tuple[tuple[str, ...], str]) -> None:
    printed = run(
        way,
        """
        def child():
            assert threading.enumerate() == [main] and threading.main_thread() is main
            assert threading.current_thread() is main and main.is_alive()
            assert main.native_id == threading.get_native_id()
            for other in others:
                assert not other.is_alive() and "stopped" in repr(other)
                other.join()
            got = queue.Queue()
            t = threading.Thread(target=got.put, args=(5,))
            t.start(); t.join()
            timer = threading.Timer(0.01, got.put, [6])
            timer.start(); timer.join()
            print(got.get(), got.get())
        fork(child)
        """,
    )
    assert printed == "5 6\n"


def test_the_child_of_another_thread(way: tuple[tuple[str, ...], str]) -> None:
    """It is the main thread from now on, and the old one has ended."""
    printed = run(
        way,
        """
        def child():
            me = threading.current_thread()
            assert me.name == "forks" and threading.main_thread() is me
            assert threading.enumerate() == [me] and me.is_alive()
            assert me.ident == threading.get_ident()
            assert not main.is_alive()
            main.join()
            t = threading.Thread(target=print, args=("ran",))
            t.start(); t.join()
        forks = threading.Thread(target=fork, args=(child,), name="forks")
        forks.start(); forks.join()
        """,
    )
    assert printed == "ran\n"


def test_pending_timers_are_not_in_the_child(way: tuple[tuple[str, ...], str]) -> None:
    printed = run(
        way,
        """
        pending = threading.Timer(3600, print, ["never"])
        pending.start()
        fork(lambda: (
            print(pending.is_alive(), pending in threading.enumerate(), pending.join()),
        ))
        assert pending.is_alive()
        pending.cancel(); pending.join()
        """,
    )
    assert printed == "False False None\n"


def test_fork_inside_of_a_timer(way: tuple[tuple[str, ...], str]) -> None:
    printed = run(
        way,
        """
        def child():
            me = threading.current_thread()
            assert me is timer and threading.main_thread() is me and threading.enumerate() == [me]
            t = threading.Thread(target=print, args=("ran",))
            t.start(); t.join()
        timer = threading.Timer(0, fork, [child])
        timer.start(); timer.join()
        """,
    )
    assert printed == "ran\n"


def test_fork_while_threads_start_and_end(way: tuple[tuple[str, ...], str]) -> None:
    """The child is whole, whatever the other threads were doing at that moment."""
    run(
        way,
        """
        stop = []
        def churn():
            while not stop:
                t = threading.Thread(target=int)
                t.start(); t.join()
        def busy():
            lock, items = threading.Lock(), queue.Queue()
            while not stop:
                with lock:
                    items.put(1); items.get()
        def child():
            assert len(threading.enumerate()) == 1
            t = threading.Thread(target=int)
            t.start(); t.join()
            with threading.Lock():
                pass
        workers = [threading.Thread(target=it) for it in (churn, churn, busy)]
        for it in workers:
            it.start()
        for _ in range(40):
            fork(child)
        stop.append(1)
        for it in workers:
            it.join()
        """,
    )
