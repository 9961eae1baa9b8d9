"""Puts Ropewalk under the stdlib's names, and takes it away again.

What is replaced: the modules `threading`, `queue` and `concurrent.futures` (for imports from now on
through a finder, for holders of the old module objects by forwarding), and the locks of `_thread`
and the `SimpleQueue` of `_queue`, in place. What cannot be reached are names that other modules
took out of those modules before (`from threading import Lock`), and objects made before.

The import system keeps CPython's own locks: it must work while Ropewalk itself is imported.
"""

from __future__ import annotations

import _thread
import os
import sys
from _frozen_importlib import ModuleSpec
from importlib import import_module

import ropewalk
from ropewalk import _hosting, _stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_MODULES = (
    "threading",
    "queue",
    "concurrent.futures",
    "concurrent.futures._base",
    "concurrent.futures.thread",
)
# Its other modules are the stdlib's files, run on ours.
_FUTURES = "concurrent.futures"
# What patches the stdlib's threads for greenlets: see `_cooperative`.
_COOPERATIVE = ("gevent.monkey", "eventlet.patcher")
# All of CPython 3.13: our Lock is pickled by reference as `_thread.lock`, as its is there.
_LOCK_NAMES = ("allocate_lock", "allocate", "LockType", "lock")


class InstallReport:
    """What `install()` did.

    Attributes:
        fallback: why the stdlib's own modules stay in use (a sub-interpreter, or threads that
            gevent or eventlet have patched), or an empty string when Ropewalk is in place.
        unreached: names in modules that were imported before, such as `mymodule.Lock`, which
            still lead to the stdlib's objects.
    """

    __slots__ = ("fallback", "unreached")

    def __init__(self, *, fallback: str = "", unreached: Sequence[str] = ()) -> None:
        """Hold what `install()` found."""
        self.fallback = fallback
        self.unreached = tuple(unreached)

    def __repr__(self) -> str:
        return f"InstallReport(fallback={self.fallback!r}, unreached={self.unreached!r})"


class _Loader:
    """Gives our live module for an import under the stdlib's name."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _our_module(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Nothing to do: the module has run under its own name."""


