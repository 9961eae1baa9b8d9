"""Where a thread took a lock that it holds, as reports tell it."""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import pytest

from ropewalk import threading
from ropewalk._taken import Look, look
from tests.deadlock.programs import plain, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

a = threading.RLock()
b = threading.RLock()
found: list[Look] = []
compared: list[object] = []
yes = True


def stop(*_args: object) -> AbstractContextManager[None]:
    """Stand for what the thread waits in: where did its caller take `a`?"""
    found.append(look(sys._getframe(1), a._ropewalk_resource))  # type: ignore[attr-defined]
    return nullcontext()


class Holds:
    def __init__(self) -> None:
        self.lock = a

    @property
    def computed(self) -> threading.RLock:
        return self.lock


class Slots:
    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = a


class Key(str):
    """A key of the program's own, which is not to be compared by a look."""

    def __hash__(self) -> int:
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        compared.append(other)
        return False


@contextmanager
def locked() -> Iterator[None]:
    with a:
        yield


def inside_a_with() -> None:
    with a:  # here
        stop()


def in_one_line() -> None:
    with a: stop()  # noqa: E701 # fmt: skip # here


def one_of_two() -> None:
    with b, a:  # here
        stop()


def while_the_second_is_taken() -> None:
    with a, stop():  # here
        pass


def by_a_call() -> None:
    a.acquire()  # here
    stop()


def in_the_same_line() -> None:
    b.acquire(); a.acquire(); stop()  # noqa: E702 # fmt: skip # here


def as_an_argument() -> None:
    stop(a.acquire())  # here


def of_an_attribute() -> None:
    self = Holds()
    self.lock.acquire()  # here
    stop()


def given_back() -> None:
    a.acquire()
    a.release()
    stop()


def given_back_and_taken_again() -> None:
    a.acquire()
    a.release()
    a.acquire()  # here
    stop()


def once_of_twice() -> None:
    a.acquire()  # here
    a.acquire()
    a.release()
    stop()


def in_a_branch_that_was_not_taken() -> None:
    a.acquire()  # here
    if not yes:
        a.release()
        return
    stop()


def in_the_branch_where_it_is() -> None:
    if yes:
        a.acquire()
        a.release()
        stop()


def in_a_loop_that_is_over() -> None:
    for _ in range(2):
        a.acquire()
        a.release()
    stop()


def at_the_end() -> None:
    a.acquire()  # here
    try:
        stop()
    finally:
        a.release()


def finally_given_back() -> None:
    try:
        a.acquire()
    finally:
        a.release()
    stop()


def by_a_function_in_it() -> None:
    def take() -> None:
        a.acquire()

    take()
    stop()


def another_one() -> None:
    with b:
        b.acquire()
        stop()


def after_the_with() -> None:
    with a:
        pass
    stop()


def of_a_slot() -> None:
    self = Slots()
    with self.lock:  # here
        stop()


def named_on_the_way() -> None:
    with (_lock := a):  # here
        stop()


def by_a_number() -> None:
    locks = [b, a]
    with locks[-1]:  # here
        stop()


def by_a_key() -> None:
    locks = defaultdict(lambda: b, {Key("a"): b, "a": a})
    key = "a"
    with locks[key]:  # here
        before = len(compared)
        stop()
        assert len(compared) == before


def in_a_loop() -> None:
    for lock in (b, a):
        if lock is a:
            stop()
        lock.acquire()
        lock.release()


WAYS = [
    inside_a_with,
    in_one_line,
    one_of_two,
    while_the_second_is_taken,
    by_a_call,
    in_the_same_line,
    as_an_argument,
    of_an_attribute,
    given_back,
    given_back_and_taken_again,
    once_of_twice,
    in_a_branch_that_was_not_taken,
    in_the_branch_where_it_is,
    in_a_loop_that_is_over,
    at_the_end,
    finally_given_back,
    by_a_function_in_it,
    another_one,
    after_the_with,
    of_a_slot,
    named_on_the_way,
    by_a_number,
    by_a_key,
    in_a_loop,
]


@pytest.mark.parametrize("way", WAYS)
def test_the_line_is_that_of_the_call_which_still_counts(way: Callable[[], None]) -> None:
    found.clear()
    way()
    for lock in (a, b):
        while lock._is_owned():
            lock.release()
    lines, first = inspect.getsourcelines(way)
    here = [first + place for place, line in enumerate(lines) if line.endswith("# here\n")]
    assert [each.line for each in found] == [here[0] if here else None]


def rebound() -> None:
    lock = a
    lock.acquire()
    lock = b
    stop()


def rebound_inside() -> None:
    lock = a
    with lock:
        lock = b
        stop()


def one_after_the_other() -> None:
    for lock in (a, b):
        if lock is b:
            stop()
        lock.acquire()


def what_a_call_gives() -> None:
    with locked():
        stop()


def what_a_property_gives() -> None:
    with Holds().computed:
        stop()


def in_the_last_round() -> None:
    for _ in range(2):
        if a._is_owned():
            stop()
        a.acquire()


def by_code_without_a_source() -> None:
    exec("with a:\n    stop()", globals())


HIDDEN = {
    rebound: False,
    rebound_inside: None,
    one_after_the_other: False,
    what_a_call_gives: None,
    what_a_property_gives: None,
    in_the_last_round: False,
    by_code_without_a_source: None,
}


@pytest.mark.parametrize("way", HIDDEN)
def test_what_cannot_be_decided_is_not_taken_for_known(way: Callable[[], None]) -> None:
    found.clear()
    way()
    for lock in (a, b):
        while lock._is_owned():
            lock.release()
    assert found[0] == Look(None, HIDDEN[way], not_here=False)


def in_a_helper() -> None:
    a.acquire()
    a.release()
    stop()


def inside_a_file() -> None:
    with open(__file__), ThreadPoolExecutor(1), b:
        stop()


@pytest.mark.parametrize("way", [in_a_helper, inside_a_file])
def test_a_function_that_cannot_have_taken_it_is_known(way: Callable[[], None]) -> None:
    found.clear()
    way()
    assert found == [Look(None, nested=False, not_here=True)]


def test_code_without_a_source_is_known_if_it_has_neither() -> None:
    found.clear()
    exec("stop()", globals())
    assert found == [Look(None, nested=False, not_here=True)]


def test_a_lock_that_was_taken_in_a_call_has_no_line(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        a, b, both = threading.RLock(), threading.RLock(), threading.Barrier(2)
        def take(lock):
            lock.acquire()
        def one():
            a.acquire()
            a.release()
            take(a)
            both.wait()
            b.acquire()
        def two():
            b.acquire(); both.wait(); a.acquire()
        threads = [threading.Thread(target=each, name=each.__name__) for each in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
    )
    text = plain(done.stderr)
    which = "RLock made at program.py:2, which"
    assert f"  holds {which} 'two' waits for:\n    (taken in a call that has returned)\n" in text
    assert f"  holds {which} 'one' waits for:\n    File \"program.py\", line 12, in two\n" in text


def test_what_a_thread_runs_was_not_taken(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading
        from concurrent.futures import ThreadPoolExecutor
        lock, both = threading.RLock(), threading.Barrier(2)
        def task():
            both.wait()
            with lock:
                pass
        with ThreadPoolExecutor(1, "web") as pool:
            future = pool.submit(task)
            with lock:
                both.wait()
                future.result()
        """,
    )
    text = plain(done.stderr)
    assert "waits for a running future of pool 'web', run by 'web_0', since T:\n" in text
    line = "  runs the task of a running future of pool 'web', which 'MainThread' waits for\n"
    assert line in text
    assert "taken" not in text
