"""`name=`: the constructors of our classes take what CPython's do not."""

from __future__ import annotations

import gc
import inspect as signatures
import queue as stdlib_queue
import subprocess
import sys
import threading as stdlib
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import inspect, queue, threading
from tests.face.programs import environment

if TYPE_CHECKING:
    from collections.abc import Callable

# What makes it with a name, and what reports call its parts.
MAKERS: dict[str, tuple[Callable[..., Any], set[str]]] = {
    "Lock": (threading.Lock, {"Lock"}),
    "RLock": (threading.RLock, {"RLock"}),
    "Condition": (threading.Condition, {"Condition", "RLock"}),
    "Semaphore": (threading.Semaphore, {"Semaphore"}),
    "BoundedSemaphore": (threading.BoundedSemaphore, {"BoundedSemaphore"}),
    "Event": (threading.Event, {"Event"}),
    "Barrier": (lambda **kwargs: threading.Barrier(2, **kwargs), {"Barrier"}),
    "Queue": (queue.Queue, {"Queue.get", "Queue.put", "Queue.join"}),
    "LifoQueue": (queue.LifoQueue, {"LifoQueue.get", "LifoQueue.put", "LifoQueue.join"}),
    "PriorityQueue": (
        queue.PriorityQueue,
        {"PriorityQueue.get", "PriorityQueue.put", "PriorityQueue.join"},
    ),
    "SimpleQueue": (queue.SimpleQueue, {"SimpleQueue.get"}),
}
NAME = "of this test"


def kinds(name: str = NAME) -> set[str]:
    """What has a name."""
    return {each.kind for each in inspect.snapshot().objects if each.name == name}


@pytest.mark.parametrize("kind", MAKERS)
def test_all_of_them_can_be_made_with_a_name(kind: str) -> None:
    make, wanted = MAKERS[kind]
    thing = make(name=NAME)
    assert type(thing) is type(make())
    assert kinds() == wanted
    lines = [each.made_at for each in inspect.snapshot().objects if each.name == NAME]
    assert all(line and "test_names.py" in line for line in lines)
    del thing
    gc.collect()
    assert kinds() == set()
    assert kinds("None") == set()
    assert make(name=None) is not None
    assert kinds("None") == set()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("wrong", [1, b"bytes", ["list"]])
def test_a_name_is_text(kind: str, wrong: object) -> None:
    make, _ = MAKERS[kind]
    with pytest.raises(TypeError):
        make(name=wrong)


def test_a_lock_with_a_name_is_a_lock() -> None:
    lock = threading.Lock(name=NAME)
    with lock:
        assert lock.locked()
        assert not lock.acquire(blocking=False)
    rlock = threading.RLock(name=NAME)
    with rlock, rlock:
        assert rlock._is_owned()
    jobs: queue.SimpleQueue[int] = queue.SimpleQueue(name=NAME)
    jobs.put(1)
    assert jobs.get() == 1


def test_other_arguments_are_refused_as_ever() -> None:
    for given in ({"nam": "x"}, {"name": "x", "other": 1}):
        with pytest.raises(TypeError):
            threading.Lock(**given)
        with pytest.raises(TypeError):
            queue.SimpleQueue(**given)
    args = ["a name by position"]
    with pytest.raises(TypeError):
        threading.Lock(*args)
    with pytest.raises(TypeError):
        queue.SimpleQueue(*args)
    with pytest.raises(TypeError):
        threading.Event(*args)


def test_the_arguments_of_a_subclass_are_its_own() -> None:
    class Named(threading.RLock):
        def __init__(self, name: str) -> None:
            self.name = name

    class Jobs(queue.SimpleQueue[int]):
        def __init__(self, name: str) -> None:
            self.name = name

    class Tickets(threading.Semaphore):
        def __init__(self, name: str) -> None:
            super().__init__(3)
            self.name = name

    for cls in (Named, Jobs, Tickets):
        assert cls(name="its own").name == "its own"
    assert kinds("its own") == set()
    named = Tickets("its own")
    inspect.set_name(named, "ours")
    assert kinds("ours") == {"Semaphore"}


def test_a_condition_leaves_a_lock_that_it_was_given_its_name() -> None:
    lock = threading.Lock(name="the lock")
    condition = threading.Condition(lock, name="the condition")
    assert kinds("the lock") == {"Lock"}
    assert kinds("the condition") == {"Condition"}
    del condition


class Odd(queue.Queue[int]):
    """One that works the way of CPython, in conditions of Python's."""

    def _put(self, item: int) -> None:
        super()._put(item)


