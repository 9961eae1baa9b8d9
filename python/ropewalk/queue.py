"""Drop-in `queue`: what CPython 3.11 to 3.15 have, on every version.

As long as a program uses a queue's methods only, the items are in a queue of the core in Rust. A
class that overrides `_init`, `_qsize`, `_put` or `_get`, and an instance whose `mutex`,
`not_empty`, `not_full`, `all_tasks_done` or `queue` is touched, get what CPython's have: a real
deque or list under a `Lock` and three `Condition`s. Everything that is in the queue, and everybody
who waits there, moves along.

`Empty`, `Full` and `ShutDown` are the stdlib's own classes.
"""

from __future__ import annotations

# Some only because the stdlib's module has them, and programs and tests reach for them.
import sys as _sys
import types  # noqa: F401
from collections import deque
from heapq import heappop, heappush
from time import monotonic as _monotonic

from ropewalk import _queue_slow, threading  # noqa: F401
from ropewalk._completed import Lazy, completed
from ropewalk._queue_errors import Empty, Full, ShutDown
from ropewalk._ropewalk import LifoQueue as _NativeLifoQueue
from ropewalk._ropewalk import PriorityQueue as _NativePriorityQueue
from ropewalk._ropewalk import Queue as _NativeQueue
from ropewalk._ropewalk import SimpleQueue
from ropewalk._ropewalk import set_name as _set_name
from ropewalk._unannotated import unannotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    _T = TypeVar("_T")
else:
    # Only to be subscripted with: importing `typing` for that would cost more than all the rest.
    _T = object

__all__ = [  # noqa: RUF022 - in the stdlib's order
    "Empty",
    "Full",
    "ShutDown",
    "Queue",
    "PriorityQueue",
    "LifoQueue",
    "SimpleQueue",
]

# The stdlib's own name: what is defined below carries it, as pickles and reprs expect.
__name__ = "queue"

# The clock, under the name that it has in the stdlib's module.
time = _monotonic

# The pure-Python variant of CPython, which ours is as well: in no way different.
_PySimpleQueue = SimpleQueue


_PARTS = frozenset({"mutex", "not_empty", "not_full", "all_tasks_done", "queue"})
_HOOKS = frozenset({"_init", "_qsize", "_put", "_get"})
_NUMBERS = frozenset({"maxsize", "unfinished_tasks"})
_SHUTDOWN = _queue_slow.SHUTDOWN
_WATCHED = _PARTS | _HOOKS | _NUMBERS | {"put", "get", _SHUTDOWN}
# What CPython's `__init__` sets.
_SET_AT_INIT = _PARTS | _NUMBERS | {_SHUTDOWN}


