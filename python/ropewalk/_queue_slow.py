"""What queues do whose parts programs can touch: the way of CPython, on our locks.

A queue comes here when its class overrides `_init`, `_qsize`, `_put` or `_get`, when a program
has touched `mutex`, `queue` or another part, or when its `__init__` has not run. Everything goes
through the instance's attributes and methods by name, so that whatever was replaced is honoured;
the exceptions and the clock are asked of the module `queue` at that moment, for the same reason.
"""

import sys

import ropewalk.queue as _queue
from ropewalk._ropewalk import set_name as _set_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ropewalk._ropewalk import Condition
    from ropewalk.queue import Queue

    AnyQueue = Queue[Any]

# Who freezes the time for a test leaves the modules of this name the real one.
__name__ = "queue"

# Before CPython 3.13 queues have no `is_shutdown`: a program's own has nothing to do with ours.
SHUTDOWN: str = "is_shutdown" if sys.version_info >= (3, 13) else "_ropewalk_is_shutdown"


def set_up(queue: "AnyQueue", maxsize: int) -> None:
    """Give an instance the attributes that CPython's `__init__` does."""
    queue._ropewalk_start_slow()
    queue.maxsize = maxsize
    queue._init(maxsize)
    queue.mutex, conditions = queue._ropewalk_new_parts()
    queue.not_empty, queue.not_full, queue.all_tasks_done = conditions
    queue.unfinished_tasks = 0
    setattr(queue, SHUTDOWN, False)


def set_name(queue: "AnyQueue", name: str) -> None:
    """Name the parts, for reports."""
    for part in ("not_empty", "not_full", "all_tasks_done"):
        _set_name_of_ours(getattr(queue, part), f"{name}.{part}")
    # After the conditions, which name their lock as well.
    _set_name_of_ours(queue.mutex, name)


def _set_name_of_ours(part: object, name: str) -> None:
    try:  # noqa: SIM105 - contextlib is slow to import
        _set_name(part, name)
    except TypeError:
        # A program has put something of its own there.
        pass


def _wait(
    condition: "Condition",
    is_ready: "Callable[[], object]",
    refuse: "Callable[[], None]",
    timeout: float | None,
) -> bool:
    """Wait, holding the lock, until something is there; False when the time was up before."""
    if timeout is None:
        while not is_ready():
            condition.wait()
            refuse()
        return True
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    deadline = _queue.time() + timeout
    while not is_ready():
        left = deadline - _queue.time()
        if left <= 0.0:
            return False
        condition.wait(left)
        refuse()
    return True


def put(queue: "AnyQueue", item: object, block: bool, timeout: float | None) -> None:
    """`Queue.put`."""

    def has_place() -> bool:
        return not queue._qsize() >= queue.maxsize

    def refuse() -> None:
        if getattr(queue, SHUTDOWN, False):
            raise _queue.ShutDown

    with queue.not_full:
        refuse()
        if queue.maxsize > 0:
            found = _wait(queue.not_full, has_place, refuse, timeout) if block else has_place()
            if not found:
                raise _queue.Full
        queue._put(item)
        queue.unfinished_tasks += 1
        queue.not_empty.notify()


def get(queue: "AnyQueue", block: bool, timeout: float | None) -> object:
    """`Queue.get`."""

    def refuse() -> None:
        if getattr(queue, SHUTDOWN, False) and not queue._qsize():
            raise _queue.ShutDown

    with queue.not_empty:
        refuse()
        size = queue._qsize
        found = _wait(queue.not_empty, size, refuse, timeout) if block else size()
        if not found:
            raise _queue.Empty
        item: object = queue._get()
        queue.not_full.notify()
        return item


def task_done(queue: "AnyQueue") -> None:
    """`Queue.task_done`."""
    with queue.all_tasks_done:
        left = queue.unfinished_tasks - 1
        if left < 0:
            raise ValueError("task_done() called too many times")
        if left == 0:
            queue.all_tasks_done.notify_all()
        queue.unfinished_tasks = left


def join(queue: "AnyQueue") -> None:
    """`Queue.join`."""
    with queue.all_tasks_done:
        while queue.unfinished_tasks:
            queue.all_tasks_done.wait()


def qsize(queue: "AnyQueue") -> object:
    """`Queue.qsize`."""
    with queue.mutex:
        return queue._qsize()


def empty(queue: "AnyQueue") -> bool:
    """`Queue.empty`."""
    return not qsize(queue)


def full(queue: "AnyQueue") -> bool:
    """`Queue.full`."""
    with queue.mutex:
        return bool(0 < queue.maxsize <= queue._qsize())


def shutdown(queue: "AnyQueue", immediate: bool) -> None:
    """`Queue.shutdown`."""
    with queue.mutex:
        setattr(queue, SHUTDOWN, True)
        if immediate:
            while queue._qsize():
                queue._get()
                if queue.unfinished_tasks > 0:
                    queue.unfinished_tasks -= 1
            queue.all_tasks_done.notify_all()
        # All of them have to look again.
        queue.not_empty.notify_all()
        queue.not_full.notify_all()
