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


# Functions of the module, not of each call: CPython 3.12 and 3.13 crash if there is no memory for
# what such a one shares with its call.


def _has_place(queue: "AnyQueue") -> bool:
    return not queue._qsize() >= queue.maxsize


def _has_item(queue: "AnyQueue") -> object:
    return queue._qsize()


def _refuse_put(queue: "AnyQueue") -> None:
    if getattr(queue, SHUTDOWN, False):
        raise _queue.ShutDown


def _refuse_get(queue: "AnyQueue") -> None:
    if getattr(queue, SHUTDOWN, False) and not queue._qsize():
        raise _queue.ShutDown


def _wait(
    queue: "AnyQueue",
    condition: "Condition",
    is_ready: "Callable[[AnyQueue], object]",
    refuse: "Callable[[AnyQueue], None]",
    timeout: float | None,
) -> bool:
    """Wait, holding the lock, until something is there; False when the time was up before."""
    if timeout is None:
        while not is_ready(queue):
            condition.wait()
            refuse(queue)
        return True
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    deadline = _queue.time() + timeout
    while not is_ready(queue):
        left = deadline - _queue.time()
        if left <= 0.0:
            return False
        condition.wait(left)
        refuse(queue)
    return True


def put(queue: "AnyQueue", item: object, block: bool, timeout: float | None) -> None:
    """`Queue.put`."""
    with queue.not_full:
        _refuse_put(queue)
        if queue.maxsize > 0:
            if block:
                found = _wait(queue, queue.not_full, _has_place, _refuse_put, timeout)
            else:
                found = _has_place(queue)
            if not found:
                raise _queue.Full
        queue._put(item)
        queue.unfinished_tasks += 1
        queue.not_empty.notify()


def get(queue: "AnyQueue", block: bool, timeout: float | None) -> object:
    """`Queue.get`."""
    with queue.not_empty:
        _refuse_get(queue)
        if block:
            found: object = _wait(queue, queue.not_empty, _has_item, _refuse_get, timeout)
        else:
            found = _has_item(queue)
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
