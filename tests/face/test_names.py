"""What the module offers, against the stdlib's of this version."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading as stdlib
import typing
from types import FunctionType
from typing import TYPE_CHECKING

import pytest

import ropewalk
from ropewalk import queue
from ropewalk import threading as ours
from ropewalk._thread_kinds import _DummyThread, _MainThread
from ropewalk.concurrent import futures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

# New in CPython 3.12 and 3.15: here on every version.
NEWER = {
    "setprofile_all_threads",
    "settrace_all_threads",
    "serialize_iterator",
    "synchronized_iterator",
    "concurrent_tee",
}
# The classes in C have no signature in the stdlib, or one that says less.
CLASSES = ("Thread", "Timer", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier")


def test_all_of_the_stdlib_s_names_and_no_others() -> None:
    assert set(ours.__all__) == {*stdlib.__all__, *NEWER}
    assert [name for name in ours.__all__ if not hasattr(ours, name)] == []
    public = {name for name in dir(stdlib) if not name.startswith("_")} - {
        "warnings",
        "functools",
        "WeakSet",
    }
    assert public <= set(dir(ours))


def members(module: ModuleType) -> Iterator[object]:
    for name in module.__all__:
        value = getattr(module, name)
        yield value
        if isinstance(value, type):
            yield from (getattr(value, each, None) for each in vars(value))


@pytest.mark.parametrize("module", [ours, queue, futures], ids=lambda it: it.__name__)
def test_no_annotations_that_cannot_be_evaluated(module: ModuleType) -> None:
    """The stdlib's has none."""
    kinds = [_DummyThread, _MainThread]
    more = [*kinds, *(value for kind in kinds for value in vars(kind).values())]
    for value in [*members(module), *more]:
        if not callable(value):
            continue
        if isinstance(value, (type, FunctionType)):
            typing.get_type_hints(value)
        try:
            inspect.signature(value, eval_str=True)
        except ValueError as error:
            # Those in C, as some of the stdlib's.
            assert "signature" in str(error)  # noqa: PT017
    typing.get_type_hints(module)


# Of the stdlib's own making: how its threads are joined and its locks are made.
PRIVATE_ELSEWHERE = {
    "_deque",
    "_islice",
    "_time",
    "_set_sentinel",
    "_maintain_shutdown_locks",
    "_shutdown_locks_lock",
    "_thread_shutdown",
    "_make_thread_handle",
    "_get_main_thread_ident",
    "_make_invoke_excepthook",
    "_is_main_interpreter",
    "_thread_local_info",
    "_DeleteDummyThreadOnDel",
    "_daemon_threads_allowed",
    "_contextvars",
    "_collections",
    "_weakrefset",
    "_set_name",
}


def test_the_private_names_that_programs_touch() -> None:
    private = {name for name in vars(stdlib) if name.startswith("_") and not name.startswith("__")}
    assert private - set(vars(ours)) <= PRIVATE_ELSEWHERE


@pytest.mark.parametrize("name", ["get_ident", "get_native_id", "local", "excepthook"])
def test_what_is_at_the_floor_is_cpython_s_own(name: str) -> None:
    assert getattr(ours, name) is vars(stdlib)[f"__{name}__" if name == "excepthook" else name]


@pytest.mark.parametrize("name", CLASSES)
def test_methods_of_the_classes(name: str) -> None:
    public = {it for it in dir(getattr(stdlib, name)) if not it.startswith("_")}
    assert public <= set(dir(getattr(ours, name)))


def parameters(function: object) -> list[tuple[str, object]]:
    signature = inspect.signature(function)  # type: ignore[arg-type]
    return [(it.name, it.default) for it in signature.parameters.values()]


@pytest.mark.parametrize("name", ["start", "run", "join", "is_alive", "setName", "setDaemon"])
def test_signatures_of_thread(name: str) -> None:
    wanted = parameters(getattr(stdlib.Thread, name))
    assert parameters(getattr(ours.Thread, name)) == wanted


def test_signature_of_the_constructor_is_the_newest() -> None:
    wanted = parameters(stdlib.Thread)
    if ("context", None) not in wanted:
        wanted.append(("context", None))
    assert parameters(ours.Thread) == wanted
    assert parameters(ours.Timer) == parameters(stdlib.Timer)


@pytest.mark.parametrize("name", ["Thread", "Timer", "Condition", "Event", "BrokenBarrierError"])
def test_classes_carry_the_stdlib_s_module(name: str) -> None:
    assert getattr(ours, name).__module__ == "threading"
    assert repr(getattr(ours, name)) == f"<class 'threading.{name}'>"


def test_locks_are_one_kind() -> None:
    assert ours._RLock is ours._PyRLock is ours._CRLock is ours.RLock
    assert ours._allocate_lock is ours.Lock
    assert ours.Lock.__qualname__ == "lock"
    assert ours.Lock | None == None | ours.Lock


def test_package_is_cheap_and_lazy() -> None:
    text = """if True:
        import sys
        before = set(sys.modules)
        import ropewalk
        loaded = set(sys.modules) - before
        # The last one: how CPython 3.11 tells which interpreter this is.
        assert loaded <= {"ropewalk", "atexit", "__future__", "_xxsubinterpreters"}, loaded
        assert "threading" not in sys.modules
        ropewalk.DeadlockError
        assert "ropewalk._ropewalk" in sys.modules
        assert "threading" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", text], check=True)


def test_names_of_the_package() -> None:
    assert issubclass(ropewalk.DeadlockError, RuntimeError)
    assert set(ropewalk.__all__) <= set(dir(ropewalk))
    assert all(hasattr(ropewalk, name) for name in ropewalk.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ropewalk.nothing


def test_newer_names_in_the_all_of_the_module() -> None:
    """`from threading import *` must not bring in what the stdlib's does not, but for those."""
    names: dict[str, object] = {}
    exec("from ropewalk.threading import *", names)
    assert set(names) - {"__builtins__"} == set(ours.__all__)
