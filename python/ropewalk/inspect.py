"""Look at a running program: who waits for what, since when, and who holds it.

    >>> from ropewalk import inspect, threading
    >>> lock = threading.Lock()
    >>> inspect.set_name(lock, "cache")
    >>> with lock:
    ...     [owner] = inspect.holders(lock)
    >>> owner.name
    'MainThread'

Nothing is recorded for this: looking costs the one who looks. Things that nobody ever waited for
are not listed, unless they have a name. Another process is looked at by its number, if it runs
under `ropewalk run` or has called `serve()`.
"""

from __future__ import annotations

from ropewalk import _ropewalk
from ropewalk._ropewalk import serve, set_name, stop_serving
from ropewalk._snapshot import (
    Deadlock,
    ObjectInfo,
    PoolInfo,
    Snapshot,
    ThreadInfo,
    Wait,
    Waited,
    Waits,
    blocked_on,
    read,
    stranger,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Deadlock",
    "ObjectInfo",
    "PoolInfo",
    "Snapshot",
    "ThreadInfo",
    "Wait",
    "Waited",
    "Waits",
    "find_deadlocks",
    "holders",
    "serve",
    "set_name",
    "snapshot",
    "stop_serving",
    "waits",
]


def snapshot(pid: int | None = None) -> Snapshot:
    """Return all threads, and everything that was ever waited for.

    Args:
        pid: another process; this one when none is given.

    Raises:
        ropewalk.NotReachable: the other process does not answer.
        TypeError: it is no number.
        ValueError: it is not the number of a process.
    """
    if pid is None:
        return read(_ropewalk.snapshot())
    if not isinstance(pid, int):
        raise TypeError(f"pid must be the number of a process, an int, not {pid!r}")
    if isinstance(pid, bool) or pid <= 0:
        raise ValueError(f"pid must be the number of a process, not {pid!r}")
    from ropewalk import _remote

    return _remote.snapshot(pid)


def waits(pid: int | None = None) -> list[ThreadInfo]:
    """Return the threads that are blocked, the one that has waited longest first."""
    blocked = [thread for thread in snapshot(pid).threads if blocked_on(thread)]
    return sorted(blocked, key=lambda thread: -thread.waits_for.waited)  # type: ignore[union-attr]


def holders(lock: Any) -> list[ThreadInfo]:  # noqa: ANN401 - locks have no class in common
    """Return the thread that holds a lock of this process, in a list; an empty one if it is free.

    If the one that took a plain Lock has ended, it may be one that has got its number since. Of a
    thread that Ropewalk never met there may be its ident alone.

    Args:
        lock: a Lock, an RLock, or a Condition over one of them.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(lock, _ropewalk.Condition):
        lock = lock._lock
    _, owner = _ropewalk.lock_owner(lock)
    if owner is None:
        return []
    now = snapshot()
    return [now.thread(owner) or stranger(now, owner)]


def find_deadlocks(pid: int | None = None) -> list[Deadlock]:
    """Return the threads that wait for each other in circles.

    A circle with a plain Lock in it is legal as long as another thread runs: that one may release
    the lock. So it is found only once it has lasted for ten seconds, as it is reported only then;
    and a thread that waits for itself only if it was reported, as its lock may stand for a message.
    With --deadlock=off, where nothing is reported, that one is found as well.

    If all threads of the program wait, they are found together once that was reported: by another
    process, as who asks does not wait.
    """
    return list(snapshot(pid).deadlocks)
