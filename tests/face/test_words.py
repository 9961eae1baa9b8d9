"""What the running version refuses, and in which words: the stdlib's module is the oracle."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import concurrent.futures as stdlib_futures
import queue as stdlib_queue
import sys
import threading as stdlib_threading
from queue import Queue as StdlibQueue
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import queue, threading
from ropewalk.concurrent import futures

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


NEWS: dict[str, Callable[[Any], Any]] = {
    "Lock": lambda threading: threading.Lock(),
    "RLock": lambda threading: threading.RLock(),
    "Condition": lambda threading: threading.Condition(),
    "Semaphore": lambda threading: threading.Semaphore(),
    "BoundedSemaphore": lambda threading: threading.BoundedSemaphore(),
    "Event": lambda threading: threading.Event(),
    "Barrier": lambda threading: threading.Barrier(1),
    "Thread": lambda threading: threading.Thread(),
    "Queue": lambda threading: kin(threading, queue, stdlib_queue).Queue(),
    "LifoQueue": lambda threading: kin(threading, queue, stdlib_queue).LifoQueue(),
    "PriorityQueue": lambda threading: kin(threading, queue, stdlib_queue).PriorityQueue(),
    "SimpleQueue": lambda threading: kin(threading, queue, stdlib_queue).SimpleQueue(),
    "Future": lambda threading: kin(threading, futures, stdlib_futures).Future(),
}


def kin(threading_module: object, ours: Any, stdlib: Any) -> Any:
    return ours if threading_module is threading else stdlib


@pytest.mark.parametrize(
    "call",
    [
        lambda thing: thing.missing,
        lambda thing: thing + 1,
        lambda thing: thing(),
        lambda thing: len(thing),
        lambda thing: thing[0],
        lambda thing: type(thing).missing,
        lambda thing: repr(type(thing)),
        lambda thing: (type(thing).__name__, type(thing).__qualname__, type(thing).__module__),
    ],
)
@pytest.mark.parametrize("kind", NEWS)
def test_how_a_thing_is_called(kind: str, call: Callable[[Any], object]) -> None:
    same(lambda module: call(NEWS[kind](module)))
