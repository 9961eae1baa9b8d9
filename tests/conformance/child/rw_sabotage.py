"""Put a deliberately wrong replacement under a name: the harness's own tests see it noticed.

`Semaphore` or any other name of `threading`: a class that never blocks. `queue.NAME=stock`: the
standard library's own class, as if the name had never been replaced.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import types


class NeverBlocks:
    """Stands for a lock or a semaphore, and lets everybody in at once."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        self._value = 1

    def acquire(self, *_args: object, **_kwargs: object) -> bool:
        return True

    def release(self, *_args: object, **_kwargs: object) -> None:
        return None

    def locked(self) -> bool:
        return False

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_args: object) -> None:
        return None


def _stock_queue() -> types.ModuleType:
    path = os.path.join(sysconfig.get_path("stdlib"), "queue.py")
    spec = importlib.util.spec_from_file_location("queue", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def break_name(name: str) -> None:
    """Replace one name, for as long as this process lives."""
    if name.endswith("=stock"):
        family, _, attribute = name.removesuffix("=stock").partition(".")
        if family != "queue":
            raise SystemExit(f"only queue's classes can be put back, not {name}")
        setattr(importlib.import_module("queue"), attribute, getattr(_stock_queue(), attribute))
    else:
        threading = importlib.import_module("threading")
        if not hasattr(threading, name):
            raise SystemExit(f"threading has no {name}")
        setattr(threading, name, NeverBlocks)
