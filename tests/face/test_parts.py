"""What CPython's events, semaphores and barriers have inside, where programs reach for it."""

# ruff: noqa: ANN401 - what is private has no types
from __future__ import annotations

import io
import pickle
import sys
import threading as stdlib
from functools import partial
from typing import Any
from unittest import mock

import pytest

from ropewalk import _ropewalk, queue, threading

BOTH = pytest.mark.parametrize("module", [stdlib, threading], ids=["stdlib", "ropewalk"])
LIMIT = 30.0


def started(*works: Any) -> list[stdlib.Thread]:
    threads = [stdlib.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[stdlib.Thread]) -> None:
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()


def until_blocked(module: Any, threads: list[stdlib.Thread]) -> None:
    """Wait until they wait in ours; the stdlib's say it by their condition, which has been made."""
    if module is threading:
        while not {it.ident for it in threads} <= set(_ropewalk.blocked_threads()):
            pass


@BOTH
def test_a_pulse_of_an_event_wakes_who_waits_already(module: Any) -> None:
    event, results = module.Event(), []
    threads = started(*[lambda: results.append(event.wait(LIMIT))] * 3)
    until_blocked(module, threads)
    # In the stdlib's nobody can be seen to wait without it.
    while module is stdlib and len(event._cond._waiters) < 3:
        pass
    with event._cond:
        event._cond.notify_all()
    join(threads)
    assert (results, event.is_set()) == ([True] * 3, False)


@BOTH
def test_a_wait_of_one_s_own_on_the_parts_of_an_event(module: Any) -> None:
    class Counting(module.Event):  # type: ignore[misc]
        def wait(self, timeout: float | None = None) -> Any:
            with self._cond:
                return self._flag or self._cond.wait(timeout)

    event, results = Counting(), []
    threads = started(lambda: results.append(event.wait(LIMIT)))
    while not event._cond._waiters:
        pass
    event.set()
    join(threads)
    assert results == [True]
    event.clear()
    assert (event.is_set(), event.wait(0)) == (False, False)


@BOTH
def test_the_flag_of_an_event(module: Any) -> None:
    event = module.Event()
    assert event._flag is False
    event._flag = True
    assert event.is_set()
    assert event.wait()
    assert ": set>" in repr(event)
    event.clear()
    assert (event._flag, event.is_set(), event.wait(0.001)) == (False, False, False)
    event.set()
    assert event._flag is True
    event.__init__()
    assert not event.is_set()
    event._cond = module.Condition(module.Lock())
    event.set()
    assert event.wait(LIMIT)


@BOTH
def test_the_parts_of_an_event_keep_what_it_was(module: Any) -> None:
    event = module.Event()
    event.set()
    assert event._cond is event._cond
    assert (event.is_set(), event._flag, event.wait()) == (True, True, True)


@BOTH
@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
def test_the_parts_of_a_semaphore(module: Any, kind: str) -> None:
    semaphore = getattr(module, kind)(2)
    semaphore.acquire()
    assert semaphore._cond is semaphore._cond
    assert semaphore._value == 1
    with semaphore:
        assert not semaphore.acquire(blocking=False)
        assert not semaphore.acquire(timeout=0.001)
    semaphore.release()
    assert semaphore._value == 2
    if kind == "BoundedSemaphore":
        assert semaphore._initial_value == 2
        with pytest.raises(ValueError, match="released too many times"):
            semaphore.release()
        semaphore._initial_value = 3
        semaphore.release()
        assert "value=3/3>" in repr(semaphore)
    semaphore._value = 0
    assert not semaphore.acquire(False)
    semaphore.__init__(1)
    assert (semaphore.acquire(False), semaphore._value) == (True, 0)


@BOTH
@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
def test_who_waits_at_a_semaphore_goes_on_where_its_parts_are(module: Any, kind: str) -> None:
    semaphore, results = getattr(module, kind)(3), []
    for _ in range(3):
        semaphore.acquire()
    threads = started(
        lambda: results.append(semaphore.acquire()),
        lambda: results.append(semaphore.acquire(timeout=LIMIT)),
        lambda: results.append(semaphore.acquire(timeout=0.2)),
    )
    until_blocked(module, threads[:2])
    while len(semaphore._cond._waiters) < 2 or len(results) < 1:
        pass
    with semaphore._cond:
        semaphore._value += 1
        semaphore._cond.notify()
    semaphore.release()
    join(threads)
    assert (results, semaphore._value) == ([False, True, True], 0)


