"""`threading`'s tools of CPython 3.15 for iterators that several threads read."""

# ruff: noqa: ANN401 - items are whatever the iterator gives
from __future__ import annotations

from ropewalk._ropewalk import Lock
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Any, ParamSpec

    _P = ParamSpec("_P")

__name__ = "threading"


class serialize_iterator:
    """Lets one thread at a time advance an iterator, so that each item goes to exactly one.

    `send()`, `throw()` and `close()` are there when the iterator has them, one at a time too.
    """

    __slots__ = ("_iterator", "_lock")

    def __init__(self, iterable: Iterable[Any]) -> None:
        """Raise TypeError when `iterable` is not iterable."""
        self._iterator = iter(iterable)
        self._lock = Lock()

    def __iter__(self) -> serialize_iterator:
        return self

    def __next__(self) -> Any:
        with self._lock:
            return next(self._iterator)

    def send(self, value: Any, /) -> Any:
        """Send a value into a generator."""
        send = self._iterator.send  # type: ignore[attr-defined]
        with self._lock:
            return send(value)

    def throw(self, *exception: type[BaseException] | BaseException | TracebackType) -> Any:
        """Raise an exception inside a generator."""
        throw = self._iterator.throw  # type: ignore[attr-defined]
        with self._lock:
            return throw(*exception)

    def close(self) -> Any:
        """Close a generator."""
        close = self._iterator.close  # type: ignore[attr-defined]
        with self._lock:
            return close()


def synchronized_iterator(
    func: Callable[_P, Iterable[Any]],
) -> Callable[_P, serialize_iterator]:
    """Have each iterator that `func` gives go through `serialize_iterator`; a decorator."""

    # Here: it is the only one of the module that needs functools, which takes long to import.
    from functools import wraps

    @wraps(func)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> serialize_iterator:
        return serialize_iterator(func(*args, **kwargs))

    return wrapper


class _Link:
    """A place in the stream: nothing yet, or the item there and the next place."""

    __slots__ = ("content",)

    def __init__(self) -> None:
        self.content: tuple[Any, _Link] | None = None


class _concurrent_tee:
    """One of the iterators of `concurrent_tee()`, for one thread at a time."""

    __slots__ = ("iterator", "link", "lock")

    def __init__(self, source: Any, lock: Lock, link: _Link) -> None:
        self.iterator = source
        self.lock = lock
        self.link = link

    def __iter__(self) -> _concurrent_tee:
        return self

    def __next__(self) -> Any:
        link = self.link
        if link.content is None:
            with self.lock:
                # Another of the iterators may have been faster.
                if link.content is None:
                    link.content = (next(self.iterator), _Link())
        item, self.link = link.content
        return item

    def __copy__(self) -> _concurrent_tee:
        return _concurrent_tee(self.iterator, self.lock, self.link)


def concurrent_tee(iterable: Iterable[Any], n: int = 2) -> tuple[_concurrent_tee, ...]:
    """As `itertools.tee()`: `n` iterators that each see every item, each for its own thread.

    An item is kept until all of them have passed it. To share one of them between threads, put
    it through `serialize_iterator`.

    Raises:
        ValueError: `n` is negative.
    """
    if n < 0:
        raise ValueError("n must be a non-negative integer")
    if n == 0:
        return ()
    first = (
        iterable.__copy__()
        if isinstance(iterable, _concurrent_tee)
        else _concurrent_tee(iter(iterable), Lock(), _Link())
    )
    return (first, *(first.__copy__() for _ in range(n - 1)))


unannotated(globals())
