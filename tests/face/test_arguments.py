"""Unusual and wrong arguments of the synchronizers: the stdlib's and ours as twins."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import queue as stdlib_queue
import re
import sys
import threading as stdlib
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import queue
from ropewalk import threading as ours

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 30.0


class Seconds(float):
    """A float of one's own."""


class Index:
    """Good as an int, in some places."""

    def __index__(self) -> int:
        return 1


ODD = [
    *(0, -1, -0.5, True, False, float("inf"), float("-inf"), 1e10, 10**400, -(10**400), 2**63),
    *("1", b"1", [], 1j, object(), Index(), Seconds(0.001), Seconds(-1), Decimal("0.001")),
    *(Fraction(1, 1000), stdlib.TIMEOUT_MAX + 1),
]
NAN = float("nan")


def outcome(call: Callable[[], object]) -> str:
    try:
        result = f"{call()!r}"
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    return re.sub(r"0x[0-9a-f]+", "0xADDRESS", result)


def in_held_condition(method: str) -> Callable[[Any, Any], object]:
    def call(threading: Any, value: Any) -> object:
        condition = threading.Condition()
        with condition:
            if method == "wait_for":
                return condition.wait_for(lambda: False, value)
            return getattr(condition, method)(value)

    return call


def barrier_wait(threading: Any, value: Any) -> object:
    try:
        return threading.Barrier(2).wait(value)
    except threading.BrokenBarrierError:
        return "broken"


def joined(*, ended: bool) -> Callable[[Any, Any], object]:
    def call(threading: Any, value: Any) -> object:
        end = threading.Event()
        thread = threading.Thread(target=end.wait, args=(LIMIT,), daemon=True)
        thread.start()
        if ended:
            end.set()
            thread.join()
        try:
            return thread.join(value)
        finally:
            end.set()
            thread.join()

    return call


def held_lock(threading: Any, value: Any) -> object:
    lock = threading.Lock()
    lock.acquire()
    return lock.acquire(timeout=value)


WITH_TIMEOUTS: dict[str, Callable[[Any, Any], object]] = {
    "Lock.acquire, free": lambda threading, value: threading.Lock().acquire(True, value),
    "RLock.acquire, free": lambda threading, value: threading.RLock().acquire(timeout=value),
    "Semaphore.acquire": lambda threading, value: threading.Semaphore(0).acquire(timeout=value),
    "Semaphore.acquire, free": lambda threading, value: threading.Semaphore().acquire(
        timeout=value
    ),
    "Semaphore.acquire, at once": lambda threading, value: threading.Semaphore().acquire(
        False, value
    ),
    "Event.wait": lambda threading, value: threading.Event().wait(value),
    "Condition.wait": in_held_condition("wait"),
    "Condition.wait, not held": lambda threading, value: threading.Condition().wait(value),
    "Condition.wait_for": in_held_condition("wait_for"),
    "Barrier.wait": barrier_wait,
    "Thread.join": joined(ended=False),
    "Thread.join, ended": joined(ended=True),
}


# What the stdlib up to 3.13 tries again and again when the timeout is not a number.
FOR_EVER = ("Semaphore.acquire", "Condition.wait_for", "Barrier.wait")


@pytest.mark.parametrize("value", [*ODD, NAN], ids=repr)
@pytest.mark.parametrize("operation", WITH_TIMEOUTS)
def test_timeouts(operation: str, value: Any) -> None:
    if value is NAN and operation in FOR_EVER and sys.version_info < (3, 14):
        pytest.skip("waits for ever: see below")
    call = WITH_TIMEOUTS[operation]
    assert outcome(lambda: call(ours, value)) == outcome(lambda: call(stdlib, value))


@pytest.mark.parametrize("value", [0, 0.001, NAN, -2, 1e10, 10**400, "1", Index(), None], ids=repr)
def test_timeouts_of_a_held_lock(value: Any) -> None:
    if value == 1e10 or value == 10**400:
        # Refused before anything else.
        assert outcome(lambda: held_lock(ours, value)).startswith("OverflowError: timestamp")
    assert outcome(lambda: held_lock(ours, value)) == outcome(lambda: held_lock(stdlib, value))