class _Finder:
    """Answers imports of the modules that are ours, first and repeated ones.

    Only where the stdlib's would have been found: a program's own `queue.py` comes first.
    """

    # The thread whose imports get the stdlib's own `threading` and `queue`, if there is one.
    aside = 0

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.startswith(f"{_FUTURES}."):
            # Below our package, whose path leads to our own files.
            return _our_spec(name) if name in _MODULES else _stdlib.find(name)
        if name in _COOPERATIVE:
            from ropewalk import _cooperative

            spec = self._find_elsewhere(name, path, target)
            return None if spec is None else _cooperative.watched(spec)
        if name not in _MODULES or self.aside == _thread.get_ident():
            return None
        spec = self._find_elsewhere(name, path, target)
        return _our_spec(name) if spec is not None and _is_stdlib(spec) else None

    def _find_elsewhere(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            if find_spec is None:
                continue
            spec: ModuleSpec | None = find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


def _our_module(name: str) -> ModuleType:
    module = import_module(f"ropewalk.{name}")
    # A package that says another name of itself would have `from package import module` look there:
    # it has the stdlib's only while it stands in its place.
    module.__name__ = name
    return module


def _our_spec(name: str) -> ModuleSpec:
    ours = ModuleSpec(name, _Loader(), origin=_our_file(name))  # type: ignore[arg-type]
    ours.has_location = True
    return ours


def _our_file(name: str) -> str:
    path = os.path.join(os.path.dirname(__file__), *name.split("."))
    return os.path.join(path, "__init__.py") if name == _FUTURES else f"{path}.py"


def _is_stdlib(spec: ModuleSpec) -> bool:
    stdlib = getattr(os, "__file__", None)
    if stdlib is None or spec.origin is None:
        return True
    package = spec.name.split(".") if spec.name == _FUTURES else ()
    return os.path.dirname(spec.origin) == os.path.join(os.path.dirname(str(stdlib)), *package)


_MISSING = object()


class _Installation:
    """All that `uninstall()` has to undo."""

    def __init__(self) -> None:
        self.finder = _Finder()
        self.patched: list[tuple[ModuleType, str, object, object]] = []
        self.replaced: dict[str, ModuleType] = {}
        # The import system's own `_thread`.
        self.kept_apart: ModuleType | None = None

    def patch(self, module: ModuleType, name: str, ours: object) -> None:
        """Replace or add one attribute."""
        old = getattr(module, name, _MISSING)
        if old is not ours:
            setattr(module, name, ours)
            self.patched.append((module, name, old, ours))


_current: _Installation | None = None


def install() -> InstallReport:
    """Put Ropewalk under the stdlib's names in this process.

    Modules that are imported from now on get it, and so does code that says `threading.Lock()`
    at run time. A second call changes nothing and gives the report anew. Python processes that
    the program starts are not covered, but for forks: that is what `ropewalk run` does.

    Returns:
        What could not be reached, or why nothing was done.
    """
    global _current
    if not ropewalk._is_main_interpreter():
        return InstallReport(fallback="a sub-interpreter keeps the stdlib's own modules")
    if _current is None:
        from ropewalk import _ropewalk

        cooperative = [sys.modules[name] for name in _COOPERATIVE if name in sys.modules]
        if cooperative:
            from ropewalk import _cooperative

            library = _cooperative.patched_by()
            if library:
                return InstallReport(fallback=f"{library} has patched the threads of this process")
        _current = _Installation()
        _ropewalk.set_reporter(_hosting.tell_of_deadlock)
        _hosting.installed = True
        _ropewalk._set_installed(True)
        _keep_import_system_apart(_current)
        _patch_builtins(_current, _ropewalk)
        for name in _MODULES:
            _take_place(_current, name)
        sys.meta_path.insert(0, _current.finder)
        for module in cooperative:
            _cooperative.wrap(module)
    return InstallReport(unreached=_unreached(_current))


def _keep_import_system_apart(installation: _Installation) -> None:
    bootstrap = sys.modules.get("_frozen_importlib")
    if bootstrap is not None and getattr(bootstrap, "_thread", None) is _thread:
        copy = type(sys)("_thread")
        vars(copy).update(vars(_thread))
        vars(bootstrap)["_thread"] = installation.kept_apart = copy


def _patch_builtins(installation: _Installation, ours: ModuleType) -> None:
    for name in _LOCK_NAMES:
        installation.patch(_thread, name, ours.Lock)
    installation.patch(_thread, "RLock", ours.RLock)
    try:
        import _queue
    except ImportError:
        return
    installation.patch(_queue, "SimpleQueue", ours.SimpleQueue)


def _take_place(installation: _Installation, name: str) -> None:
    """Make ours `sys.modules[name]` if there is one; a later import finds it otherwise."""
    old = sys.modules.get(name)
    if old is None:
        return
    ours = _our_module(name)
    if old is ours:
        return
    installation.replaced[name] = old
    _hosting.replaced[name] = old
    sys.modules[name] = ours
    package, _, attribute = name.rpartition(".")
    if package and getattr(sys.modules.get(package), attribute, None) is old:
        installation.patch(sys.modules[package], attribute, ours)
    old.__class__ = _forwarding_to(ours)


def _forwarding_to(ours: ModuleType) -> type[ModuleType]:
    """A class for an old module object: its attributes are those of our module.

    The old module's functions go on with its own globals, and `uninstall()` has only to give
    the old class back.
    """

    class ForwardedModule(type(sys)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> object:
            if name in ("__dict__", "__class__"):
                return super().__getattribute__(name)
            return getattr(ours, name)

        def __setattr__(self, name: str, value: object) -> None:
            if name == "__class__":
                super().__setattr__(name, value)
            else:
                setattr(ours, name, value)

        def __delattr__(self, name: str) -> None:
            delattr(ours, name)

        def __dir__(self) -> list[str]:
            return dir(ours)

        def __repr__(self) -> str:
            return repr(ours)

    return ForwardedModule


def _unreached(installation: _Installation) -> list[str]:
    """The names in other modules that hold an object which we have replaced."""
    ours: set[int] = set()
    old: dict[int, object] = {}
    for name, module in installation.replaced.items():
        new = vars(sys.modules[name]) if name in sys.modules else {}
        ours.update(map(id, new.values()))
        for attribute, value in vars(module).items():
            if attribute in new and new[attribute] is not value and callable(value):
                old[id(value)] = value
    for _, _, value, _ in installation.patched:
        if value is not _MISSING:
            old[id(value)] = value
    found = []
    for module_name, module in sorted(sys.modules.items()):
        if module in installation.replaced.values() or module_name.split(".")[0] == "ropewalk":
            continue
        if module_name in ("_thread", "_queue", "_frozen_importlib", "importlib._bootstrap"):
            continue
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict):
            continue
        found += [
            f"{module_name}.{attribute}"
            for attribute, value in list(names.items())
            if id(value) in old and id(value) not in ours
        ]
    return found


def _forget(name: str) -> None:
    """Take a module out of the import system, and the stdlib's below it that run on it."""
    for module_name in [name, *(each for each in sys.modules if each.startswith(f"{name}."))]:
        module = sys.modules.pop(module_name)
        package, _, attribute = module_name.rpartition(".")
        if vars(sys.modules.get(package, sys)).get(attribute) is module:
            delattr(sys.modules[package], attribute)


def uninstall() -> None:
    """Give the stdlib's names back to the stdlib.

    Threads that run, and modules that were imported while Ropewalk was in place, go on with it.
    Does nothing when it is not installed.
    """
    global _current
    installation = _current
    if installation is None:
        return
    _current = None
    if installation.finder in sys.meta_path:
        sys.meta_path.remove(installation.finder)
    for module, name, old, ours in reversed(installation.patched):
        # A patch that somebody laid over ours stays.
        if getattr(module, name, None) is ours:
            if old is _MISSING:
                delattr(module, name)
            else:
                setattr(module, name, old)
    bootstrap = vars(sys.modules.get("_frozen_importlib", sys))
    if bootstrap.get("_thread", sys) is installation.kept_apart:
        bootstrap["_thread"] = _thread
    for name in _MODULES:
        replaced = installation.replaced.get(name)
        if replaced is not None:
            object.__setattr__(replaced, "__class__", type(sys))
        mine = sys.modules.get(f"ropewalk.{name}")
        if mine is not None and sys.modules.get(name) is mine:
            if replaced is None:
                _forget(name)
            else:
                sys.modules[name] = replaced
        if mine is not None and name == _FUTURES:
            mine.__name__ = f"ropewalk.{name}"
    _hosting.installed = False
    sys.modules["ropewalk._ropewalk"]._set_installed(False)
    _hosting.replaced.clear()
    threading = sys.modules.get("ropewalk.threading")
    if threading is not None:
        _hosting.join_at_stdlib_exit(threading._shutdown)
