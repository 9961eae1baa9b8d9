"""How the interpreter's exit reaches `ropewalk.threading`, in both ways of use.

CPython calls `_shutdown()` of whatever is `sys.modules["threading"]` before it runs the exit
functions. Under `ropewalk run` and after `install()` that is our module. Used by its own name,
it is the stdlib's, which is asked to call ours first.
"""

from __future__ import annotations

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Protocol

    class Joinable(Protocol):
        """The part of a thread's or timer's handle that an exit needs."""

        def is_ended(self) -> bool: ...
        def join(self, timeout: float | None = None) -> bool: ...


# What was reported until now; each deadlock is reported once.
told: list[str] = []


def tell_of_deadlock(text: str) -> None:
    """Report a deadlock that is not an exception: on standard error, in one piece."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(f"ropewalk: {text.rstrip()}\n")
            sys.stderr.flush()
    finally:
        # Last: whoever ends the program once it is told would cut a report short that is under way.
        told.append(text)


_thread_shutdown: Callable[[], object] | None = getattr(_thread, "_shutdown", None)
# The stdlib's modules in whose places ours stand in sys.modules, if they were there before.
replaced: dict[str, ModuleType] = {}
# Whether ours is the one that CPython finds.
installed = False


def join_at_stdlib_exit(shutdown: Callable[[], object]) -> None:
    """Have the stdlib's `threading` call `shutdown` when it joins its own threads.

    While ours is installed CPython finds ours by itself, if only it is there under that name.
    """
    import threading

    if installed:
        return
    try:  # noqa: SIM105 - contextlib costs more than the rest of this module to import
        threading._register_atexit(shutdown)  # type: ignore[attr-defined]
    except RuntimeError:
        # First import during the exit itself: no thread of ours can be waited for any more.
        pass


def shut_down_stdlib() -> None:
    """Join the threads that are not ours while ours is in the place of the stdlib's module.

    That module started them before, or a program had CPython 3.13's `_thread` start them.
    """
    stdlib = replaced.get("threading")
    if stdlib is not None:
        vars(stdlib)["_shutdown"]()
    if installed and _thread_shutdown is not None:
        _thread_shutdown()


class EndLock:
    """`Thread._tstate_lock` of CPython up to 3.12: held for as long as the thread lives."""

    __slots__ = ("handle",)

    def __init__(self, handle: Joinable) -> None:
        self.handle = handle

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Wait for the thread's end; True once it has ended."""
        if not blocking:
            timeout = 0
        return self.handle.join(None if timeout < 0 else timeout)

    def release(self) -> None:
        """Let others wait, which they can anyway."""

    def locked(self) -> bool:
        """Whether the thread still lives."""
        return not self.handle.is_ended()


class NonDaemons:
    """The non-daemon threads that the exit has to wait for, ended ones left out now and then."""

    __slots__ = ("_clean_at", "_handles")

    _FEWEST = 64

    def __init__(self) -> None:
        self._handles: dict[Joinable, None] = {}
        self._clean_at = self._FEWEST

    def __contains__(self, lock: object) -> bool:
        return isinstance(lock, EndLock) and lock.handle in self._handles

    def add(self, handle: Joinable) -> None:
        """Wait for this one at exit. Amortised constant time, whatever the number of threads."""
        self._handles[handle] = None
        if len(self._handles) >= self._clean_at:
            for old in list(self._handles):
                if old.is_ended():
                    self._handles.pop(old, None)
            self._clean_at = max(self._FEWEST, 2 * len(self._handles))

    def discard(self, handle: Joinable) -> None:
        """Forget one that was never started or has been joined."""
        self._handles.pop(handle, None)

    def clear(self) -> None:
        """Forget all: in a forked child none of them exists."""
        self._handles.clear()

    def join_all(self) -> None:
        """Wait until all have ended, those included that are started meanwhile."""
        while self._handles:
            handle, _ = self._handles.popitem()
            try:
                handle.join(None)
            except BaseException as error:
                if not (3, 13) <= sys.version_info < (3, 14):
                    raise
                # CPython 3.13 tells of it here and goes on with the exit.
                from ropewalk._ropewalk import report_unraisable

                report_unraisable(error)
                return
