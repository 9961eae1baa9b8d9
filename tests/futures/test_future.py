"""One future: its states, outcomes, callbacks and names."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import re
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk.concurrent import futures as ours
from tests.futures.kit import Started

if TYPE_CHECKING:
    from types import ModuleType

PARTS = ("_condition", "_state", "_result", "_exception", "_waiters", "_done_callbacks")


def touched(future: Any) -> Any:  # noqa: ANN401
    """Ours, made like CPython's."""
    assert future._waiters == []
    return future


@pytest.fixture(params=["fast", "touched"])
def future(request: pytest.FixtureRequest, futures: ModuleType) -> Any:  # noqa: ANN401
    """A new one, in each of the two ways that ours can be."""
    made = futures.Future()
    return made if request.param == "fast" else touched(made)


def test_a_result(future: Any) -> None:  # noqa: ANN401
    assert (future.done(), future.running(), future.cancelled()) == (False, False, False)
    assert future.set_running_or_notify_cancel() is True
    assert (future.done(), future.running(), future.cancelled()) == (False, True, False)
    assert future.cancel() is False
    future.set_result(42)
    assert (future.done(), future.running(), future.cancelled()) == (True, False, False)
    assert (future.result(), future.result(timeout=0), future.exception()) == (42, 42, None)
    assert future.cancel() is False


def test_an_exception_is_raised_as_it_is(future: Any) -> None:  # noqa: ANN401
    error = ValueError("mine")
    future.set_exception(error)
    assert future.exception() is error
    with pytest.raises(ValueError, match="mine") as caught:
        future.result()
    assert caught.value is error


def test_an_exception_that_is_raised_during_another_one_has_it_as_context(future: Any) -> None:  # noqa: ANN401
    error = ValueError()
    future.set_exception(error)
    outer = KeyError()
    with pytest.raises(ValueError) as caught:  # noqa: PT011, PT012 - raised during another one
        try:
            raise outer
        except KeyError:
            future.result()
    assert caught.value is error
    assert error.__context__ is outer


def test_what_is_no_exception_is_refused_when_it_is_raised(future: Any) -> None:  # noqa: ANN401
    future.set_exception("no exception")
    assert future.exception() == "no exception"
    with pytest.raises(TypeError, match="exceptions must derive from BaseException"):
        future.result()


def test_an_exception_class_and_none(futures: ModuleType) -> None:
    future = futures.Future()
    future.set_exception(KeyError)
    with pytest.raises(KeyError):
        future.result()
    future = futures.Future()
    future.set_exception(None)
    assert future.result() is None
    assert future.exception() is None


def test_cancelled(futures: ModuleType, future: Any) -> None:  # noqa: ANN401
    assert future.cancel() is True
    assert future.cancel() is True
    assert (future.done(), future.running(), future.cancelled()) == (True, False, True)
    for wait in (future.result, future.exception):
        with pytest.raises(futures.CancelledError) as caught:
            wait()
        assert caught.value.args == ()
    assert future._state == "CANCELLED"
    assert future.set_running_or_notify_cancel() is False
    assert future._state == "CANCELLED_AND_NOTIFIED"


def test_no_outcome_in_time(futures: ModuleType, future: Any) -> None:  # noqa: ANN401
    for timeout in (0, 0.001, -1):
        for wait in (future.result, future.exception):
            with pytest.raises(futures.TimeoutError) as caught:
                wait(timeout)
            assert caught.value.args == ()


@pytest.mark.parametrize("timeout", ["soon", object(), float("inf"), 1e30])
def test_odd_timeouts(futures: ModuleType, timeout: Any) -> None:  # noqa: ANN401
    """What is no timeout is refused in the same words, and only if there is a wait."""
    future = futures.Future()
    with pytest.raises((TypeError, OverflowError)) as caught:
        future.result(timeout)
    if futures is ours:
        import concurrent.futures

        with pytest.raises(type(caught.value), match=re.escape(str(caught.value))):
            concurrent.futures.Future().result(timeout)
    future.set_result(1)
    assert future.result(timeout) == 1


def test_a_second_outcome_is_refused(futures: ModuleType, future: Any) -> None:  # noqa: ANN401
    future.set_result(1)
    text = r"FINISHED: <Future at 0x[0-9a-f]+ state=finished returned int>"
    for again in (future.set_result, future.set_exception):
        with pytest.raises(futures.InvalidStateError, match=f"^{text}$"):
            again(None)
    assert future.result() == 1
    cancelled = futures.Future()
    cancelled.cancel()
    text = r"CANCELLED: <Future at 0x[0-9a-f]+ state=cancelled>"
    with pytest.raises(futures.InvalidStateError, match=f"^{text}$"):
        cancelled.set_result(1)


