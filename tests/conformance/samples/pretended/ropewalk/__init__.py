"""A stand-in for Ropewalk that behaves as the stock interpreter does, for the harness's own tests.

It replaces every name that the real one replaces, so what the harness asks of a replacement it can
ask of this.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import types
    from collections.abc import Sequence


class _FreshCopies(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives a module that is imported again the names of the live one."""

    def __init__(self, live: dict[str, dict[str, Any]]) -> None:
        self._live = live

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self) if name in self._live else None

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__.update(self._live[module.__name__])


def install() -> None:
    """Put the replacements under the standard library's names."""
    import _queue
    import _thread
    import concurrent.futures.thread
    import queue
    import threading

    ours: Any = importlib.import_module("ropewalk._ropewalk")
    names: Any = threading
    kinds = "Lock RLock Condition Semaphore BoundedSemaphore Event Barrier Thread Timer"
    for name in kinds.split():
        setattr(threading, name, getattr(ours, name))
    names._CRLock, names._PyRLock, names._allocate_lock = ours.RLock, ours._PyRLock, ours.Lock
    for name in ("allocate_lock", "allocate", "LockType", "lock"):
        if hasattr(_thread, name):
            setattr(_thread, name, ours.Lock)
    # A type checker lets a class be set only so.
    setattr(_thread, "RLock", ours.RLock)  # noqa: B010
    for name in ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"):
        setattr(queue, name, getattr(ours, name))
    setattr(queue, "_PySimpleQueue", ours.SimpleQueue)  # noqa: B010
    setattr(_queue, "SimpleQueue", ours.SimpleQueue)  # noqa: B010
    futures: Any = concurrent.futures
    futures.Future = futures._base.Future = ours.Future
    futures.ThreadPoolExecutor = futures.thread.ThreadPoolExecutor = ours.ThreadPoolExecutor
    copies = {
        module.__name__: {
            name: value for name, value in vars(module).items() if not name.startswith("__")
        }
        for module in (queue, _queue)
    }
    sys.meta_path.insert(0, _FreshCopies(copies))
