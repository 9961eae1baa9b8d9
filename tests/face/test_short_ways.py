"""Methods called in the usual way take a short way through the extension: nobody can tell."""

from __future__ import annotations

import queue as stdlib_queue
import sys
from typing import TYPE_CHECKING

import pytest

from ropewalk import queue, threading

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

# Each step in the short form and in one that is not.
STEPS: dict[str, list[tuple[Callable[[Any], object], Callable[[Any], object]]]] = {
    "Lock": [
        (lambda it: it.acquire(), lambda it: it.acquire(True)),
        (lambda it: it.release(), lambda it: it.__exit__(*[None] * 3)),
        (lambda it: it.release(), lambda it: it.__exit__(None, None, None)),
        (lambda it: it.__enter__(), lambda it: it.acquire(timeout=-1)),
        (lambda it: it.__exit__(1, 2, 3), lambda it: it.release(*())),
    ],
    "RLock": [
        (lambda it: it.acquire(), lambda it: it.acquire(blocking=True)),
        (lambda it: it.__enter__(), lambda it: it.acquire(True, -1)),
        (lambda it: it.release(), lambda it: it.release(*())),
        (lambda it: it.__exit__(1, 2, 3), lambda it: it.release(*())),
        (lambda it: it.release(), lambda it: it.__exit__(None, None, None)),
    ],
    "Semaphore": [
        (lambda it: it.acquire(), lambda it: it.acquire(True, None)),
        (lambda it: it.release(), lambda it: it.release(1)),
        (lambda it: it.__enter__(), lambda it: it.acquire(timeout=5)),
        (lambda it: it.__exit__(1, 2, 3), lambda it: it.release(n=1)),
        (lambda it: it.release(), lambda it: it.release(n=1)),
    ],
    "BoundedSemaphore": [
        (lambda it: it.acquire(), lambda it: it.acquire(True, None)),
        (lambda it: it.release(), lambda it: it.release(1)),
        (lambda it: it.release(), lambda it: it.release(n=1)),
        (lambda it: it.__enter__(), lambda it: it.acquire(timeout=5)),
        (lambda it: it.__exit__(1, 2, 3), lambda it: it.release(n=1)),
    ],
    "Condition": [
        (lambda it: it.notify(), lambda it: it.notify(1)),
        (lambda it: it.__enter__(), lambda it: it.acquire()),
        (lambda it: it.notify(), lambda it: it.notify(n=1)),
        (lambda it: it.__exit__(1, 2, 3), lambda it: it.release()),
        (lambda it: it.__exit__(1, 2, 3), lambda it: it.release()),
    ],
    "Event": [
        (lambda it: it.set(), lambda it: it.set(*())),
        (lambda it: it.is_set(), lambda it: it.wait(0)),
        (lambda it: it.wait(), lambda it: it.wait(timeout=None)),
        (lambda it: it.clear(), lambda it: it.clear(*())),
        (lambda it: it.is_set(), lambda it: it.wait(0)),
    ],
}


def outcome(step: Callable[[Any], object], it: object) -> object:
    try:
        return step(it)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="CPython's locks want three there")
def test_a_condition_is_left_without_arguments(threading: ModuleType) -> None:
    condition = threading.Condition()
    condition.acquire()
    assert outcome(lambda it: it.__exit__(), condition) is None
    assert not condition._is_owned()


@pytest.mark.parametrize("name", STEPS)
def test_both_ways_do_the_same(name: str, threading: ModuleType) -> None:
    short, ordinary = (getattr(threading, name)() for _ in range(2))
    seen = [(outcome(a, short), outcome(b, ordinary)) for a, b in STEPS[name]]
    assert [a for a, _ in seen] == [b for _, b in seen]


def test_a_barrier_of_one_and_a_broken_one(threading: ModuleType) -> None:
    barrier = threading.Barrier(1)
    assert [barrier.wait(), barrier.wait(None), barrier.wait(timeout=1)] == [0, 0, 0]
    barrier.abort()
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    acted: list[int] = []
    barrier = threading.Barrier(1, lambda: acted.append(1))
    assert barrier.wait() == 0
    assert acted == [1]


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
@pytest.mark.parametrize("module", [stdlib_queue, queue], ids=["stdlib", "ropewalk"])
def test_a_queue_takes_and_gives_the_item_itself(kind: str, module: ModuleType) -> None:
    """Put in one way and got in the other, and nobody keeps a reference."""
    it: Any = getattr(module, kind)()
    item = [object()]
    before = sys.getrefcount(item)
    ways: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: it.put(item), lambda: it.get(True)),
        (lambda: it.put(item, block=True), lambda: it.get()),
        (lambda: it.put_nowait(item), lambda: it.get(timeout=5)),
        (lambda: it.put(item, timeout=5), lambda: it.get_nowait()),
    ]
    for put, get in ways:
        assert put() is None
        assert sys.getrefcount(item) == before + 1
        assert get() is item
    assert sys.getrefcount(item) == before
    with pytest.raises(stdlib_queue.Empty):
        it.get_nowait()
    with pytest.raises(stdlib_queue.Empty):
        it.get(False)


def test_a_full_queue_keeps_no_reference() -> None:
    it: queue.Queue[object] = queue.Queue(1)
    item = [object()]
    it.put(item)
    before = sys.getrefcount(item)
    for _ in range(3):
        with pytest.raises(queue.Full):
            it.put_nowait(item)
        with pytest.raises(queue.Full):
            it.put(item, False)
    assert sys.getrefcount(item) == before
    assert it.get() is item
    it.task_done()
    with pytest.raises(ValueError, match="too many times"):
        it.task_done()


def test_the_nowait_methods_call_those_of_a_subclass() -> None:
    class Loud(queue.Queue[int]):
        def put(self, item: int, block: bool = True, timeout: float | None = None) -> None:
            calls.append(("put", block))
            super().put(item, block, timeout)

        def get(self, block: bool = True, timeout: float | None = None) -> int:
            calls.append(("get", block))
            return super().get(block, timeout)

    calls: list[tuple[str, bool]] = []
    it = Loud()
    it.put_nowait(1)
    assert it.get_nowait() == 1
    assert calls == [("put", False), ("get", False)]


@pytest.mark.parametrize(
    ("kind", "method", "arguments"),
    [
        (threading.Lock, "acquire", ()),
        (threading.RLock, "__exit__", (None, None, None)),
        (threading.BoundedSemaphore, "release", ()),
        (threading.Event, "set", ()),
        (queue.SimpleQueue, "put", (1,)),
        (queue.LifoQueue, "get", ()),
    ],
)
def test_another_object_is_refused(kind: type, method: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        getattr(kind, method)(object(), *arguments)
    with pytest.raises(TypeError):
        getattr(kind, method)()
    with pytest.raises(TypeError):
        getattr(kind(), method)(*arguments, 1, 2, 3, 4)
