"""Drop-in `concurrent.futures._base`: futures, and waiting for them.

As long as a program uses a future's methods only, its state is in the core in Rust. A future
whose `_condition`, `_state`, `_waiters` ... is touched or set, and one of a class that overrides
`_invoke_callbacks`, gets what CPython's have: real attributes under a real condition, on which
CPython's own methods work. Everybody who waits for it moves along.

The exceptions and the constants are the stdlib's own objects.
"""

from __future__ import annotations

import collections
import itertools
import threading  # noqa: F401 - the stdlib's module has it
import time
import types  # noqa: F401 - the same
import weakref
from types import FunctionType

from ropewalk import _futures_stock
from ropewalk._completed import Lazy, completed
from ropewalk._ropewalk import Future as _NativeFuture
from ropewalk._ropewalk import _AsCompleted, _Results, wait
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias, TypeVar

    _T = TypeVar("_T")
    _F = TypeVar("_F")
    AnyFuture: TypeAlias = _NativeFuture[Any]
else:
    # Only to be subscripted with: importing `typing` for that would cost more than all the rest.
    _T = object

# The stdlib's own name: what is defined below carries it, as pickles and reprs expect.
__name__ = "concurrent.futures._base"
__author__ = "Brian Quinlan (brian@sweetapp.com)"

_stock = _futures_stock._base

FIRST_COMPLETED: str = _stock.FIRST_COMPLETED
FIRST_EXCEPTION: str = _stock.FIRST_EXCEPTION
ALL_COMPLETED: str = _stock.ALL_COMPLETED
PENDING: str = _stock.PENDING
RUNNING: str = _stock.RUNNING
CANCELLED: str = _stock.CANCELLED
CANCELLED_AND_NOTIFIED: str = _stock.CANCELLED_AND_NOTIFIED
FINISHED: str = _stock.FINISHED
LOGGER = _stock.LOGGER

Error: type[Exception] = _stock.Error
CancelledError: type[Exception] = _stock.CancelledError
TimeoutError: type[Exception] = _stock.TimeoutError  # noqa: A001 - the stdlib's name
InvalidStateError: type[Exception] = _stock.InvalidStateError
BrokenExecutor: type[RuntimeError] = _stock.BrokenExecutor

DoneAndNotDoneFutures = _stock.DoneAndNotDoneFutures
wait.__module__ = __name__


def __getattr__(name: str) -> object:
    """The privates, such as `_AcquireFutures` and `_Waiter`: they work on any future."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return vars(_stock)[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


_PARTS = frozenset({"_condition", "_state", "_result", "_exception", "_waiters", "_done_callbacks"})
# The core calls the callbacks itself.
_MOVES = _PARTS | {"_invoke_callbacks"}


@completed
class Future(_NativeFuture[_T]):
    """Represents the result of an asynchronous computation."""

    _condition: Any = Lazy("_condition")
    _state: Any = Lazy("_state", _NativeFuture._ropewalk_peek_state)
    _result: Any = Lazy("_result", _NativeFuture._ropewalk_peek_result)
    _exception: Any = Lazy("_exception", _NativeFuture._ropewalk_peek_exception)
    _waiters: Any = Lazy("_waiters")
    _done_callbacks: Any = Lazy("_done_callbacks")

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; the first time that it is one of CPython's own, all become real."""
        if name in _MOVES:
            self._ropewalk_inflate()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        """Delete an attribute."""
        if name in _MOVES:
            self._ropewalk_inflate()
        object.__delattr__(self, name)

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        """Give what CPython's futures have, for copies; a pickle of it is refused by the lock."""
        self._ropewalk_inflate()
        return _futures_stock.new, (type(self),), self.__dict__

    def __setstate__(self, state: dict[str, object]) -> None:
        """Become a copy."""
        self._ropewalk_inflate()
        self.__dict__.update(state)


# Private methods by which CPython's own call each other, of whatever name in this version.
for _name, _value in vars(_stock.Future).items():
    if isinstance(_value, FunctionType) and not hasattr(Future, _name):
        setattr(Future, _name, _value)
