"""Threads that wait for items, places and the end of all tasks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import DeadlockError
from ropewalk import queue as ours
from tests.queue.kit import KINDS, LIMIT, SOON, Started

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@pytest.mark.parametrize("kind", [*KINDS, "SimpleQueue"])
def test_get_waits_for_an_item(queue: ModuleType, kind: str) -> None:
    q = getattr(queue, kind)()
    for get in (q.get, lambda: q.get(True), lambda: q.get(timeout=LIMIT)):
        getter = Started(get).until_blocked(q)
        q.put("item")
        assert getter.result() == "item"


@pytest.mark.parametrize("kind", KINDS)
def test_put_waits_for_a_place(queue: ModuleType, kind: str) -> None:
    q = getattr(queue, kind)(1)
    for put in (lambda: q.put(2), lambda: q.put(2, True), lambda: q.put(2, timeout=LIMIT)):
        q.put(1)
        putter = Started(put).until_blocked(q)
        assert q.get() == 1
        putter.result()
        assert q.get() == 2
    assert q.unfinished_tasks == 6


def test_join_waits_for_the_last_task(queue: ModuleType) -> None:
    q = queue.Queue()
    for item in range(3):
        q.put(item)
    joiners = [Started(q.join).until_blocked(q) for _ in range(3)]
    for _ in range(2):
        q.task_done()
    assert not any(joiner.done() for joiner in joiners)
    q.task_done()
    for joiner in joiners:
        joiner.result()


def test_everybody_gets_one_item(queue: ModuleType) -> None:
    q = queue.Queue()
    getters = [Started(q.get).until_blocked(q) for _ in range(10)]
    for item in range(10):
        q.put(item)
    assert sorted(getter.result() for getter in getters) == list(range(10))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("immediate", [False, True])
def test_shutdown_wakes_everybody(
    queue_with_shutdown: ModuleType, kind: str, immediate: bool
) -> None:
    queue = queue_with_shutdown
    empty = getattr(queue, kind)()
    full = getattr(queue, kind)(1)
    full.put(0)
    blocked = [Started(empty.get).until_blocked(empty) for _ in range(3)]
    blocked += [Started(lambda: full.put(1)).until_blocked(full) for _ in range(3)]
    for q in (empty, full):
        q.shutdown(immediate)
    for one in blocked:
        with pytest.raises(queue.ShutDown):
            one.result()
    assert full.qsize() == (0 if immediate else 1)


def test_shutdown_ends_a_join_when_all_is_taken_back(queue_with_shutdown: ModuleType) -> None:
    q = queue_with_shutdown.Queue()
    q.put(1)
    q.put(2)
    joiner = Started(q.join).until_blocked(q)
    q.shutdown()
    assert not joiner.done()
    q.shutdown(immediate=True)
    joiner.result()


def test_a_larger_limit_lets_putters_in() -> None:
    q: ours.Queue[int] = ours.Queue(1)
    q.put(0)
    putters = [Started(lambda: q.put(1)).until_blocked(q) for _ in range(2)]
    q.maxsize = 3
    for putter in putters:
        putter.result()
    assert q.full()


TOUCHES: dict[str, Callable[[Any], object]] = {
    "mutex": lambda q: q.mutex,
    "not_empty": lambda q: q.not_empty,
    "not_full": lambda q: q.not_full,
    "all_tasks_done": lambda q: q.all_tasks_done,
    "queue": lambda q: q.queue,
    "a hook on the instance": lambda q: setattr(q, "_put", q._put),
    "a fractional limit": lambda q: setattr(q, "maxsize", q.maxsize + 0.5),
    "pickle": lambda q: q.__reduce_ex__(4),
}


@pytest.mark.parametrize("touch", list(TOUCHES)[:-1])
@pytest.mark.parametrize("kind", KINDS)
def test_waiters_move_along_when_an_instance_is_touched(kind: str, touch: str) -> None:
    q: Any = getattr(ours, kind)(2)
    getters = [Started(q.get).until_blocked(q) for _ in range(2)]
    assert q._ropewalk_is_fast()
    TOUCHES[touch](q)
    assert not q._ropewalk_is_fast()
    for getter in getters:
        getter.until_blocked(q)
    q.put(1)
    q.put(2)
    assert sorted(getter.result() for getter in getters) == [1, 2]


@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_when_an_instance_is_touched(kind: str, touch: str) -> None:
    q: Any = getattr(ours, kind)(2)
    q.put(1)
    q.put(2)
    putters = [Started(lambda: q.put(3)).until_blocked(q) for _ in range(2)]
    joiner = Started(q.join).until_blocked(q)
    TOUCHES[touch](q)
    assert not q._ropewalk_is_fast()
    got = [q.get(timeout=LIMIT) for _ in range(4)]
    assert sorted(got) == [1, 2, 3, 3]
    for putter in putters:
        putter.result()
    assert q.unfinished_tasks == 4
    for _ in range(4):
        assert not joiner.done()
        q.task_done()
    joiner.result()


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_keeps_its_deadline_when_it_moves(kind: str) -> None:
    q: Any = getattr(ours, kind)(1)
    started = time.monotonic()
    getter = Started(lambda: q.get(timeout=0.2)).until_blocked(q)
    assert q.mutex.locked() is False
    with pytest.raises(ours.Empty):
        getter.result()
    assert 0.2 <= time.monotonic() - started < LIMIT


def test_a_slow_comparison_does_not_lock_the_others_out() -> None:
    """Others that need the heap wait for it at the wait point; looking does not need it."""
    q: ours.PriorityQueue[Any] = ours.PriorityQueue()
    gate: ours.SimpleQueue[None] = ours.SimpleQueue()

    class Slow:
        def __init__(self, rank: int) -> None:
            self.rank = rank

        def __lt__(self, other: Slow) -> bool:
            if self.rank == 1:
                gate.get()
            return self.rank < other.rank

    q.put(Slow(2))
    slow = Started(lambda: q.put(Slow(1))).until_blocked(gate)
    other = Started(lambda: q.put(Slow(3))).until_blocked(q)
    assert q.qsize() == 1
    gate.put(None)
    slow.result()
    other.result()
    gate.put(None)
    assert [q.get().rank for _ in range(3)] == [1, 2, 3]


def test_waiting_for_oneself_is_a_deadlock() -> None:
    """The stdlib hangs."""
    from tests.face.programs import succeeds

    text = """
        from ropewalk import queue
        for wait in (queue.Queue().get, queue.SimpleQueue().get):
            try:
                wait()
            except Exception as error:
                print(type(error).__name__)
        q = queue.Queue(1)
        q.put(1)
        for wait in (lambda: q.put(2), q.join):
            try:
                wait()
            except Exception as error:
                print(type(error).__name__)
    """
    assert issubclass(DeadlockError, RuntimeError)
    assert succeeds(text).split() == ["DeadlockError"] * 4


def test_a_timer_can_still_help() -> None:
    from tests.face.programs import succeeds

    text = f"""
        import threading, queue
        q = queue.Queue()
        threading.Timer({SOON}, q.put, ["rung"]).start()
        print(q.get())
    """
    assert succeeds(text) == "rung\n"