@BOTH
@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
def test_a_permit_given_before_the_parts_were_touched_is_kept(module: Any, kind: str) -> None:
    for _ in range(20):
        semaphore = getattr(module, kind)(1)
        semaphore.acquire()
        threads = started(semaphore.acquire)
        until_blocked(module, threads)
        semaphore.release()
        assert semaphore._cond is semaphore._cond
        join(threads)
        assert semaphore._value == 0


@BOTH
def test_who_waits_at_a_semaphore_is_counted_where_its_parts_are(module: Any) -> None:
    semaphore = module.Semaphore(0)
    threads = started(semaphore.acquire, semaphore.acquire)
    until_blocked(module, threads)
    with semaphore._cond as held:
        assert held
        assert len(semaphore._cond._waiters) == 2
    semaphore.release(2)
    join(threads)


@BOTH
def test_a_semaphore_as_celery_s_pool_has(module: Any) -> None:
    class Lax(module.Semaphore):  # type: ignore[misc]
        def __init__(self, value: int = 1) -> None:
            module.Semaphore.__init__(self, value)
            self._initial_value = value

        def shrink(self) -> None:
            self._initial_value -= 1
            self.acquire()

        def grow(self) -> None:
            with self._cond:
                self._initial_value += 1
                self._value += 1
                self._cond.notify()

        def release(self) -> None:
            with self._cond:
                if self._value < self._initial_value:
                    self._value += 1
                    self._cond.notify_all()

        def clear(self) -> None:
            while self._value < self._initial_value:
                self.release()

    semaphore = Lax(2)
    semaphore.acquire()
    semaphore.release()
    semaphore.release()
    semaphore.grow()
    semaphore.shrink()
    assert semaphore._value == 2
    with semaphore:
        assert semaphore._value == 1
    semaphore.clear()
    assert (semaphore._value, semaphore._initial_value) == (2, 2)


@BOTH
def test_a_semaphore_whose_value_comes_before_its_init(module: Any) -> None:
    class Several(module.BoundedSemaphore):  # type: ignore[misc]
        def __init__(self, value: int) -> None:
            self._value = value
            super().__init__(self._value)

        def acquire_n(self, n: int) -> bool:
            with self._cond:
                if n > self._value:
                    return False
                self._value -= n
                return True

    semaphore = Several(3)
    assert (semaphore.acquire_n(2), semaphore.acquire_n(2), semaphore._value) == (True, False, 1)
    semaphore.release(2)
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()


@BOTH
def test_the_parts_of_a_barrier(module: Any) -> None:
    barrier = module.Barrier(2)
    assert (barrier._parties, barrier._count, barrier._state) == (2, 0, 0)
    barrier.abort()
    assert barrier._state == -2
    with pytest.raises(AttributeError, match="_parties"):
        _ = module.Barrier.__new__(module.Barrier)._parties


@BOTH
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="refused")
@pytest.mark.parametrize("parties", [0, None, -1])
def test_a_barrier_for_nobody(module: Any, parties: Any) -> None:
    barrier = module.Barrier(parties)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (parties, 0, False)
    with pytest.raises(module.BrokenBarrierError):
        barrier.wait(0.001)


def new_lock(kind: str) -> Any:
    return getattr(threading, kind)()


class Pickler(pickle.Pickler):
    """Can do what dill's can: a new lock for each one."""

    def reducer_override(self, thing: object) -> Any:
        for kind in ("Lock", "RLock"):
            if type(thing) is type(new_lock(kind)):
                return new_lock, (kind,)
        return NotImplemented


def copied(thing: Any) -> Any:
    file = io.BytesIO()
    Pickler(file).dump(thing)
    return pickle.loads(file.getvalue())


def test_a_pickler_that_can_do_locks_can_do_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    event = threading.Event()
    event.set()
    semaphore = threading.BoundedSemaphore(3)
    semaphore.acquire()
    items: Any = queue.Queue(5)
    items.put("item")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "threading", threading)
        patch.setitem(sys.modules, "queue", queue)
        event_2, semaphore_2, items_2 = copied(event), copied(semaphore), copied(items)
        barrier_2, condition_2 = copied(threading.Barrier(1)), copied(threading.Condition())
    assert event_2.is_set()
    event_2.clear()
    assert (event.is_set(), event_2.wait(0.001)) == (True, False)
    assert (semaphore_2._value, semaphore_2._initial_value) == (2, 3)
    assert (items_2.get(), items_2.maxsize, items.qsize()) == ("item", 5, 1)
    assert barrier_2.wait() == 0
    with condition_2:
        assert condition_2.wait(0.001) is False


