"""`threading`'s tools for iterators, new in CPython 3.15."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from ropewalk import threading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4
ITEMS = 4_000


def read_in_threads(readers: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=reader) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def test_each_item_goes_to_one_thread() -> None:
    """A bare generator would raise "generator already executing" in some of the threads."""
    source = threading.serialize_iterator(numbers(ITEMS))
    got: list[list[object]] = [[] for _ in range(THREADS)]
    read_in_threads([lambda mine=mine: mine.extend(source) for mine in got])  # type: ignore[misc]
    assert sorted(item for mine in got for item in mine) == list(range(ITEMS))  # type: ignore[type-var]
    assert iter(source) is source


def test_generator_methods_go_through() -> None:
    def echo() -> Iterator[object]:
        got: object = None
        while True:
            try:
                got = yield got
            except KeyError:
                got = "thrown"

    it = threading.serialize_iterator(echo())
    assert next(it) is None
    assert it.send(5) == 5
    assert it.throw(KeyError()) == "thrown"
    it.close()
    assert list(it) == []
    with pytest.raises(AttributeError):
        threading.serialize_iterator([1]).send(1)


def test_close_gives_what_the_iterator_s_own_gives() -> None:
    """A generator's gives its value from CPython 3.13 on."""

    class Source:
        def __iter__(self) -> Source:
            return self

        def __next__(self) -> int:
            return 1

        def close(self) -> str:
            return "closed"

    assert threading.serialize_iterator(Source()).close() == "closed"


def test_not_iterable() -> None:
    with pytest.raises(TypeError, match="'int' object is not iterable"):
        threading.serialize_iterator(5)  # type: ignore[arg-type]


def test_decorator() -> None:
    counted = threading.synchronized_iterator(numbers)
    assert counted.__name__ == "numbers"
    assert counted.__wrapped__ is numbers  # type: ignore[attr-defined]
    assert isinstance(counted(3), threading.serialize_iterator)
    assert list(counted(n=3)) == [0, 1, 2]


def test_tee_gives_everything_to_each_thread() -> None:
    copies = threading.concurrent_tee(numbers(ITEMS), THREADS)
    got: list[list[object]] = [[] for _ in copies]
    read_in_threads(
        [lambda mine=mine, it=it: mine.extend(it) for mine, it in zip(got, copies, strict=True)]  # type: ignore[misc]
    )
    assert all(mine == list(range(ITEMS)) for mine in got)


def test_tee_at_its_edges() -> None:
    assert threading.concurrent_tee([1], 0) == ()
    with pytest.raises(ValueError, match="n must be a non-negative integer"):
        threading.concurrent_tee([1], -1)
    first, second = threading.concurrent_tee("ab")
    assert next(first) == "a"
    third = copy.copy(first)
    (fourth,) = threading.concurrent_tee(first, 1)
    assert [list(it) for it in (first, second, third, fourth)] == [
        ["b"], ["a", "b"], ["b"], ["b"],
    ]  # fmt: skip
    assert list(first) == []


def test_an_error_of_the_source_reaches_the_reader() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise LookupError

    first, second = threading.concurrent_tee(fails())
    assert [next(first), next(second)] == [1, 1]
    with pytest.raises(LookupError):
        next(first)
    with pytest.raises(StopIteration):
        next(second)
