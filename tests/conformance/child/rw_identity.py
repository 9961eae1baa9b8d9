"""Tell Ropewalk's objects from the standard library's.

The question is put to the object itself and not to the way it was installed: a class is Ropewalk's
when it, or a class that it is built on, comes out of the extension module or out of a source file
of the package. So it does not matter whether names were patched in place or whole modules were
replaced, nor what a class calls itself.
"""

from __future__ import annotations

import os
import sys
import types
from typing import Final

OURS: Final = "ropewalk"
STOCK: Final = "stock"
OTHER: Final = "other"
SIDE = ""  # the side that the runner asked this process for; "" in children that tests start

THREADING_NAMES: Final = (
    "Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier",
    "Thread", "Timer", "_CRLock", "_PyRLock", "_allocate_lock",
)  # fmt: skip
THREAD_NAMES: Final = ("allocate_lock", "allocate", "LockType", "RLock", "lock")
QUEUE_NAMES: Final = ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "_PySimpleQueue")
C_QUEUE_NAMES: Final = ("SimpleQueue",)
FUTURES_NAMES: Final = ("Future", "ThreadPoolExecutor")
FAMILIES: Final = {
    "threading": THREADING_NAMES,
    "_thread": THREAD_NAMES,
    "queue": QUEUE_NAMES,
    "_queue": C_QUEUE_NAMES,
    "concurrent.futures": FUTURES_NAMES,
}
NEEDED_ARGUMENTS: Final[dict[str, tuple[object, ...]]] = {"Barrier": (1,), "Timer": (1.0, len)}

_STOCK_MODULES: Final = frozenset(FAMILIES) | {
    "concurrent.futures._base",
    "concurrent.futures.thread",
}


def _from_package(cls: type) -> bool:
    extension = sys.modules.get("ropewalk._ropewalk")
    if extension is not None and any(cls is value for value in vars(extension).values()):
        return True
    package = sys.modules.get("ropewalk")
    if package is None or not getattr(package, "__file__", None):
        return False
    folder = os.path.dirname(os.path.abspath(str(package.__file__))) + os.sep
    for value in vars(cls).values():
        code = getattr(getattr(value, "__func__", value), "__code__", None)
        if isinstance(code, types.CodeType) and os.path.abspath(code.co_filename).startswith(
            folder
        ):
            return True
    return False


def classify_class(cls: type) -> str:
    """Say whose class this is: OURS, STOCK, or OTHER (neither has a part in it).

    A class of the test's own that inherits from ours counts as ours.
    """
    if any(_from_package(base) for base in cls.__mro__ if base is not object):
        return OURS
    if any(base.__module__ in _STOCK_MODULES for base in cls.__mro__):
        return STOCK
    return OTHER


def classify(value: object, arguments: tuple[object, ...] = ()) -> str:
    """Say whose class a class is, or whose objects a factory such as `allocate_lock` makes."""
    if isinstance(value, type):
        return classify_class(value)
    if callable(value):
        return classify_class(type(value(*arguments)))
    return OTHER


def classify_module(
    module: types.ModuleType, names: tuple[str, ...] | None = None
) -> dict[str, str]:
    """Return {name: whose} for those names of a family that this module has."""
    if names is None:
        names = FAMILIES[module.__name__.removeprefix("ropewalk.")]
    return {
        name: classify(getattr(module, name), NEEDED_ARGUMENTS.get(name, ()))
        for name in names
        if getattr(module, name, None) is not None
    }


def classify_live() -> dict[str, str]:
    """Return {"module.name": whose} for what importing the four modules gives now.

    And for the futures that the test has loaded.
    """
    import _queue
    import _thread
    import queue
    import threading

    found: dict[str, str] = {}
    for family, module in (
        ("threading", threading),
        ("_thread", _thread),
        ("queue", queue),
        ("_queue", _queue),
    ):
        for name, whose in classify_module(module, FAMILIES[family]).items():
            found[f"{family}.{name}"] = whose
    # Only what the test has loaded: to look must not load more.
    futures = vars(sys.modules.get("concurrent.futures", object))
    for name in FUTURES_NAMES:
        if name in futures:
            found[f"concurrent.futures.{name}"] = classify(futures[name])
    return found
