"""Ropewalk: Python's `threading`, `queue` and `concurrent.futures` on one wait point in Rust.

Run an unmodified program on it::

    ropewalk run app.py

or take the modules by name::

    from ropewalk import inspect, queue, threading
    from ropewalk.concurrent import futures

and `ropewalk.futures` for pools with bounds, time limits, priorities and more.

Importing `ropewalk` costs next to nothing: everything below is loaded when it is first used.

PYTEST_DONT_REWRITE: pytest would warn that it comes too late for the assertions of a package that
has a plugin and is imported already, as it is under `ropewalk run`; there are none in here.
"""

from __future__ import annotations

import _thread
import atexit as _atexit
import sys as _sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ropewalk import concurrent, futures, queue, threading
    from ropewalk._install import InstallReport, install, uninstall
    from ropewalk._ropewalk import (
        DeadlockError,
        __version__,
        blocked_threads,
        set_deadlock_mode,
        set_lock_order,
    )

__all__ = [
    "DeadlockError",
    "InstallReport",
    "__version__",
    "blocked_threads",
    "concurrent",
    "futures",
    "inspect",
    "install",
    "queue",
    "set_deadlock_mode",
    "set_lock_order",
    "threading",
    "uninstall",
]

_FROM_INSTALL = ("InstallReport", "install", "uninstall")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name in ("concurrent", "futures", "inspect", "queue", "threading"):
        return import_module(f"{__name__}.{name}")
    source = "_install" if name in _FROM_INSTALL else "_ropewalk"
    value: object = getattr(import_module(f"{__name__}.{source}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _in_the_extension(function: str) -> None:
    # Nothing to tell an extension that was never loaded.
    extension = _sys.modules.get(f"{__name__}._ropewalk")
    if extension is not None:
        getattr(extension, function)()


def _at_exit() -> None:
    threading = _sys.modules.get(f"{__name__}.threading")
    try:
        if threading is not None:
            threading._join_late_threads()
    finally:
        # Also after Ctrl-C, or when a thread could never end: no thread of ours may come for the
        # interpreter when that is gone.
        _in_the_extension("prepare_exit")


def _is_main_interpreter() -> bool:
    known = getattr(_thread, "_is_main_interpreter", None)
    if known is not None:
        return bool(known())
    # CPython 3.11
    import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]

    return bool(interpreters.get_current() == interpreters.get_main())


if _is_main_interpreter():
    # Here and not where it is first needed: exit functions run last in, first out, so the
    # program's own still have everything.
    _atexit.register(_at_exit)
else:
    # The extension belongs to the main interpreter, and would refuse to load *there* if it were
    # tried here first. So here the names lead to the stdlib's own modules.
    for _name in ("queue", "threading"):
        _sys.modules[f"{__name__}.{_name}"] = __import__(_name)