@pytest.mark.parametrize("way", ["odd", "inflated", "set later"])
def test_a_queue_that_works_the_way_of_cpython_has_its_name(way: str) -> None:
    jobs: queue.Queue[int]
    if way == "odd":
        jobs = Odd(name=NAME)
    elif way == "inflated":
        jobs = queue.Queue(name=NAME)
        jobs.put(1)
        assert list(jobs.queue) == [1]
    else:
        jobs = Odd()
        inspect.set_name(jobs, NAME)
    named = {each.name: each.kind for each in inspect.snapshot().objects if each.name}
    assert named[f"{NAME}.not_empty"] == "Condition"
    assert named[f"{NAME}.not_full"] == "Condition"
    assert "Lock" in kinds()
    # What is put in a part's place is the program's own.
    jobs.mutex = stdlib.Lock()
    inspect.set_name(jobs, "another")


@pytest.mark.parametrize("cls", [Odd, queue.Queue, queue.LifoQueue])
def test_the_parts_of_such_a_queue_are_told_by_its_line(cls: type[queue.Queue[int]]) -> None:
    line = sys._getframe().f_lineno + 1
    jobs = cls()
    jobs.put(1)
    assert list(jobs.queue) == [1]
    inspect.set_name(jobs, NAME)
    parts = [each for each in inspect.snapshot().objects if (each.name or "").startswith(NAME)]
    assert sorted(each.kind for each in parts) == ["Condition", "Condition", "Condition", "Lock"]
    assert {each.made_at for each in parts} == {f"{__file__}:{line}"}


def test_what_moved_out_of_a_queue_is_no_longer_counted_there() -> None:
    jobs: queue.Queue[int] = queue.Queue(name=NAME)

    def depth() -> tuple[int | None, int | None]:
        things = inspect.snapshot().objects
        [found] = [each for each in things if each.name == NAME and each.kind == "Queue.get"]
        return found.depth, found.peak

    jobs.put(1)
    assert depth() == (1, 1)
    assert len(jobs.queue) == 1
    jobs.put(2)
    # Not 0, as the core's own would say.
    assert depth() == (None, None)


def test_under_run_the_stdlib_s_names_take_it() -> None:
    code = "import threading; print(threading.Lock(name='x'), threading.Event(name='y'))"
    done = subprocess.run(
        [sys.executable, "-m", "ropewalk", "run", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert done.stdout.startswith("<unlocked _thread.lock object at ")


@pytest.mark.parametrize("kind", MAKERS)
def test_it_comes_last_and_by_keyword_only(kind: str) -> None:
    stock = getattr(stdlib, kind, None) or getattr(stdlib_queue, kind)
    cls = getattr(threading, kind, None) or getattr(queue, kind)
    *others, name = signatures.signature(cls).parameters.values()
    assert (name.name, name.kind, name.default) == ("name", name.KEYWORD_ONLY, None)
    try:
        wanted = list(signatures.signature(stock).parameters)
    except ValueError:
        # Of classes in C it says nothing on some versions.
        wanted = []
    if wanted != ["args", "kwargs"]:
        assert [each.name for each in others] == [each for each in wanted if each != "name"]


@pytest.mark.parametrize("kind", MAKERS)
def test_a_name_may_have_what_utf_8_lacks(kind: str) -> None:
    make, wanted = MAKERS[kind]
    thing = make(name="odd \udcff")
    assert {
        each.kind for each in inspect.snapshot().objects if (each.name or "").startswith("odd ")
    } == wanted
    inspect.set_name(thing, "plain now")
    assert kinds("plain now") == wanted
    inspect.set_name(thing, "odd \udcff")
    assert kinds("plain now") == set()


def test_the_prefix_of_a_pools_threads_may_have_what_utf_8_lacks() -> None:
    from ropewalk.concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="odd \udcff") as pool:
        assert pool.submit(lambda: threading.current_thread().name).result() == "odd \udcff_0"
        assert any(each.name.startswith("odd ") for each in inspect.snapshot().pools)


def test_what_is_no_name_is_not_quoted_as_one() -> None:
    from ropewalk import _tables
    from ropewalk._snapshot import Wait

    for kind, name, short, long in (
        ("futures", "2 of 5 not done", "futures (2 of 5 not done)", "futures (2 of 5 not done)"),
        ("submit", "web", "place in pool 'web'", "a place in the queue of pool 'web'"),
        ("Lock", "cache", "Lock 'cache'", "Lock 'cache'"),
    ):
        wait = Wait(1, kind, name, None, None, 1.0, None)
        assert (_tables.thing(wait), _tables.title(wait)) == (short, long)