class Span:
    """A length of time that can be added and compared, but is not a number."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __radd__(self, other: float) -> Span:
        return Span(other + self.seconds)

    def __sub__(self, other: float) -> Span:
        return Span(self.seconds - other)

    def __le__(self, other: float) -> bool:
        return self.seconds <= other

    def __gt__(self, other: float) -> bool:
        return self.seconds > other


@pytest.mark.parametrize("threading", [stdlib, ours])
def test_a_wait_for_a_time_that_is_no_number(threading: Any) -> None:
    """It is for `wait()` to judge."""
    waits: list[Any] = []

    class Own(threading.Condition):  # type: ignore[misc]
        def wait(self, timeout: Any = None) -> bool:
            waits.append(timeout)
            return False

    condition = Own()
    with condition:
        assert condition.wait_for(lambda: len(waits) == 2, Span(LIMIT))
        assert [type(each) for each in waits] == [Span, Span]
        assert 0 < waits[1].seconds <= waits[0].seconds == LIMIT
        waits.clear()
        assert not condition.wait_for(lambda: False, Span(0))
        assert len(waits) == 1
    condition = threading.Condition()
    with condition:
        assert not condition.wait_for(lambda: False, Span(0))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="refused: see above")
@pytest.mark.parametrize("kind", ["Semaphore", "Condition", "Barrier"])
def test_what_is_no_number_does_not_end_a_wait(kind: str) -> None:
    """In the stdlib such a wait tries again and again."""
    semaphore, condition, barrier = ours.Semaphore(0), ours.Condition(), ours.Barrier(2)
    said: list[object] = []

    def wait() -> None:
        if kind == "Semaphore":
            said.append(semaphore.acquire(timeout=NAN))
        elif kind == "Barrier":
            said.append(barrier.wait(NAN) in (0, 1))
        else:
            with condition:
                said.append(condition.wait_for(lambda: going, NAN))

    going = False
    thread = ours.Thread(target=wait)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    going = True
    if kind == "Semaphore":
        semaphore.release()
    elif kind == "Barrier":
        barrier.wait()
    else:
        with condition:
            condition.notify()
    thread.join(LIMIT)
    assert said == [True]


@pytest.mark.parametrize(
    "value", [0, -1, 2, 2.0, -0.5, 0.5, 1e10, NAN, 2**70, "1", None, [], Index()], ids=repr
)
def test_how_many_to_notify(value: Any) -> None:
    call = in_held_condition("notify")
    assert outcome(lambda: call(ours, value)) == outcome(lambda: call(stdlib, value))


@pytest.mark.parametrize(
    ("value", "notified"), [(0.5, 1), (2.0, 2), (-1.5, 0), (NAN, 0), (2**70, 3)]
)
def test_a_float_may_say_how_many_to_notify(value: Any, notified: int) -> None:
    condition = ours.Condition()
    going: list[int] = []

    def wait() -> None:
        with condition:
            condition.wait(LIMIT)
            going.append(1)

    threads = [ours.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    while True:
        with condition:
            if len(condition._waiters) == 3:
                condition.notify(value)
                assert len(condition._waiters) == 3 - notified
                break
    with condition:
        condition.notify_all()
    for thread in threads:
        thread.join(LIMIT)
    assert len(going) == 3


@pytest.mark.parametrize("kind", ["Semaphore", "BoundedSemaphore"])
def test_a_whole_float_counts(kind: str) -> None:
    """As in `Semaphore(os.cpu_count() / 2)`."""
    for threading in (stdlib, ours):
        semaphore = getattr(threading, kind)(2.0)
        assert semaphore.acquire(False)
        assert semaphore.acquire(False)
        assert not semaphore.acquire(False)
        semaphore.release()
        assert semaphore.acquire(False)
    assert stdlib.Barrier(1.0).wait() == ours.Barrier(1.0).wait() == 0  # type: ignore[arg-type]


def test_what_cannot_count_says_so() -> None:
    with pytest.raises(ValueError, match="semaphore initial value must be a whole number"):
        ours.Semaphore(0.5)  # type: ignore[arg-type]
    for threading in (stdlib, ours):
        with pytest.raises(ValueError, match="semaphore initial value must be >= 0"):
            threading.Semaphore(-0.5)
        with pytest.raises(TypeError, match="'<' not supported between"):
            threading.Semaphore("1")


@pytest.mark.parametrize("value", [float("inf"), 2**64, 1e300])
@pytest.mark.parametrize("name", ["Semaphore", "BoundedSemaphore"])
def test_there_may_be_no_end_of_permits(name: str, value: float) -> None:
    for threading in (stdlib, ours):
        semaphore = getattr(threading, name)(value)
        for _ in range(3):
            assert semaphore.acquire(False)
        for _ in range(3):
            semaphore.release()
        assert semaphore.acquire(False)


def test_more_releases_than_there_is_room_for() -> None:
    # Not as twins: before CPython 3.13 the stdlib's notifies once for each of them.
    semaphore = ours.Semaphore(0)
    for _ in range(3):
        semaphore.release(2**63)
    assert semaphore.acquire(False)


def test_an_event_can_be_made_anew() -> None:
    for threading in (stdlib, ours):
        event = threading.Event()
        event.set()
        event.__init__()
        assert not event.is_set()


class Told:
    """Good as any number; says how often it was asked."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: list[str] = []

    def __index__(self) -> int:
        self.asked.append("index")
        return self.number

    def __float__(self) -> float:
        self.asked.append("float")
        return float(self.number)

    def __bool__(self) -> bool:
        self.asked.append("bool")
        return False

    def __gt__(self, other: float) -> bool:
        return self.number > other

    def __lt__(self, other: float) -> bool:
        return self.number < other


ASKED: dict[str, Callable[[Any, Any], object]] = {
    "Lock.acquire": lambda threading, value: held_lock(threading, value),
    "Lock.acquire, whether": lambda threading, value: taken(threading.Lock()).acquire(value),
    "RLock.acquire, whether": lambda threading, value: threading.RLock().acquire(value),
    "Lock.acquire, both": lambda threading, value: threading.Lock().acquire(value, value),
    "Condition.wait": in_held_condition("wait"),
    "SimpleQueue.get": lambda threading, value: simple_queue(threading).get(timeout=value),
}


def taken(lock: Any) -> Any:
    lock.acquire()
    return lock


def simple_queue(threading: Any) -> Any:
    return (queue if threading is ours else stdlib_queue).SimpleQueue()


@pytest.mark.parametrize("number", [0, -3])
@pytest.mark.parametrize("operation", ASKED)
def test_an_odd_number_is_asked_once(operation: str, number: int) -> None:
    if "whether" in operation and number and sys.version_info < (3, 12):
        pytest.skip("waits for ever")
    told = []
    for threading in (stdlib, ours):
        value = Told(number)
        result = outcome(lambda: ASKED[operation](threading, value))  # noqa: B023
        told.append((result, value.asked))
    assert told[0] == told[1]


def test_a_float_of_one_s_own_is_not_asked() -> None:
    class Own(float):
        def __float__(self) -> float:
            raise AssertionError

    assert held_lock(ours, Own(0.001)) == held_lock(stdlib, Own(0.001)) is False
