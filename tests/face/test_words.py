"""What the running version refuses, and in which words: the stdlib's module is the oracle."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import sys
import threading as stdlib_threading
from queue import Queue as StdlibQueue
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import queue, threading

if TYPE_CHECKING:
    from collections.abc import Callable

NAN = float("nan")


def outcome(call: Callable[[], object]) -> tuple[type, str] | object:
    """What a call gives: its value, or its exception's type and words."""
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


def same(call: Callable[[Any], object]) -> None:
    ours = outcome(lambda: call(threading))
    assert ours == outcome(lambda: call(stdlib_threading))


ARGUMENTS: list[tuple[tuple[object, ...], dict[str, object]]] = [
    ((1,), {}),
    ((1, 2), {}),
    ((), {"blocking": True}),
    ((1,), {"a": 1, "b": 2}),
]


@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS, ids=repr)
def test_a_lock_takes_no_arguments(args: Any, kwargs: Any) -> None:
    same(lambda module: module.Lock(*args, **kwargs))


@pytest.mark.skipif(sys.version_info < (3, 15), reason="only warns, if it does that")
@pytest.mark.parametrize(("args", "kwargs"), ARGUMENTS, ids=repr)
def test_an_rlock_takes_no_arguments(args: Any, kwargs: Any) -> None:
    same(lambda module: module.RLock(*args, **kwargs))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="takes them: nobody can ever pass")
@pytest.mark.parametrize("parties", [0, -1])
def test_a_barrier_for_nobody(parties: int) -> None:
    same(lambda module: module.Barrier(parties))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="tries again and again, for ever")
def test_queues_for_no_number_of_seconds() -> None:
    full, stdlib_full = queue.Queue[int](1), StdlibQueue[int](1)
    full.put(1)
    stdlib_full.put(1)
    assert outcome(lambda: full.put(2, timeout=NAN)) == outcome(
        lambda: stdlib_full.put(2, timeout=NAN)
    )
    assert outcome(lambda: queue.Queue[int]().get(timeout=NAN)) == outcome(
        lambda: StdlibQueue[int]().get(timeout=NAN)
    )


@pytest.mark.skipif(sys.version_info < (3, 15), reason="the stdlib has none")
@pytest.mark.parametrize(
    "call",
    [
        lambda module: module.concurrent_tee("ab", -1),
        lambda module: module.concurrent_tee(5),
        lambda module: module.concurrent_tee("ab", "c"),
        lambda module: module.serialize_iterator(5),
        lambda module: module.serialize_iterator("ab").send(1),
        lambda module: type(module.concurrent_tee("ab")[0]).__qualname__,
        lambda module: setattr(module.concurrent_tee("ab")[0], "other", 1),
    ],
)
def test_tools_for_iterators(call: Callable[[Any], object]) -> None:
    same(call)
