"""Drop-in `threading`: the names, messages and behaviour of CPython 3.11 to 3.15, on every version.

What blocks (locks, conditions, joins, timers) goes through Ropewalk's wait point in Rust. What
CPython's C already does at the floor is CPython's own: `get_ident`, `get_native_id`, `local`,
`stack_size`, `excepthook`, and the start of a thread, so that the interpreter's counts, its exit
and the thread's own state stay right.

Under `ropewalk run` and after `ropewalk.install()` this module *is* `sys.modules["threading"]`.
Used by its own name it lives beside the stdlib's module: each then sees the other's threads as
foreign ones, for which `current_thread()` makes a dummy.

The privates that programs and CPython's tests reach (`_active`, `_dangling`,
`_start_joinable_thread` ...) are looked up in this module each time they are used, by the files
that it is split into as well: replacing one of them works as it does in the stdlib.
"""

from __future__ import annotations

import _thread
import os as _os
import sys as _sys
from _thread import (
    TIMEOUT_MAX,
    get_ident,
    get_native_id,
    stack_size,
)
from _thread import (
    _excepthook as excepthook,
)
from _thread import (
    _ExceptHookArgs as ExceptHookArgs,
)
from _thread import (
    _local as local,
)
from _thread import (
    error as ThreadError,
)
from _weakref import ref as _ref
from _weakrefset import WeakSet as _WeakSet
from itertools import count as _count

from ropewalk import _barrier_slow, _hosting, _parts_slow  # noqa: F401 - not in the middle of a fork
from ropewalk._completed import Lazy as _Lazy
from ropewalk._iterators import (
    _concurrent_tee,  # noqa: F401 - the stdlib has it under this name
    concurrent_tee,
    serialize_iterator,
    synchronized_iterator,
)
from ropewalk._ropewalk import (
    Barrier,
    BoundedSemaphore,
    BrokenBarrierError,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
    _before_fork,
)
from ropewalk._ropewalk import ThreadHandle as _ThreadHandle
from ropewalk._ropewalk import set_reporter as _set_reporter
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, Concatenate, ParamSpec

    _P = ParamSpec("_P")
    # What sys.settrace() and sys.setprofile() take.
    _TraceFunction = Callable[[FrameType, str, Any], Any]

__all__ = [  # noqa: RUF022 - in the stdlib's order, what is newer at the end
    "get_ident",
    "active_count",
    "Condition",
    "current_thread",
    "enumerate",
    "main_thread",
    "TIMEOUT_MAX",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
    "BoundedSemaphore",
    "Thread",
    "Barrier",
    "BrokenBarrierError",
    "Timer",
    "ThreadError",
    "setprofile",
    "settrace",
    "local",
    "stack_size",
    "excepthook",
    "ExceptHookArgs",
    "gettrace",
    "getprofile",
    "get_native_id",
    "setprofile_all_threads",
    "settrace_all_threads",
    "serialize_iterator",
    "synchronized_iterator",
    "concurrent_tee",
]

# The stdlib's own name: what is defined below carries it, as pickles and reprs expect.
__name__ = "threading"

_HAVE_THREAD_NATIVE_ID = True
_allocate_lock = Lock
_LockType = Lock
_CRLock = _PyRLock = _RLock = RLock
__excepthook__ = excepthook


# What CPython's barriers have in attributes, as far as programs have been seen to look at it.
Barrier._parties = _Lazy("_parties", lambda barrier: barrier._ropewalk_peek("_parties"))
Barrier._count = _Lazy("_count", lambda barrier: barrier._ropewalk_peek("_count"))
Barrier._state = _Lazy("_state", lambda barrier: barrier._ropewalk_peek("_state"))
Barrier._action = _Lazy("_action")
Barrier._timeout = _Lazy("_timeout")


# Trace and profile hooks

_profile_hook: _TraceFunction | None = None
_trace_hook: _TraceFunction | None = None


def setprofile(func: _TraceFunction | None) -> None:
    """Have `sys.setprofile(func)` called in each thread of this module before its `run()`."""
    global _profile_hook
    _profile_hook = func


def setprofile_all_threads(func: _TraceFunction | None) -> None:
    """As `setprofile()`, and for the threads that already run Python code.

    CPython 3.11 cannot reach the running threads: there it is the calling one only.
    """
    setprofile(func)
    getattr(_sys, "_setprofileallthreads", _sys.setprofile)(func)


def getprofile() -> _TraceFunction | None:
    """The function given to `setprofile()`."""
    return _profile_hook


def settrace(func: _TraceFunction | None) -> None:
    """Have `sys.settrace(func)` called in each thread of this module before its `run()`."""
    global _trace_hook
    _trace_hook = func


def settrace_all_threads(func: _TraceFunction | None) -> None:
    """As `settrace()`, and for the threads that already run Python code.

    CPython 3.11 cannot reach the running threads: there it is the calling one only.
    """
    settrace(func)
    getattr(_sys, "_settraceallthreads", _sys.settrace)(func)


def gettrace() -> _TraceFunction | None:
    """The function given to `settrace()`."""
    return _trace_hook


# The threads there are

_counter = _count(1).__next__

# Reentrant: a signal handler or a finalizer may call enumerate() while its thread is inside.
_active_limbo_lock = RLock()
# By ident; a thread that was started is in `_limbo` until the ident stands here.
_active: dict[int, Thread] = {}
_limbo: dict[Thread, Thread] = {}