def test_a_turn_comes_once(future: Any, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ANN401
    future.set_running_or_notify_cancel()
    with pytest.raises(RuntimeError, match=r"^Future in unexpected state$"):
        future.set_running_or_notify_cancel()
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert record.getMessage() == f"Future {id(future)} in unexpected state: RUNNING"


def test_reprs(futures: ModuleType) -> None:
    def shown(future: object) -> str:
        return re.sub("0x[0-9a-f]+", "ADDRESS", repr(future))

    future = futures.Future()
    assert f"at {id(future):#x} " in repr(future)
    assert shown(future) == "<Future at ADDRESS state=pending>"
    future.set_running_or_notify_cancel()
    assert shown(future) == "<Future at ADDRESS state=running>"
    future.set_result(1)
    assert shown(future) == "<Future at ADDRESS state=finished returned int>"
    future = futures.Future()
    future.set_exception(OSError())
    assert shown(future) == "<Future at ADDRESS state=finished raised OSError>"
    future = futures.Future()
    future.cancel()
    assert shown(future) == "<Future at ADDRESS state=cancelled>"
    subclass = type("Mine", (futures.Future,), {})
    assert shown(subclass()) == "<Mine at ADDRESS state=pending>"


# Callbacks


def test_callbacks_are_called_in_order_with_the_future(future: Any) -> None:  # noqa: ANN401
    called: list[object] = []
    for number in range(5):
        future.add_done_callback(lambda it, number=number: called.append((number, it)))
    future.set_result(1)
    future.add_done_callback(lambda it: called.append((5, it)))
    assert called == [(number, future) for number in range(6)]


def test_callbacks_are_called_when_it_is_cancelled(future: Any) -> None:  # noqa: ANN401
    called: list[bool] = []
    future.add_done_callback(lambda it: called.append(it.cancelled()))
    future.cancel()
    future.cancel()
    future.set_running_or_notify_cancel()
    assert called == [True]


def test_what_a_callback_raises_is_logged(
    future: Any,  # noqa: ANN401
    caplog: pytest.LogCaptureFixture,
) -> None:
    called: list[object] = []

    def fails(_: object) -> None:
        raise LookupError("in a callback")

    future.add_done_callback(fails)
    future.add_done_callback(called.append)
    future.set_result(1)
    future.add_done_callback(fails)
    assert called == [future]
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert (record.name, record.levelno) == ("concurrent.futures", logging.ERROR)
        assert record.getMessage() == f"exception calling callback for {future!r}"
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], LookupError)


def test_what_is_more_than_an_error_ends_the_callbacks(future: Any) -> None:  # noqa: ANN401
    called: list[object] = []

    def leaves(_: object) -> None:
        raise SystemExit(3)

    future.add_done_callback(leaves)
    future.add_done_callback(called.append)
    with pytest.raises(SystemExit):
        future.set_result(1)
    assert called == []
    assert future.result() == 1


def test_a_callback_may_use_the_future(futures: ModuleType) -> None:
    future = futures.Future()
    seen: list[object] = []

    def look(it: Any) -> None:  # noqa: ANN401
        seen.append(it.result())
        it.add_done_callback(lambda again: seen.append(again.done()))

    future.add_done_callback(look)
    future.set_result(7)
    assert seen == [7, True]


# What CPython's have


def test_the_names_that_programs_touch(futures: ModuleType) -> None:
    future = futures.Future()
    with future._condition:
        assert future._state == "PENDING"
        future._state = "FINISHED"
        future._result = "set by hand"
        future._condition.notify_all()
    assert future.result() == "set by hand"
    assert sorted(vars(future)) == sorted(PARTS)


def test_a_state_that_is_peeked_at_moves_nothing() -> None:
    future: Any = ours.Future()
    assert future._state == "PENDING"
    future.set_result([])
    assert (future._state, future._result) == ("FINISHED", [])
    assert future._ropewalk_is_fast()
    assert vars(future) == {}


@pytest.mark.parametrize("part", PARTS)
def test_the_class_has_no_parts(futures: ModuleType, part: str) -> None:
    assert not hasattr(futures.Future, part)
    assert hasattr(futures.Future(), part)


def test_any_attribute_can_be_set(future: Any) -> None:  # noqa: ANN401
    future.note = "mine"
    assert future.note == "mine"
    del future.note
    assert not hasattr(future, "note")


@pytest.mark.parametrize("outcome", ["value", "error", "cancel"])
def test_whoever_waits_moves_along(outcome: str) -> None:
    future: Any = ours.Future()
    callbacks: list[object] = []
    future.add_done_callback(callbacks.append)
    waiter = Started(future.result).until_blocked()
    with future._condition:
        assert future._done_callbacks == [callbacks.append]
    assert not future._ropewalk_is_fast()
    if outcome == "value":
        future.set_result(5)
        assert waiter.result() == 5
    elif outcome == "error":
        future.set_exception(KeyError("moved"))
        with pytest.raises(KeyError, match="moved"):
            waiter.result()
    else:
        future.cancel()
        with pytest.raises(ours.CancelledError):
            waiter.result()
    assert callbacks == [future]


def test_a_timeout_goes_on_when_a_future_moves() -> None:
    future: Any = ours.Future()
    waiter = Started(lambda: future.result(0.2)).until_blocked()
    assert future._waiters == []
    with pytest.raises(ours.TimeoutError):
        waiter.result()


