"""`wait`, `as_completed` and `map`."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk.concurrent import futures as ours
from tests.futures.kit import LIMIT, Gate, Started

if TYPE_CHECKING:
    from types import ModuleType


def made(futures: ModuleType, *outcomes: object) -> list[Any]:
    """Futures: None is pending, an exception a failure, "cancelled" one whose turn has come."""
    result = []
    for outcome in outcomes:
        future = futures.Future()
        if outcome == "cancelled":
            future.cancel()
            future.set_running_or_notify_cancel()
        elif outcome == "cancelling":
            future.cancel()
        elif isinstance(outcome, BaseException):
            future.set_exception(outcome)
        elif outcome is not None:
            future.set_result(outcome)
        result.append(future)
    return result


@pytest.mark.parametrize(
    ("when", "outcomes", "done"),
    [
        ("ALL_COMPLETED", [1, 2, "cancelled", OSError()], 4),
        ("ALL_COMPLETED", [], 0),
        ("ALL_COMPLETED", [1, None], 1),
        ("ALL_COMPLETED", ["cancelling", 1], 1),
        ("FIRST_COMPLETED", [None, None, 1], 1),
        ("FIRST_COMPLETED", ["cancelling", None], 0),
        ("FIRST_EXCEPTION", [None, OSError()], 1),
        ("FIRST_EXCEPTION", [None, 1, "cancelled"], 2),
    ],
)
def test_what_is_done(futures: ModuleType, when: str, outcomes: list[object], done: int) -> None:
    all_of_them = made(futures, *outcomes)
    result = futures.wait([*all_of_them, *all_of_them], timeout=0.001, return_when=when)
    assert type(result).__name__ == "DoneAndNotDoneFutures"
    assert result.done | result.not_done == set(all_of_them)
    assert len(result.done) == done
    assert type(result.done) is type(result.not_done) is set
    assert (result[0], result[1]) == (result.done, result.not_done)


def test_a_condition_that_there_is_not(futures: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^Invalid return condition: 'SOMETIME'$"):
        futures.wait(made(futures, None), return_when="SOMETIME")
    assert futures.wait(made(futures, 1), return_when="SOMETIME").not_done == set()


def test_its_module(futures: ModuleType) -> None:
    assert futures.wait.__module__ == futures.as_completed.__module__ == "concurrent.futures._base"


def test_any_iterable(futures: ModuleType) -> None:
    (future,) = made(futures, 1)
    assert futures.wait(iter([future])).done == {future}
    assert list(futures.as_completed(itertools.repeat(future, 3))) == [future]
    with pytest.raises(TypeError):
        futures.wait(3)


@pytest.mark.parametrize("when", ["ALL_COMPLETED", "FIRST_EXCEPTION", "FIRST_COMPLETED"])
@pytest.mark.parametrize("moves", [False, True])
def test_a_wait_goes_on_until_it_is_so(when: str, moves: bool) -> None:
    waiting = made(ours, None, None, None)
    call = Started(lambda: ours.wait(waiting, return_when=when)).until_blocked()
    if moves:
        assert waiting[1]._waiters is not None
    waiting[0].set_result(1)
    expected = {waiting[0]}
    if when != "FIRST_COMPLETED":
        waiting[1].set_exception(OSError())
        expected.add(waiting[1])
    if when == "ALL_COMPLETED":
        waiting[2].cancel()
        waiting[2].set_running_or_notify_cancel()
        expected.add(waiting[2])
    result: Any = call.result()
    assert result.done == expected
    assert result.not_done == set(waiting) - expected


def test_futures_of_both_kinds() -> None:
    import concurrent.futures

    (mine,) = made(ours, None)
    (theirs,) = made(concurrent.futures, 1)
    result = ours.wait([mine, theirs], timeout=0.001)
    assert (result.done, result.not_done) == ({theirs}, {mine})
    mine.set_result(2)
    assert set(ours.as_completed([mine, theirs])) == {mine, theirs}
    assert concurrent.futures.wait([mine, theirs]).done == {mine, theirs}


def test_as_they_complete() -> None:
    pending = made(ours, None, None, None)
    (done,) = made(ours, 1)
    order = ours.as_completed([*pending, done])
    assert next(order) is done
    for future in (pending[2], pending[0]):
        following = Started(lambda: next(order)).until_blocked()
        future.set_result(1)
        assert following.result() is future
    # Done before it is asked for.
    pending[1].cancel()
    pending[1].set_running_or_notify_cancel()
    assert list(order) == [pending[1]]


def test_one_that_moves_while_it_is_waited_for() -> None:
    pending = made(ours, None, None)
    order = ours.as_completed(pending)
    following = Started(lambda: next(order)).until_blocked()
    assert pending[0]._waiters is not None
    pending[1].set_result(1)
    assert following.result() is pending[1]
    pending[0].set_result(2)
    assert list(order) == [pending[0]]


def test_the_time_is_up(futures: ModuleType) -> None:
    all_of_them = made(futures, 1, None, "cancelled", None, None)
    order = futures.as_completed(all_of_them, timeout=0.01)
    assert {next(order), next(order)} == {all_of_them[0], all_of_them[2]}
    with pytest.raises(futures.TimeoutError, match=r"^3 \(of 5\) futures unfinished$"):
        next(order)
    with pytest.raises(TypeError):
        next(futures.as_completed(all_of_them, timeout="soon"))


def test_what_was_given_out_can_be_freed(futures: ModuleType) -> None:
    all_of_them = made(futures, 1, 2, 3)
    for future in futures.as_completed(set(all_of_them)):
        all_of_them.remove(future)
        gone = weakref.ref(future)
        del future
        gc.collect()
        assert gone() is None


def test_a_wait_leaves_nothing_behind(futures: ModuleType) -> None:
    (future,) = made(futures, None)
    for _ in range(100):
        futures.wait([future], timeout=0)
        with pytest.raises(futures.TimeoutError):
            next(futures.as_completed([future], timeout=0))
    assert future._waiters == []


# map


def test_map(futures: ModuleType) -> None:
    with futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(pow, range(10), itertools.repeat(2))) == [n * n for n in range(10)]
        assert list(pool.map(pow, [], [])) == []
        results = pool.map(divmod, [4, 1, 6], [2, 0, 3], timeout=10)
        assert next(results) == (2, 0)
        with pytest.raises(ZeroDivisionError):
            next(results)
        with pytest.raises(StopIteration):
            next(results)


@pytest.mark.parametrize("timeout", [1e300, float("inf")])
def test_a_timeout_is_judged_by_who_waits(futures: ModuleType, timeout: float) -> None:
    gate = Gate()
    with futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(abs, -1)
        assert done.result(LIMIT) == 1
        assert list(futures.as_completed([done], timeout)) == [done]
        results = pool.map(gate, [1, 2], timeout=timeout)
        with pytest.raises(OverflowError):
            next(results)
        gate.open()
        late = pool.submit(gate)
        assert late.result(LIMIT) is None
        gate = Gate()
        with pytest.raises(OverflowError):
            list(futures.as_completed([pool.submit(gate)], timeout))
        gate.open()


def test_a_map_takes_what_is_added_to_a_time(futures: ModuleType) -> None:
    """A lock would refuse it, but nothing is waited for."""

    class Seconds:
        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def __add__(self, other: float) -> Seconds:
            return Seconds(self.seconds + other)

        def __sub__(self, other: float) -> Seconds:
            return Seconds(self.seconds - other)

        def __float__(self) -> float:
            return self.seconds

    class AtOnce(futures.Executor):  # type: ignore[misc,name-defined]
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            (future,) = made(futures, fn(*args, **kwargs))
            return future

    assert list(AtOnce().map(abs, [-1, -2], timeout=Seconds(LIMIT))) == [1, 2]


def test_a_task_of_a_map_that_raises_stop_iteration(futures: ModuleType) -> None:
    """It is not the end of the results."""
    with futures.ThreadPoolExecutor(1) as pool:
        results = pool.map(next, [iter("a"), iter(""), iter("b")])
        assert next(results) == "a"
        with pytest.raises(RuntimeError, match="generator raised StopIteration") as caught:
            next(results)
        assert isinstance(caught.value.__cause__, StopIteration)
        assert caught.value.__context__ is caught.value.__cause__
        assert list(results) == []


def test_closing_a_map_cancels_the_rest(futures: ModuleType) -> None:
    gate = Gate()
    begun: list[int] = []
    with futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(gate)
        results = pool.map(begun.append, range(5), timeout=0.01)
        with pytest.raises(futures.TimeoutError):
            next(results)
        results.close()
        gate.open()
        first.result()
    assert begun == []


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_buffer_bounds_what_is_taken(size: int) -> None:
    taken: list[int] = []

    def numbers() -> Any:  # noqa: ANN401
        for number in range(6):
            taken.append(number)
            yield number

    with ours.ThreadPoolExecutor(2) as pool:
        results = pool.map(abs, numbers(), buffersize=size)
        assert len(taken) == min(size, 6)
        for index in range(6):
            assert next(results) == index
            assert len(taken) == min(size + index + 1, 6)
        with pytest.raises(StopIteration):
            next(results)


def test_sizes_that_there_are_not() -> None:
    with ours.ThreadPoolExecutor(1) as pool:
        with pytest.raises(TypeError, match=r"^buffersize must be an integer or None$"):
            pool.map(abs, [1], buffersize=1.5)
        with pytest.raises(ValueError, match=r"^buffersize must be None or > 0$"):
            pool.map(abs, [1], buffersize=0)


def test_a_buffered_map_does_not_keep_the_pool_alive() -> None:
    pool = ours.ThreadPoolExecutor(1)
    results = pool.map(abs, [-1, -2, -3], buffersize=1)
    gone = weakref.ref(pool)
    del pool
    gc.collect()
    assert gone() is None
    assert list(results) == [1]
