"""Steps aside for gevent and eventlet, which put greenlets in the place of threads.

Their monkey patching makes the stdlib's `threading`, `_thread` and `queue` switch greenlets where
they would block, by replacing the parts that those are made of. Ours wait in Rust, where nothing
can be replaced: every wait would stop the whole loop. So the stdlib gets its names back just
before such a library patches the threads, and the program goes on as it would without Ropewalk.
Importing these libraries, or patching all but the threads, changes nothing.

Loaded only by programs that import one of them.
"""

from __future__ import annotations

import _thread
import sys
from functools import wraps
from importlib import import_module

from ropewalk import _install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, ParamSpec, TypeVar

    _P = ParamSpec("_P")
    _R = TypeVar("_R")


# What imports of these modules need


class _Loader:
    """Runs a library's module with its own loader, then wraps the entries of its patching."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        value: object = getattr(self._loader, name)
        return value

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # From here on nobody needs to know that we were here.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        wrap(module)


def watched(spec: ModuleSpec) -> ModuleSpec:
    """The same, with a loader that wraps what the module has."""
    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
    return spec


def wrap(module: ModuleType) -> None:
    """Have a library's module tell us before it patches threads."""
    if module.__name__ == "gevent.monkey":
        # `patch_all()` calls it as well, unless it is told `thread=False`.
        _wrap(module, "patch_thread", _after_giving_back)
        return
    _wrap(module, "monkey_patch", _after_giving_back)
    package = sys.modules.get("eventlet")
    if package is not None and hasattr(package, "monkey_patch"):
        # Imported before us.
        _wrap(package, "monkey_patch", _after_giving_back)
    # Both run a module anew, and what they make of `threading` and `queue` has to be the stdlib's:
    # the copies that eventlet's hub and its thread pool work with, and the green ones.
    for name in ("original", "inject"):
        _wrap(module, name, _on_the_stdlib)


def _wrap(module: ModuleType, name: str, wrapper: Callable[[Any], Any]) -> None:
    function = getattr(module, name, None)
    if _install._current is not None and callable(function):
        _install._current.patch(module, name, wrapper(function))


def _after_giving_back(function: Callable[_P, _R]) -> Callable[_P, _R]:
    @wraps(function)
    def patch(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if function.__name__ != "monkey_patch" or _wants_threads(kwargs):
            give_back()
        return function(*args, **kwargs)

    return patch


def _wants_threads(on: dict[str, object]) -> bool:
    """Whether `eventlet.monkey_patch(**on)` includes threads: by its name, or by default."""
    default = on.get("all")
    if default is None:
        default = True not in on.values()
    return bool(on.get("thread", default))


def _on_the_stdlib(function: Callable[_P, _R]) -> Callable[_P, _R]:
    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        installation = _install._current
        if installation is None:
            return function(*args, **kwargs)
        before = installation.finder.aside
        installation.finder.aside = _thread.get_ident()
        try:
            return function(*args, **kwargs)
        finally:
            installation.finder.aside = before

    return run


def patched_by() -> str:
    """The library that has patched the threads of this process, or an empty string."""
    gevent = sys.modules.get("gevent.monkey")
    patched = getattr(gevent, "is_module_patched", None)
    if patched is not None and (patched("threading") or patched("_thread")):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if getattr(eventlet, "already_patched", {}).get("thread"):
        return "eventlet"
    return ""


# Giving back


def give_back() -> None:
    """`uninstall()`, and for modules that were imported meanwhile the stdlib's objects instead.

    Under `ropewalk run` these are all modules that there are. Without Ropewalk they would hold what
    the library is about to patch.
    """
    installation = _install._current
    if installation is None:
        return
    names = [name for name in _install._MODULES if f"ropewalk.{name}" in sys.modules]
    # A module of that package whose code is the stdlib's own, but which runs on ours.
    names += [
        name
        for name in sys.modules
        if name.startswith(f"{_install._FUTURES}.") and name not in _install._MODULES
    ]
    ours = {name: sys.modules.get(f"ropewalk.{name}", sys.modules.get(name)) for name in names}
    builtins = installation.patched
    _install.uninstall()
    back = _Counterparts()
    for name, module in ours.items():
        if module is not None:
            back.add_module(module, import_module(name))
    for _, name, old, new in builtins:
        back.add(name, new, old)
    for namespace in _namespaces():
        back.put_into(namespace)
    if "threading" in ours:
        _hand_over_threads(back)
    _renew_the_locks_of_logging()


class _Counterparts:
    """What the stdlib has in place of each object of ours."""

    def __init__(self) -> None:
        # One object of ours may stand for several of theirs: `allocate_lock` is a function and
        # `LockType` a class. So the name counts first.
        self._by_name: dict[tuple[int, str], object] = {}
        self._by_identity: dict[int, object] = {}

    def add_module(self, ours: ModuleType, theirs: ModuleType) -> None:
        if ours is theirs:
            return
        self._by_identity[id(ours)] = theirs
        stdlib = vars(theirs)
        for name, value in sorted(vars(ours).items(), key=lambda item: item[0].startswith("_")):
            if callable(value) and not name.startswith("__") and name in stdlib:
                self.add(name, value, stdlib[name])

    def add(self, name: str, ours: object, theirs: object) -> None:
        if ours is theirs or not callable(theirs):
            return
        self._by_name[id(ours), name] = theirs
        self._by_identity.setdefault(id(ours), theirs)

    def of(self, value: object, name: str = "") -> object:
        """The stdlib's, or the value itself where it is none of ours."""
        found = self._by_name.get((id(value), name))
        return self._by_identity.get(id(value), value) if found is None else found

    def put_into(self, namespace: dict[str, object]) -> None:
        for name, value in list(namespace.items()):
            theirs = self.of(value, name)
            if theirs is not value:
                namespace[name] = theirs


def _namespaces() -> Iterator[dict[str, object]]:
    for name, module in list(sys.modules.items()):
        namespace = getattr(module, "__dict__", None)
        if name.split(".")[0] != "ropewalk" and isinstance(namespace, dict):
            yield namespace


def _hand_over_threads(back: _Counterparts) -> None:
    """The main thread's name, and classes of threads of which there is no thread yet."""
    import threading

    ours = sys.modules["ropewalk.threading"]
    if ours._main_thread._name != "MainThread":
        threading.main_thread().name = ours._main_thread._name
    existing = list(ours._dangling)
    for base in (ours.Thread, ours.Timer, ours._DummyThread):
        for kind in base.__subclasses__():
            if kind.__module__ == ours.__name__ or any(isinstance(it, kind) for it in existing):
                continue
            try:
                kind.__bases__ = tuple(back.of(each) for each in kind.__bases__)
            except TypeError:
                # Another layout: it stays a class of ours.
                continue


def _renew_the_locks_of_logging() -> None:
    """Where they are free, so that the library can do with them what it does without us."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    import threading

    kind = sys.modules["ropewalk._ropewalk"].RLock
    handlers = [refers() for refers in getattr(logging, "_handlerList", ())]
    for holder, name in ((logging, "_lock"), *((handler, "lock") for handler in handlers)):
        lock: Any = getattr(holder, name, None)
        if type(lock) is kind and not lock._is_owned():
            setattr(holder, name, threading.RLock())
