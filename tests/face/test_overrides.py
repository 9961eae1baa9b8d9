"""Methods of a program's own in the place of ours, which CPython's methods call by name."""

# ruff: noqa: ANN401 - what is replaced has no types
from __future__ import annotations

import gc
import threading as stdlib
import warnings
from typing import Any

import pytest

from ropewalk import threading

BOTH = pytest.mark.parametrize("module", [stdlib, threading], ids=["stdlib", "ropewalk"])
SEMAPHORES = pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])


def logging(kind: Any, log: list[Any], *names: str) -> Any:
    """A class that derives from `kind` and notes the calls of these methods."""

    def method(name: str) -> Any:
        def noted(self: Any, *args: Any) -> Any:
            log.append((name, *args))
            return getattr(kind, name)(self, *args)

        return noted

    return type("Logging", (kind,), {name: method(name) for name in names})


@BOTH
@SEMAPHORES
def test_the_end_of_a_with_calls_release(module: Any, kind: str) -> None:
    log: list[Any] = []
    semaphore = logging(getattr(module, kind), log, "acquire", "release")(1)
    for _ in range(3):
        with semaphore:
            pass
    assert log == [("release",)] * 3
    assert semaphore._value == 1


@BOTH
@SEMAPHORES
def test_the_end_of_a_with_calls_what_an_instance_has(module: Any, kind: str) -> None:
    semaphore = getattr(module, kind)(1)
    other = getattr(module, kind)(1)
    with semaphore:
        log: list[Any] = []
        semaphore.release = lambda: log.append("release")
    with other:
        pass
    assert (log, semaphore._value, other._value) == (["release"], 0, 1)
    del semaphore.release
    semaphore.release()
    with semaphore:
        pass
    assert (log, semaphore._value) == (["release"], 1)


@BOTH
@SEMAPHORES
def test_the_end_of_a_with_calls_what_was_put_into_the_class(
    module: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = getattr(module, kind)
    derived = type("Derived", (base,), {})
    for cls in (base, derived):
        log: list[str] = []
        semaphore = cls(1)
        with semaphore:
            pass
        with monkeypatch.context() as patch:
            patch.setattr(cls, "release", lambda _, log=log: log.append("release"))
            with semaphore:
                pass
        assert (log, semaphore._value) == (["release"], 0)
        semaphore.release()
        with semaphore:
            pass
        assert (log, semaphore._value) == (["release"], 1)


@BOTH
@pytest.mark.parametrize("lock", ["Lock", "RLock"])
def test_what_a_condition_calls(module: Any, lock: str) -> None:
    log: list[Any] = []
    names = ["_is_owned", "_release_save", "_acquire_restore", "notify", "notify_all", "wait"]
    condition = logging(module.Condition, log, *names)(getattr(module, lock)())
    with condition:
        condition.notify()
        condition.notify_all()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            condition.notifyAll()
        assert condition.wait(0.001) is False
        condition.wait_for(lambda: False, 0.001)
    # An RLock has these three itself.
    parts = [("_is_owned",), ("_release_save",), ("_acquire_restore", None)]
    of_its_own = log if lock == "RLock" else [it for it in log if it not in parts]
    called = ["notify", "notify_all", "notify", "notify_all", "notify", "wait", "wait"]
    assert [name for name, *_ in of_its_own] == called
    if lock == "Lock":
        assert [it for it in log if it in parts] == [*[parts[0]] * 3, *parts * 2]


@BOTH
def test_a_condition_whose_parts_are_the_program_s_wakes_its_waiters(module: Any) -> None:
    class Counted(module.Condition):  # type: ignore[misc]
        def _release_save(self) -> object:
            self._lock.release()
            return "saved"

        def _acquire_restore(self, saved: object) -> None:
            assert saved == "saved"
            self._lock.acquire()

    condition, ready, woken = Counted(module.Lock()), [], []

    def wait() -> None:
        with condition:
            ready.append(1)
            condition.wait()
            woken.append(1)

    threads = [stdlib.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    while True:
        with condition:
            if len(ready) == 3:
                condition.notify_all()
                break
    for thread in threads:
        thread.join(30)
    assert len(woken) == 3


@BOTH
def test_notify_all_calls_what_an_instance_has(module: Any) -> None:
    log: list[int] = []
    condition = module.Condition()
    condition.notify = log.append
    with condition:
        condition.notify_all()
    assert log == [0]


@BOTH
def test_the_old_name_of_is_set_calls_the_new_one(module: Any) -> None:
    log: list[Any] = []
    event = logging(module.Event, log, "is_set")()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert event.isSet() is False
    assert log == [("is_set",)]


@BOTH
def test_the_collector_finds_what_refers_to_itself(module: Any) -> None:
    class Counted:
        alive = 0

        def __init__(self) -> None:
            Counted.alive += 1

        def __del__(self) -> None:
            Counted.alive -= 1

    class Barrier(module.Barrier):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(2, self.act)
            self.counted = Counted()

        def act(self) -> None: ...

    class Condition(module.Condition):  # type: ignore[misc]
        def __init__(self) -> None:
            self.lock = module.Lock()
            super().__init__(self)
            self.counted = Counted()

        def acquire(self, *args: Any) -> Any:
            return self.lock.acquire(*args)

        def release(self) -> None:
            self.lock.release()

        def locked(self) -> bool:
            return bool(self.lock.locked())

    def event() -> None:
        event = module.Event()
        event._cond.event = event
        event.counted = Counted()

    for make in (Barrier, Condition, event):
        make()
        gc.collect()
        assert Counted.alive == 0, make


@BOTH
def test_a_barrier_looks_at_a_timeout_only_when_it_waits(module: Any) -> None:
    barrier = module.Barrier(1)
    assert barrier.wait("soon") == 0
    barrier.abort()
    with pytest.raises(module.BrokenBarrierError):
        barrier.wait("soon")
    with pytest.raises(TypeError):
        module.Barrier(2).wait("soon")


def test_a_name_with_code_behind_it_that_takes_the_attributes_away() -> None:
    class Name(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return hash("_is_owned")

        def __eq__(self, other: object) -> bool:
            condition.__dict__ = {}
            others.append([dict.fromkeys(range(n, n + 9)) for n in range(200)])
            return False

    others: list[Any] = []
    condition = threading.Condition()
    condition.__dict__ = {Name("its own"): 1}
    with condition:
        condition.notify()
    assert others
    assert condition.__dict__ == {}