@completed
class Queue(_NativeQueue[_T]):
    """Create a queue object with a given maximum size.

    If maxsize is <= 0, the queue size is infinite.
    """

    maxsize: Any = Lazy("maxsize", _NativeQueue._ropewalk_get_maxsize)
    mutex: Any = Lazy("mutex")
    not_empty: Any = Lazy("not_empty")
    not_full: Any = Lazy("not_full")
    all_tasks_done: Any = Lazy("all_tasks_done")
    queue: Any = Lazy("queue")
    unfinished_tasks: Any = Lazy("unfinished_tasks", _NativeQueue._ropewalk_get_unfinished)
    is_shutdown: Any = Lazy(_SHUTDOWN, _NativeQueue._ropewalk_get_shutdown)
    if _SHUTDOWN != "is_shutdown":
        _ropewalk_is_shutdown: Any = Lazy(_SHUTDOWN, _NativeQueue._ropewalk_get_shutdown)

    def __init__(self, maxsize: int = 0, *, name: str | None = None) -> None:
        """Make an empty queue.

        Args:
            maxsize: the largest number of items; 0 or less for no limit.
            name: what reports call it. CPython's queues do not take one.
        """
        cls = type(self)
        kind, put, get, plain = _KINDS.get((cls._init, cls._qsize, cls._put, cls._get), _NO_KIND)
        if (
            kind
            and type(maxsize) is int
            and abs(maxsize) <= _sys.maxsize
            and (cls is plain or not _hides_a_part(cls))
        ):
            if self._ropewalk_start(kind, maxsize, cls.put is put and cls.get is get):
                if name is not None:
                    _set_name(self, name)
                return
            # Made anew: from now on the way of CPython.
            self._ropewalk_inflate()
        _queue_slow.set_up(self, maxsize)
        if name is not None:
            _set_name(self, name)

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Set an attribute; those that the core has an interest in do more than that."""
        if (
            name in _WATCHED
            and self._ropewalk_is_fast()
            and self._ropewalk_is_known_to_core(name, value)
        ):
            return
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        """Delete an attribute."""
        if name in _WATCHED:
            self._ropewalk_inflate()
        object.__delattr__(self, name)

    def _ropewalk_is_known_to_core(self, name: str, value: object) -> bool:
        """Tell the core of a new value, if that is for it; True if it alone keeps the value."""
        if name in ("put", "get"):
            self._ropewalk_put_or_get_replaced()
        elif name == _SHUTDOWN and type(value) is bool:
            self._ropewalk_set_shutdown(value)
            return True
        elif name in _NUMBERS and type(value) is int and abs(value) <= _sys.maxsize:
            if name == "maxsize":
                self._ropewalk_set_maxsize(value)
            else:
                self._ropewalk_set_unfinished(value)
            return True
        else:
            self._ropewalk_inflate()
        return False

    def __getstate__(self) -> object:
        """Give what CPython's queues have, for copies; a pickle of it is refused by the locks."""
        from copyreg import _slotnames  # type: ignore[attr-defined]

        self._ropewalk_inflate()
        slots = {
            name: getattr(self, name) for name in _slotnames(type(self)) if hasattr(self, name)
        }
        return (self.__dict__, slots) if slots else self.__dict__

    # To be overridden for other orders of items. Called with the mutex held, and only for instances
    # that are not fast.

    def _init(self, maxsize: int) -> None:
        self.queue = deque()

    def _qsize(self) -> int:
        return len(self.queue)

    def _put(self, item: _T) -> None:
        self.queue.append(item)

    def _get(self) -> _T:
        return self.queue.popleft()  # type: ignore[no-any-return]


@completed
class PriorityQueue(_NativePriorityQueue[_T]):
    """Variant of Queue that retrieves open entries in priority order (lowest first).

    Entries are typically tuples of the form:  (priority number, data).
    """

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _qsize(self) -> int:
        return len(self.queue)

    def _put(self, item: _T) -> None:
        heappush(self.queue, item)

    def _get(self) -> _T:
        return heappop(self.queue)  # type: ignore[no-any-return]


@completed
class LifoQueue(_NativeLifoQueue[_T]):
    """Variant of Queue that retrieves most recently added entries first."""

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _qsize(self) -> int:
        return len(self.queue)

    def _put(self, item: _T) -> None:
        self.queue.append(item)

    def _get(self) -> _T:
        return self.queue.pop()  # type: ignore[no-any-return]


# The hooks as they are, for each kind that the core has, with that kind's own methods and class.
_KINDS = {
    (kind._init, kind._qsize, kind._put, kind._get): (name, kind.put, kind.get, kind)
    for kind, name in ((Queue, "fifo"), (LifoQueue, "lifo"), (PriorityQueue, "priority"))
}
_NO_KIND = ("", None, None, None)
_PLAIN = frozenset({Queue, LifoQueue, PriorityQueue})


def _hides_a_part(cls: type) -> bool:
    """Whether a class has a value of its own where CPython's `__init__` gives instances theirs."""
    for base in cls.__mro__:
        if base in _PLAIN:
            break
        if not _SET_AT_INIT.isdisjoint(vars(base)):
            return True
    return False


unannotated(globals())
del unannotated
