"""Drop-in `concurrent.futures`: what CPython 3.11 to 3.15 have, on every version.

Futures and thread pools are Ropewalk's; process pools (and from Python 3.14 on interpreter pools)
are the stdlib's own code, working on these futures.
"""

from __future__ import annotations

import sys as _sys

from ropewalk import _stdlib
from ropewalk._ropewalk import wait
from ropewalk.concurrent.futures._base import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    InvalidStateError,
    TimeoutError,  # noqa: A004 - the stdlib's name
    as_completed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures.process import ProcessPoolExecutor

    from ropewalk.concurrent.futures.thread import ThreadPoolExecutor

__author__ = "Brian Quinlan (brian@sweetapp.com)"

__all__: tuple[str, ...] = (  # noqa: RUF022 - in the stdlib's order
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "ALL_COMPLETED",
    "CancelledError",
    "TimeoutError",
    "InvalidStateError",
    "BrokenExecutor",
    "Future",
    "Executor",
    "wait",
    "as_completed",
    "ProcessPoolExecutor",
    "ThreadPoolExecutor",
)

_MODULES = {"ProcessPoolExecutor": "process", "ThreadPoolExecutor": "thread"}
if _stdlib.has("concurrent.futures.interpreter"):
    _MODULES["InterpreterPoolExecutor"] = "interpreter"
    __all__ = (*__all__[:-2], "InterpreterPoolExecutor", *__all__[-2:])


def __getattr__(name: str) -> object:
    global __all__
    if name == "InterpreterPoolExecutor" and not _has_interpreters():
        # The stdlib's module looks when it is imported; this one may have been long before.
        _MODULES.pop(name, None)
        __all__ = tuple(each for each in __all__ if each != name)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    # Where this package has the stdlib's name, what is below it is the stdlib's own files.
    stdlib_name = "concurrent.futures"
    installed = _sys.modules.get(stdlib_name) is _sys.modules[__package__ or ""]
    package = stdlib_name if installed else __package__
    value: object = getattr(import_module(f"{package}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def _has_interpreters() -> bool:
    try:
        import _interpreters  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ImportError:
        return False
    return True


def __dir__() -> tuple[str, ...]:
    return (*__all__, "__author__", "__doc__")
