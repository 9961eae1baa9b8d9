"""What programs replace in the module `queue`, or keep from it: its exceptions and its clock."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.face.programs import STOCK, succeeds
from tests.queue.kit import KINDS

if TYPE_CHECKING:
    from types import ModuleType


def with_a_hook(cls: Any) -> Any:
    """A class that overrides a hook, and does the same."""

    class Own(cls):  # type: ignore[misc]
        def _put(self, item: object) -> None:
            super()._put(item)

    return Own


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_replaced_exceptions_are_raised(
    queue: ModuleType, monkeypatch: pytest.MonkeyPatch, kind: str, own: bool
) -> None:
    """CPython looks them up in the module when it raises them."""

    class Replaced(Exception):
        pass

    genuine = queue.Empty
    cls = getattr(queue, kind)
    q = (with_a_hook(cls) if own else cls)(1)
    for name in ("Empty", "Full"):
        monkeypatch.setattr(queue, name, Replaced)
    for wait in ({"block": False}, {"timeout": 0.001}):
        with pytest.raises(Replaced):
            q.get(**wait)
    q.put(1)
    with pytest.raises(Replaced):
        q.put(2, block=False)
    # That one is C in CPython, and keeps what it began with.
    with pytest.raises(genuine):
        queue.SimpleQueue().get(block=False)
    with pytest.raises(genuine):
        queue.SimpleQueue().get(timeout=0.001)


@pytest.mark.parametrize("own", [False, True])
def test_a_replaced_shutdown_is_raised(
    queue_with_shutdown: ModuleType, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    class Replaced(Exception):
        pass

    cls = queue_with_shutdown.Queue
    q = (with_a_hook(cls) if own else cls)()
    monkeypatch.setattr(queue_with_shutdown, "ShutDown", Replaced)
    q.shutdown()
    with pytest.raises(Replaced):
        q.get()
    with pytest.raises(Replaced):
        q.put(1)


def test_a_replaced_clock_is_read(queue: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    q = with_a_hook(queue.Queue)(1)
    q.put(1)
    times = iter([0.0, 0.0, 5.0])
    waits: list[float] = []
    monkeypatch.setattr(queue, "time", lambda: next(times))
    monkeypatch.setattr(q.not_full, "wait", waits.append)
    with pytest.raises(queue.Full):
        q.put(2, timeout=1.0)
    assert waits == [1.0]


def test_frozen_time_ends_waits_all_the_same() -> None:
    """Libraries that freeze the time leave modules named `queue` and `threading` the real one."""
    text = """
        import queue, sys, threading, time
        KEPT = ("queue", "threading")

        def freeze(real):
            def frozen():
                kept = sys._getframe(1).f_globals["__name__"] in KEPT
                return real() if kept else 1.0

            for name, module in list(sys.modules.items()):
                for attribute, value in list(vars(module).items()):
                    if value is real and name not in KEPT:
                        setattr(module, attribute, frozen)

        class Own(queue.Queue):
            def _put(self, item):
                super()._put(item)

        def late():
            print("late")

        q = Own(1)
        timer = threading.Timer(0.01, late)
        freeze(time.monotonic)
        assert time.monotonic() == time.monotonic() == 1.0
        try:
            q.get(timeout=0.01)
        except queue.Empty:
            print("empty")
        q.put(1)
        try:
            q.put(2, timeout=0.01)
        except queue.Full:
            print("full")
        timer.start()
        assert timer.ident
        timer.join()
    """
    assert succeeds(text) == succeeds(text, under=STOCK) == "empty\nfull\nlate\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["setattr", "__dict__"])
@pytest.mark.parametrize("made", ["touched", "own"])
def test_put_and_get_of_an_instance_that_has_its_parts(
    queue: ModuleType, kind: str, how: str, made: str
) -> None:
    cls = getattr(queue, kind)
    q = (with_a_hook(cls) if made == "own" else cls)()
    q.mutex.acquire()
    q.mutex.release()
    called: list[object] = []
    replaced = {
        "put": lambda item, block=True: called.append((item, block)),
        "get": lambda block=True: called.append(block),
    }
    for name, method in replaced.items():
        if how == "setattr":
            setattr(q, name, method)
        else:
            q.__dict__[name] = method
    q.put_nowait(1)
    assert q.get_nowait() is None
    assert called == [(1, False), False]
    assert q.empty()
    del q.put, q.get
    q.put_nowait(2)
    assert q.get_nowait() == 2
    assert len(called) == 2


def test_a_shutdown_whose_argument_cannot_be_told(queue_with_shutdown: ModuleType) -> None:
    class Odd:
        def __bool__(self) -> bool:
            told.append(q.is_shutdown if hasattr(q, "is_shutdown") else True)
            raise ZeroDivisionError

    told: list[bool] = []
    for q in (queue_with_shutdown.Queue(), with_a_hook(queue_with_shutdown.Queue)()):
        with pytest.raises(ZeroDivisionError):
            q.shutdown(Odd())
        with pytest.raises(queue_with_shutdown.ShutDown):
            q.put(1)
    assert told == [True, True]
