"""The standard library's own modules, also while ours have their names.

Imported at the start of every `ropewalk run`: it loads nothing that is not there anyway.
"""

import os
import sys
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import PathFinder

from ropewalk import _hosting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def _path(name: str) -> list[str]:
    return [os.path.join(os.path.dirname(os.__file__), *name.split(".")[:-1])]


def has(name: str) -> bool:
    """Whether the standard library of this version has a module of this name."""
    return PathFinder.find_spec(name, _path(name)) is not None


def find(name: str) -> "ModuleSpec":
    """Where the standard library has a module.

    Raises:
        ImportError: it has none of that name.
    """
    spec = PathFinder.find_spec(name, _path(name))
    if spec is None or spec.loader is None:
        raise ImportError(f"the standard library has no module {name!r}", name=name)
    return spec


def load(name: str) -> "ModuleType":
    """Run a module of the standard library anew, without a place in `sys.modules`."""
    spec = find(name)
    module = module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    return module


def module(name: str) -> "ModuleType":
    """The standard library's module, the one that the rest of the program has if possible."""
    origin = find(name).origin
    found = _hosting.replaced.get(name, sys.modules.get(name))
    if found is None and not _hosting.installed:
        try:  # noqa: SIM105 - contextlib is not loaded for this
            __import__(name)
        except ImportError:
            # A program's own module of that name, which fails.
            pass
        found = sys.modules.get(name)
    spec = None if found is None else object.__getattribute__(found, "__dict__").get("__spec__")
    if found is not None and spec is not None and spec.origin == origin:
        return found
    # Ours, or a program's own, has the name.
    return load(name)
