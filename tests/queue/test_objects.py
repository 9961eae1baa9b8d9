"""Queues as objects: garbage, destructors, weak references, copies and pickles."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import queue as ours
from ropewalk._queue_slow import SHUTDOWN
from tests.face.programs import STOCK, succeeds
from tests.queue.kit import KINDS

if TYPE_CHECKING:
    from types import ModuleType

ALL = [*KINDS, "SimpleQueue"]


class Item:
    """Can be referred to weakly, and compared."""

    other: object = None

    def __lt__(self, other: object) -> bool:
        return False


@pytest.mark.parametrize("kind", ALL)
def test_weak_references(queue: ModuleType, kind: str) -> None:
    q = getattr(queue, kind)()
    reference = weakref.ref(q)
    assert reference() is q
    del q
    assert reference() is None


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("kind", ALL)
def test_cycles_are_collected(queue: ModuleType, kind: str, touched: bool) -> None:
    q = getattr(queue, kind)()
    for _ in range(3):
        item = Item()
        item.other = q
        q.put(item)
    if touched and kind != "SimpleQueue":
        assert len(q.queue) == 3
    q.put(q) if kind in ("Queue", "SimpleQueue") else None
    references = [weakref.ref(item), weakref.ref(q)]
    del item, q
    gc.collect()
    assert [reference() for reference in references] == [None, None]


@pytest.mark.parametrize("kind", ALL)
def test_a_cycle_through_a_subclass_is_collected(queue: ModuleType, kind: str) -> None:
    class Owned(getattr(queue, kind)):  # type: ignore[misc]
        owner: object = None

    q = Owned()
    owner = Item()
    owner.other = q
    q.owner = owner
    q.put(owner)
    reference = weakref.ref(owner)
    del q, owner
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("kind", ALL)
def test_items_are_neither_leaked_nor_dropped_too_often(queue: ModuleType, kind: str) -> None:
    item = Item()
    before = sys.getrefcount(item)
    q = getattr(queue, kind)()
    for _ in range(100):
        q.put(item)
    assert sys.getrefcount(item) == before + 100
    for _ in range(40):
        q.get()
    assert sys.getrefcount(item) == before + 60
    if hasattr(q, "shutdown"):
        q.shutdown(immediate=True)
        assert sys.getrefcount(item) == before
    del q
    gc.collect()
    assert sys.getrefcount(item) == before


def test_refused_items_are_given_up(queue: ModuleType) -> None:
    item = Item()
    q = queue.Queue(1)
    q.put(1)
    before = sys.getrefcount(item)
    for _ in range(3):
        with pytest.raises(queue.Full):
            q.put(item, timeout=0.001)
    with pytest.raises(TypeError):
        q.put(item, timeout="soon")
    assert sys.getrefcount(item) == before


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "SimpleQueue"])
def test_destructors_may_use_the_queue(kind: str) -> None:
    """The stdlib's `Queue` hangs here: its lock is held while items are dropped."""
    q: Any = getattr(ours, kind)()
    calls: list[int] = []

    class Last:
        def __del__(self) -> None:
            calls.append(q.qsize())
            if not getattr(q, "is_shutdown", False):
                q.put("from a destructor")

    for _ in range(5):
        q.put(Last())
    q.get()
    assert len(calls) == 1
    if kind != "SimpleQueue":
        q.shutdown(immediate=True)
        setattr(q, SHUTDOWN, False)
        assert len(calls) == 5
    q.put(Last())
    while not q.empty():
        q.get()
    assert len(calls) == 6


def test_a_destructor_that_uses_the_queue_it_is_collected_with(queue: ModuleType) -> None:
    calls: list[str] = []

    class Last:
        def __init__(self, q: Any) -> None:
            self.q = q

        def __del__(self) -> None:
            self.q.put("again")
            calls.append(type(self.q.get()).__name__)
            calls.append(self.q.get())

    q = queue.SimpleQueue()
    q.put(Last(q))
    del q
    gc.collect()
    assert calls == ["Last", "again"]


