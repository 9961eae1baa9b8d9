"""Where a thread took a lock that it holds, as reports tell it."""

from __future__ import annotations

import inspect
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from ropewalk import threading
from ropewalk._taken import taken_at
from tests.deadlock.programs import plain, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

a = threading.RLock()
b = threading.RLock()
found: list[int | None] = []
yes = True


def stop(*_args: object) -> AbstractContextManager[None]:
    """Stand for what the thread waits in: where did its caller take `a`?"""
    found.append(taken_at(sys._getframe(1), a._ropewalk_resource))  # type: ignore[attr-defined]
    return nullcontext()


class Holds:
    def __init__(self) -> None:
        self.lock = a


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
    assert found == [here[0] if here else None]


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