del _name, _value


def as_completed(fs: Iterable[_F], timeout: float | None = None) -> Iterator[_F]:
    """An iterator over the given futures that yields each as it completes.

    Args:
        fs: The sequence of Futures (possibly created by different Executors) to
            iterate over.
        timeout: The maximum number of seconds to wait. If None, then there
            is no limit on the wait time.

    Returns:
        An iterator that yields the given Futures as they complete (finished or
        cancelled). If any given Futures are duplicated, they will be returned
        once.

    Raises:
        TimeoutError: If the entire result iterator could not be generated
            before the given timeout.
    """
    if timeout is not None:
        # As the stdlib does: what cannot be added to a time is refused by that.
        timeout = (timeout + time.monotonic()) - time.monotonic()
    completed_ones = _AsCompleted(set(fs), timeout)
    # It alone refers to them: those that were given out can be freed.
    del fs
    yield from completed_ones


def _result_or_cancel(fut: AnyFuture, timeout: float | None = None) -> object:
    try:
        try:
            return fut.result(timeout)
        finally:
            fut.cancel()
    finally:
        # Breaks a cycle: the exception refers to this frame.
        del fut


def _in_order(results: _Results[_T]) -> Iterator[_T]:
    try:
        yield from results
    finally:
        results._cancel()


if TYPE_CHECKING:
    from typing import Any as _StockExecutor
else:
    _StockExecutor = _stock.Executor


class Executor(_StockExecutor):  # type: ignore[misc]
    """This is an abstract base class for concrete asynchronous executors."""

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[_T]:
        """Returns an iterator equivalent to map(fn, iter).

        Args:
            fn: A callable that will take as many arguments as there are
                passed iterables.
            timeout: The maximum number of seconds to wait. If None, then there
                is no limit on the wait time.
            chunksize: The size of the chunks the iterable will be broken into
                before being passed to a child process. This argument is only
                used by ProcessPoolExecutor; it is ignored by
                ThreadPoolExecutor.
            buffersize: The number of submitted tasks whose results have not
                yet been yielded. If the buffer is full, iteration over the
                iterables pauses until a result is yielded from the buffer.
                If None, all input elements are eagerly collected, and a task is
                submitted for each.

        Returns:
            An iterator equivalent to: map(func, *iterables) but the calls may
            be evaluated out-of-order.

        Raises:
            TimeoutError: If the entire result iterator could not be generated
                before the given timeout.
            Exception: If fn(*args) raises for any values.
        """
        if buffersize is not None:
            if not isinstance(buffersize, int):
                raise TypeError("buffersize must be an integer or None")
            if buffersize < 1:
                raise ValueError("buffersize must be None or > 0")
        end_time = None if timeout is None else timeout + time.monotonic()
        submit = self.submit
        tasks = zip(*iterables)  # noqa: B905 - the shortest one ends it
        if buffersize is None:
            futures = [submit(fn, *args) for args in tasks]
            left = None if end_time is None else end_time - time.monotonic()
            return _in_order(_Results(futures, left))
        first = collections.deque(submit(fn, *args) for args in itertools.islice(tasks, buffersize))
        # The iterator does not keep the executor alive.
        return _buffered(first, weakref.ref(self), fn, tasks, end_time)


def _buffered(
    futures: collections.deque[AnyFuture],
    executor_reference: weakref.ref[Executor],
    fn: Callable[..., _T],
    tasks: Iterator[tuple[Any, ...]],
    end_time: float | None,
) -> Iterator[Any]:
    try:
        while futures:
            executor = executor_reference()
            if executor is not None:
                args = next(tasks, None)
                if args is not None:
                    futures.append(executor.submit(fn, *args))
                del args
            del executor
            if end_time is None:
                yield _result_or_cancel(futures.popleft())
            else:
                yield _result_or_cancel(futures.popleft(), end_time - time.monotonic())
    finally:
        for future in futures:
            future.cancel()


unannotated(globals())
del TYPE_CHECKING, unannotated