@BOTH
def test_a_pickle_says_what_it_cannot_do(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    things = [module.Event(), module.Semaphore(), module.Barrier(1), module.Condition()]
    for thing in things:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "threading", module)
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(thing)


@BOTH
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="CPython has none")
def test_the_lock_of_a_thread_s_end_can_be_set(module: Any) -> None:
    thread = module.Thread(target=int)
    thread._tstate_lock = None
    assert thread._tstate_lock is None
    thread = module.Thread(target=int)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive()


DELETABLE: list[tuple[str, str, object]] = [
    ("Event", "_flag", True),
    ("Event", "_cond", None),
    ("Semaphore", "_value", 5),
    ("Semaphore", "_cond", None),
    ("BoundedSemaphore", "_value", 5),
    ("BoundedSemaphore", "_initial_value", 5),
    ("Thread", "_started", 5),
]
if sys.version_info < (3, 13):
    DELETABLE += [("Thread", "_is_stopped", True), ("Thread", "_tstate_lock", 5)]
elif sys.version_info < (3, 14):
    DELETABLE += [("Thread", "_handle", 5)]
else:
    DELETABLE += [("Thread", "_context", 5)]


@BOTH
@pytest.mark.parametrize(("kind", "name", "value"), DELETABLE)
def test_parts_that_are_patched_for_a_while(
    module: Any, kind: str, name: str, value: object
) -> None:
    thing = getattr(module, kind)()
    before = getattr(thing, name)
    with mock.patch.object(thing, name, value):
        assert getattr(thing, name) == value
    assert getattr(thing, name) == before


@BOTH
@pytest.mark.parametrize(("kind", "name", "value"), DELETABLE[:-2])
def test_parts_that_are_deleted(module: Any, kind: str, name: str, value: object) -> None:
    thing = getattr(module, kind)()
    before = getattr(thing, name)
    delattr(thing, name)
    for look in (getattr, delattr):
        with pytest.raises(AttributeError, match=name):
            look(thing, name)
    setattr(thing, name, value)
    assert getattr(thing, name) == value
    setattr(thing, name, before)
    if kind == "Event":
        thing.set()
        assert thing.wait(LIMIT)
    elif kind != "Thread":
        assert thing.acquire(timeout=LIMIT)


@BOTH
@pytest.mark.parametrize("n", [1.5, 2.0, float("inf"), float("nan")], ids=repr)
def test_a_semaphore_that_is_released_in_part(module: Any, n: float) -> None:
    """CPython adds whatever it is; 3.11 finds afterwards that it cannot count with it."""
    semaphore = module.Semaphore()
    if sys.version_info < (3, 12):
        with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
            semaphore.release(n)
    else:
        semaphore.release(n)
    assert repr(semaphore._value) == repr(1 + n)
    assert semaphore.acquire(timeout=LIMIT)


@BOTH
def test_a_bounded_semaphore_that_is_released_in_part(module: Any) -> None:
    semaphore = module.BoundedSemaphore(2)
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release(0.5 + 1)
    assert semaphore._value == 2


@BOTH
def test_what_a_barrier_does_last_and_how_long_it_waits(module: Any) -> None:
    plain = module.Barrier(1)
    assert (plain._action, plain._timeout) == (None, None)
    assert plain.wait() == 0
    acted: list[int] = []
    barrier = module.Barrier(1, lambda: acted.append(1), LIMIT)
    assert (callable(barrier._action), barrier._timeout) == (True, LIMIT)
    assert barrier.wait() == 0
    with mock.patch.object(barrier, "_action", partial(acted.append, 2)):
        assert barrier.wait() == 0
    barrier.wait()
    assert acted == [1, 2, 1]
    plain._action = barrier._action
    plain.wait()
    assert acted == [1, 2, 1, 1]
    lonely = module.Barrier(2)
    lonely._timeout = 0.001
    with pytest.raises(module.BrokenBarrierError):
        lonely.wait()


@BOTH
@pytest.mark.parametrize("lock", ["Lock", "RLock"])
def test_to_take_the_lock_of_a_condition_again(module: Any, lock: str) -> None:
    condition = module.Condition(getattr(module, lock)())
    with pytest.raises(TypeError):
        condition._acquire_restore()
    if lock == "RLock":
        with pytest.raises(TypeError):
            condition._acquire_restore(None)
    condition.acquire()
    condition._acquire_restore(condition._release_save())
    assert condition._is_owned()