def test_a_subclass_that_overrides_the_hook_is_asked(futures: ModuleType) -> None:
    class Hooked(futures.Future):  # type: ignore[misc,name-defined]
        def _invoke_callbacks(self) -> None:
            hooked.append(self._state)
            super()._invoke_callbacks()

    hooked: list[str] = []
    called: list[object] = []
    future = Hooked()
    future.add_done_callback(called.append)
    future.set_result(1)
    other = Hooked()
    other.cancel()
    assert hooked == ["FINISHED", "CANCELLED"]
    assert called == [future]


def test_an_instance_whose_hook_is_replaced(future: Any) -> None:  # noqa: ANN401
    called: list[object] = []
    future.add_done_callback(called.append)
    genuine = future._invoke_callbacks
    future._invoke_callbacks = lambda: called.append("mine")
    future.set_result(1)
    assert called == ["mine"]
    del future._invoke_callbacks
    assert future.result() == 1
    genuine()
    assert called == ["mine", future]


def test_a_subclass_with_a_constructor(futures: ModuleType) -> None:
    class Named(futures.Future):  # type: ignore[misc,name-defined]
        def __init__(self, name: str, *, number: int) -> None:
            super().__init__()
            self.name = name
            self.number = number

    future = Named("mine", number=3)
    future.set_result(1)
    assert (future.name, future.number, future.result()) == ("mine", 3, 1)
    with pytest.raises(TypeError):
        futures.Future("too much")


def test_a_snapshot() -> None:
    future: Any = ours.Future()
    assert future._get_snapshot() == (False, False, None, None)
    error = ValueError()
    future.set_exception(error)
    assert future._get_snapshot() == (True, False, None, error)
    touched(future)
    assert future._get_snapshot() == (True, False, None, error)
    cancelled: Any = ours.Future()
    cancelled.cancel()
    assert cancelled._get_snapshot() == (True, True, None, None)


def test_generic_alias(futures: ModuleType) -> None:
    alias = futures.Future[int]
    assert alias.__origin__ is futures.Future
    assert alias.__args__ == (int,)


def test_copies_and_pickles(futures: ModuleType) -> None:
    future = futures.Future()
    twin = copy.copy(future)
    future._state = "FINISHED"
    assert (twin.done(), future.done()) == (False, True)
    # Ours, by its own name, is not what pickle finds by the class's name.
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(future)


# Garbage


class Thing:
    """Can be referred to weakly."""

    future: object = None


@pytest.mark.parametrize("way", ["result", "error", "callback", "attribute"])
def test_a_cycle_is_collected(future: Any, way: str) -> None:  # noqa: ANN401
    thing = Thing()
    thing.future = future
    if way == "result":
        future.set_result(thing)
    elif way == "error":
        error = ValueError(thing)
        future.set_exception(error)
        del error
    elif way == "callback":
        future.add_done_callback(lambda _, thing=thing: None)
    else:
        future.thing = thing
    # The fixture holds one reference more.
    before = weakref.ref(thing)
    del thing
    refers = gc.get_referents(future)
    assert refers, "the collector sees what it refers to"
    assert before() is not None
    del refers


def test_a_future_in_a_cycle_dies() -> None:
    for way in range(3):
        future: Any = ours.Future()
        thing = Thing()
        thing.future = future
        if way == 0:
            future.set_result(thing)
        elif way == 1:
            future.add_done_callback(lambda _, thing=thing: None)
        else:
            future._state  # noqa: B018 - peeked at
            touched(future).set_result(thing)
        gone = weakref.ref(thing)
        del thing, future
        gc.collect()
        assert gone() is None, way


def test_the_raised_exception_keeps_nothing_alive(futures: ModuleType) -> None:
    future = futures.Future()
    future.set_exception(ValueError())
    gone = weakref.ref(future)
    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        future.result()
    gc.collect()
    gc.disable()
    try:
        del future
        assert gone() is None
    finally:
        gc.enable()


def test_a_long_chain_of_futures_ends() -> None:
    future: Any = ours.Future()
    for _ in range(100_000):
        outer: Any = ours.Future()
        outer.set_result(future)
        future = outer
    del outer
    gone = weakref.ref(future)
    del future
    assert gone() is None


def test_a_constructor_that_a_program_puts_in(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def note(self: object, *args: object, **kwargs: object) -> None:
        made.append((type(self).__name__, args, kwargs))

    assert ours.Future().done() is False
    monkeypatch.setattr(ours.Future, "__init__", note, raising=False)
    assert ours.Future().done() is False
    assert made == [("Future", (), {})]
    monkeypatch.undo()
    assert ours.Future().done() is False
    assert len(made) == 1


def test_arguments_that_make_no_future(futures: ModuleType) -> None:
    class Derived(futures.Future):  # type: ignore[misc,name-defined]
        pass

    given: list[tuple[tuple[int, ...], dict[str, int]]] = [((1,), {}), ((), {"name": 1})]
    for cls in (futures.Future, Derived):
        for args, kwargs in given:
            with pytest.raises(TypeError, match=r"__init__\(\)"):
                cls(*args, **kwargs)
