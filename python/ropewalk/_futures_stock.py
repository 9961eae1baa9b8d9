"""CPython's own `concurrent.futures._base`, and what the extension needs of it.

Exceptions and constants are the stdlib's own objects: who catches its `CancelledError` catches
ours. Its `Future` does the work for futures whose parts a program has touched, and its `wait` and
`as_completed` for such futures and for those of others.
"""

import sys
import weakref

from ropewalk import _hosting, _stdlib

_base = _stdlib.module("concurrent.futures._base")
_names = vars(_base)

Future = _names["Future"]
wait = _names["wait"]
as_completed = _names["as_completed"]
DoneAndNotDoneFutures = _names["DoneAndNotDoneFutures"]
LOGGER = _names["LOGGER"]
CancelledError: type[Exception] = _names["CancelledError"]
InvalidStateError: type[Exception] = _names["InvalidStateError"]
TimeoutError: type[Exception] = _names["TimeoutError"]  # noqa: A001 - the stdlib's name


_faces: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


def class_of(cls: type, stock_name: str) -> type:
    """What `__class__` says of an instance of a class of ours.

    Used by its own name, beside the stdlib's, our class has a subclass that derives from the
    stdlib's as well, so that `isinstance()` holds for both. Installed, ours is the only one.
    """
    if _hosting.installed:
        return cls
    face = _faces.get(cls)
    if face is None:
        module, _, name = stock_name.partition(".")
        stock = getattr(sys.modules.get(f"concurrent.futures.{module}"), name, None)
        if stock is None or issubclass(cls, stock):
            return cls
        namespace = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        face = _faces[cls] = type(cls.__name__, (cls, stock), namespace)
    return face


def new(cls: type[object]) -> object:
    """A new instance, for copies."""
    return cls.__new__(cls)  # type: ignore[call-overload,unused-ignore]


def callback_raised(future: object, error: Exception) -> None:
    """Log what a done callback raised."""
    LOGGER.error("exception calling callback for %r", future, exc_info=error)


def unexpected_state(future: object, state: str) -> None:
    """Log that a future's turn came twice."""
    LOGGER.critical("Future %s in unexpected state: %s", id(future), state)


def worker_raised(error: BaseException) -> None:
    """Log what a thread of a pool met outside of a task."""
    LOGGER.critical("Exception in worker", exc_info=error)
