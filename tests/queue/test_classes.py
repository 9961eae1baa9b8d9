"""Subclasses, hooks and parts that programs reach for: the stdlib's and ours as twins."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import queue as ours
from tests.queue.kit import Started

if TYPE_CHECKING:
    from types import ModuleType


def unique_queue(queue: ModuleType) -> Any:
    """A queue that holds each item once: all four hooks."""

    class Unique(queue.Queue):  # type: ignore[name-defined, misc]
        def _init(self, maxsize: int) -> None:
            self.queue: OrderedDict[object, None] = OrderedDict()

        def _qsize(self) -> int:
            return len(self.queue)

        def _put(self, item: object) -> None:
            self.queue[item] = None

        def _get(self) -> object:
            return self.queue.popitem(last=False)[0]

    return Unique


def test_hooks(queue: ModuleType) -> None:
    q = unique_queue(queue)(2)
    for item in "aab":
        q.put(item)
    assert q.qsize() == 2
    assert q.full()
    with pytest.raises(queue.Full):
        q.put_nowait("c")
    assert q.unfinished_tasks == 3
    putter = Started(lambda: q.put("c")).until_blocked(q)
    assert [q.get(), q.get()] == ["a", "b"]
    putter.result()
    assert q.get_nowait() == "c"
    assert q.empty()
    for _ in range(4):
        q.task_done()
    q.join()


def test_hooks_that_call_the_class_below(queue: ModuleType) -> None:
    seen: list[object] = []

    class Logged(queue.LifoQueue):  # type: ignore[name-defined, misc]
        def _put(self, item: object) -> None:
            seen.append(item)
            super()._put(item)

        def _get(self) -> object:
            seen.append("get")
            return super()._get()

    q = Logged()
    q.put(1)
    q.put_nowait(2)
    assert [q.get(), q.get()] == [2, 1]
    assert seen == [1, 2, "get", "get"]
    assert q.queue == []


def test_a_hook_that_raises(queue: ModuleType) -> None:
    class Failing(queue.Queue):  # type: ignore[name-defined, misc]
        fail = True

        def _put(self, item: object) -> None:
            if self.fail:
                raise ValueError("no")
            super()._put(item)

    q = Failing()
    with pytest.raises(ValueError, match="no"):
        q.put(1)
    assert q.unfinished_tasks == 0
    q.fail = False
    q.put(1)
    assert q.get() == 1


def test_put_nowait_and_get_nowait_call_put_and_get(queue: ModuleType) -> None:
    class Boxed(queue.Queue):  # type: ignore[name-defined, misc]
        def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
            super().put([item, block], block, timeout)

        def get(self, block: bool = True, timeout: float | None = None) -> object:
            return (*super().get(block, timeout), block)

    q = Boxed()
    q.put(1)
    q.put_nowait(2)
    assert q.get() == (1, True, True)
    assert q.get_nowait() == (2, False, False)

    plain = queue.Queue()
    plain.put_nowait(1)
    plain.put = lambda item, block=True: plain.queue.append((item, block))
    plain.put_nowait(2)
    del plain.put
    plain.put(3)
    assert [plain.get() for _ in range(3)] == [1, (2, False), 3]


def test_hooks_on_an_instance(queue: ModuleType) -> None:
    q = queue.Queue()
    q.put(1)
    q._put = q.queue.appendleft
    q.put(2)
    assert [q.get(), q.get()] == [2, 1]
    del q._put
    q.put(3)
    q.put(4)
    assert [q.get(), q.get()] == [3, 4]


def test_attributes_of_ones_own(queue: ModuleType) -> None:
    q = queue.Queue()
    q.name = "jobs"
    q.put(1)
    assert (q.name, vars(q)["name"]) == ("jobs", "jobs")
    del q.name
    with pytest.raises(AttributeError, match="object has no attribute 'name'"):
        q.name  # noqa: B018
    with pytest.raises(AttributeError):
        del q.name

    class Slotted(queue.Queue):  # type: ignore[name-defined, misc]
        __slots__ = ("extra",)

    slotted = Slotted(3)
    slotted.extra = 1
    slotted.put(1)
    assert (slotted.extra, slotted.get(), slotted.maxsize) == (1, 1, 3)


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue"])
def test_the_usual_reaches(queue: ModuleType, kind: str) -> None:
    q = getattr(queue, kind)()
    for item in (3, 1, 2):
        q.put(item)
    expected = {"Queue": [3, 1, 2], "LifoQueue": [3, 1, 2], "PriorityQueue": [1, 3, 2]}[kind]
    assert list(q.queue) == expected
    assert type(q.queue) is (deque if kind == "Queue" else list)
    with q.mutex:
        assert q._qsize() == 3
        q.queue.clear()
        q.unfinished_tasks = 0
        q.all_tasks_done.notify_all()
        q.not_full.notify_all()
    q.join()
    assert q.empty()
    getter = Started(q.get).until_blocked(q)
    with q.not_empty:
        q.queue.append("by hand")
        q.not_empty.notify()
    assert getter.result() == "by hand"


def test_parts_that_are_replaced(queue: ModuleType) -> None:
    import threading

    q = queue.Queue()
    q.put(1)
    q.queue = deque([5, 6])
    q.mutex = threading.RLock()
    q.not_empty = threading.Condition(q.mutex)
    q.not_full = threading.Condition(q.mutex)
    with q.mutex:
        q.put(7)
        assert q.qsize() == 3
    assert [q.get() for _ in range(3)] == [5, 6, 7]


def test_several_bases(queue: ModuleType) -> None:
    class Mixin:
        def __init__(self, *args: Any, tag: str = "", **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.tag = tag

    class Tagged(Mixin, queue.PriorityQueue):  # type: ignore[name-defined, misc]
        pass

    q = Tagged(2, tag="x")
    q.put(2)
    q.put(1)
    assert (q.tag, q.get(), q.maxsize) == ("x", 1, 2)
    assert isinstance(q, queue.Queue)


def test_init_that_does_not_call_super(queue: ModuleType) -> None:
    class Bare(queue.Queue):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError, match="'Bare' object has no attribute 'not_full'"):
        Bare().put(1)


def test_a_subclass_of_simple_queue(queue: ModuleType) -> None:
    class Named(queue.SimpleQueue):  # type: ignore[name-defined, misc]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    q = Named("jobs")
    q.put(1)
    assert (q.name, q.get(), q.empty()) == ("jobs", 1, True)

    class Plain(queue.SimpleQueue):  # type: ignore[name-defined, misc]
        pass

    with pytest.raises(TypeError, match="takes no positional arguments"):
        Plain(1)


def test_plain_subclasses_stay_fast() -> None:
    class Mine(ours.PriorityQueue[int]):
        """Nothing that the core would have to know of."""

        def first(self) -> int:
            return self.get_nowait()

    q = Mine()
    q.put(2)
    q.put(1)
    assert q.first() == 1
    assert (q.unfinished_tasks, q.is_shutdown, q.maxsize) == (2, False, 0)
    assert q._ropewalk_is_fast()