@pytest.mark.parametrize("kind", ALL)
def test_long_chains_end_without_recursion(kind: str) -> None:
    text = f"""
        import queue
        outer = queue.{kind}()
        for _ in range(200_000):
            inner, outer = outer, queue.{kind}()
            outer.put(inner)
        del inner, outer
        print("ended")
    """
    assert succeeds(text) == "ended\n"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ALL)
def test_pickles_are_refused(queue: ModuleType, kind: str, protocol: int) -> None:
    q = getattr(queue, kind)()
    q.put("item")
    with pytest.raises((TypeError, pickle.PicklingError)) as refused:
        pickle.dumps(q, protocol)
    # By its own name ours is not the `queue.Queue` that a pickle would be of.
    if protocol >= 2 and (queue is not ours or kind == "SimpleQueue"):
        what = "_queue.SimpleQueue" if kind == "SimpleQueue" else "_thread.lock"
        assert str(refused.value) == f"cannot pickle '{what}' object"
    # Nothing has happened to it.
    assert q.get() == "item"


def test_pickles_are_refused_in_the_same_words() -> None:
    text = """
        import pickle, queue
        for make in (queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue):
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                try:
                    pickle.dumps(make(), protocol)
                except Exception as error:
                    print(type(error).__name__, error)
    """
    assert succeeds(text) == succeeds(text, under=STOCK)


@pytest.mark.parametrize("kind", ALL)
def test_deep_copies_are_refused(queue: ModuleType, kind: str) -> None:
    with pytest.raises(TypeError, match=r"^cannot pickle '"):
        copy.deepcopy(getattr(queue, kind)())


@pytest.mark.parametrize("kind", KINDS)
def test_shallow_copies_share_everything(queue: ModuleType, kind: str) -> None:
    q = getattr(queue, kind)(3)
    q.put(1)
    twin = copy.copy(q)
    assert type(twin) is type(q)
    twin.put(2)
    assert (q.qsize(), twin.maxsize) == (2, 3)
    assert q.mutex is twin.mutex
    parts = ["maxsize", "queue", "mutex", "not_empty", "not_full", "all_tasks_done"]
    assert set(parts) <= set(vars(q))


def test_pickles_that_a_subclass_makes_possible(queue: ModuleType) -> None:
    class Kept(queue.Queue):  # type: ignore[name-defined, misc]
        def __getstate__(self) -> object:
            return {"maxsize": self.maxsize, "items": list(self.queue)}

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__init__(state["maxsize"])  # type: ignore[misc]
            for item in state["items"]:
                self.put(item)

    Kept.__qualname__ = "Kept"
    globals()["Kept"] = Kept
    Kept.__module__ = __name__
    q = Kept(5)
    q.put("a")
    q.put("b")
    twin = pickle.loads(pickle.dumps(q))
    assert [twin.get(), twin.get(), twin.maxsize] == ["a", "b", 5]


def test_memory_is_given_back() -> None:
    """A queue that was long once is not long for ever."""
    text = """
        import queue, resource
        q = queue.SimpleQueue()
        for _ in range(3):
            for _ in range(1_000_000):
                q.put(None)
            while not q.empty():
                q.get()
        with open("/proc/self/statm") as status:
            print(int(status.read().split()[1]) * resource.getpagesize() < 100_000_000)
    """
    assert succeeds(text) == "True\n"


def test_no_memory_is_an_exception() -> None:
    text = """
        import queue, resource
        for make in (queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue):
            q = make()
            soft, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (400_000_000, hard))
            try:
                while True:
                    q.put(0)
            except MemoryError:
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
                before = q.qsize()
                q.put(0)
                print(before > 1_000_000, q.qsize() == before + 1, q.get())
    """
    assert succeeds(text).splitlines() == ["True True 0"] * 4