class _Dangling(_WeakSet["Thread"]):
    """A WeakSet whose members leave it without a call of Python code.

    They need not wait for the end of an iteration, as that goes over a copy.
    """

    data: set[_ref[Thread]]

    def add(self, item: Thread) -> None:
        data = self.data
        data.add(_ref(item, data.discard))

    def __iter__(self) -> Iterator[Thread]:
        for refers in self.data.copy():
            item = refers()
            if item is not None:
                yield item


# Every Thread object that is still referred to, for `_after_fork()` and the tests of leaks.
_dangling = _Dangling()


def _newname(name_template: str) -> str:
    return name_template % _counter()


_start_new_thread = _thread.start_new_thread


def _start_joinable_thread(
    function: Callable[[], object],
    handle: _ThreadHandle | None = None,
    daemon: bool = True,
) -> int:
    """What `Thread.start()` calls; gives the new thread's ident.

    Two steps because CPython up to 3.12 calls `_start_new_thread` and 3.13 this one, and
    programs that replace either expect it to be called.
    """
    if handle is None:
        return _start_new_thread(function, ())
    return handle.spawn(_start_new_thread, function)


def current_thread() -> Thread:
    """The Thread of the caller; for a thread that this module did not start, a dummy one."""
    try:
        return _active[get_ident()]
    except KeyError:
        return _DummyThread()


def currentThread() -> Thread:
    """Deprecated: use `current_thread()`."""
    _warn_deprecated("currentThread() is deprecated, use current_thread() instead")
    return current_thread()


def active_count() -> int:
    """How many Thread objects are alive: the length of `enumerate()`."""
    with _active_limbo_lock:
        return len(_active) + len(_limbo)


def activeCount() -> int:
    """Deprecated: use `active_count()`."""
    _warn_deprecated("activeCount() is deprecated, use active_count() instead")
    return active_count()


def _enumerate() -> list[Thread]:
    return [*_active.values(), *_limbo.values()]


def enumerate() -> list[Thread]:  # noqa: A001 - the stdlib's name
    """All Thread objects that are alive, daemons, dummies and the main thread included."""
    with _active_limbo_lock:
        return _enumerate()


def main_thread() -> Thread:
    """The main thread: normally the one from which the interpreter was started."""
    return _main_thread


def _warn_deprecated(message: str) -> None:
    import warnings

    # 1 is this function, 2 the deprecated one, 3 its caller.
    warnings.warn(message, DeprecationWarning, stacklevel=3)


# After what the classes need of this module, which is in the middle of its own import.
from ropewalk._thread_class import Thread  # noqa: E402
from ropewalk._thread_kinds import _DummyThread, _MainThread  # noqa: E402
from ropewalk._timer import Timer  # noqa: E402

_main_thread: Thread = _MainThread()


# Exit

_threading_atexits: list[Callable[[], object]] = []
_SHUTTING_DOWN = False
_non_daemons = _shutdown_locks = _hosting.NonDaemons()


def _register_atexit(
    func: Callable[Concatenate[_P], object], *arg: _P.args, **kwargs: _P.kwargs
) -> None:
    """Have `func` called before `_shutdown()` joins the non-daemon threads, the last one first.

    Raises:
        RuntimeError: the shutdown has begun.
    """
    if _SHUTTING_DOWN:
        raise RuntimeError("can't register atexit after shutdown")
    _threading_atexits.append(lambda: func(*arg, **kwargs))


def _shutdown() -> None:
    """Call what was registered and join the non-daemon threads; CPython does it at its exit.

    A second call only joins what was started after the first. Ctrl-C ends the wait as it does in
    the stdlib.
    """
    global _SHUTTING_DOWN
    if _main_thread._ropewalk_handle.is_ended():
        _join_late_threads()
        return
    _SHUTTING_DOWN = True
    for call in reversed(_threading_atexits):
        call()
    # Who joins the main thread can go on: it will not get nearer to its end than this.
    _main_thread._ropewalk_handle.mark_ended()
    _non_daemons.join_all()
    _hosting.shut_down_stdlib()


def _join_late_threads() -> None:
    """Join the non-daemon threads that exit functions have started, as CPython does from 3.15 on.

    After the last exit function: one that was registered earlier may be what such a thread waits
    for. CPython itself calls `_shutdown()` again only for threads that its own code made joinable.
    """
    if _sys.version_info >= (3, 15) and _main_thread._ropewalk_handle.is_ended():
        _non_daemons.join_all()
        _hosting.shut_down_stdlib()


# Fork


def _after_fork() -> None:
    """In a forked child: only the thread that forked is left, and it is the main one now."""
    global _active_limbo_lock, _main_thread
    # Another thread may have been inside.
    _active_limbo_lock = RLock()
    ident = get_ident()
    current = _active.get(ident)
    if current is None:
        # A thread that this module did not start, or never saw.
        current = _MainThread()
    _main_thread = current
    _non_daemons.clear()
    # Also those that nobody started or that have ended: someone may still join them.
    for thread in {*_enumerate(), *_dangling}:
        if thread is current:
            thread._ropewalk_after_fork(new_ident=ident)
        else:
            thread._ropewalk_after_fork()
    _limbo.clear()
    _active.clear()
    _active[ident] = current


if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
_hosting.join_at_stdlib_exit(_shutdown)
_set_reporter(_hosting.tell_of_deadlock)
unannotated(globals())
del TYPE_CHECKING, unannotated
