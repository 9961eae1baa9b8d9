"""What events and semaphores do whose parts programs have touched: the way of CPython.

Everything goes through the instance's attributes by name, so that whatever was replaced is
honoured.
"""

import sys
from _operator import index as _index
from time import monotonic as _monotonic

from ropewalk._ropewalk import BoundedSemaphore, Condition, Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ropewalk._ropewalk import Event, Semaphore

__name__ = "threading"

_COUNTS = sys.version_info < (3, 12)


def set_up_event(event: "Event") -> None:
    """`Event.__init__`, of one that had its parts before."""
    event._cond = Condition(Lock())
    event._flag = False


def set_flag(event: "Event") -> None:
    """`Event.set`."""
    with event._cond:
        event._flag = True
        event._cond.notify_all()


def clear_flag(event: "Event") -> None:
    """`Event.clear`."""
    with event._cond:
        event._flag = False


def wait(event: "Event", timeout: float | None) -> bool:
    """`Event.wait`."""
    with event._cond:
        return wait_held(event, timeout)


def wait_held(event: "Event", timeout: float | None) -> bool:
    """As `wait`, with the condition's lock held."""
    return event._flag or event._cond.wait(timeout)


def set_up_semaphore(semaphore: "Semaphore", value: int) -> None:
    """`Semaphore.__init__`, of one that had its parts before."""
    semaphore._cond = Condition(Lock())
    semaphore._value = value
    if isinstance(semaphore, BoundedSemaphore):
        semaphore._initial_value = value


def acquire(semaphore: "Semaphore", blocking: bool, timeout: float | None) -> bool:
    """`Semaphore.acquire`."""
    with semaphore._cond:
        return acquire_held(semaphore, blocking, timeout)


def acquire_held(semaphore: "Semaphore", blocking: bool, timeout: float | None) -> bool:
    """As `acquire`, with the condition's lock held."""
    end = None
    while semaphore._value == 0:
        if not blocking:
            return False
        if timeout is not None:
            if end is None:
                end = _monotonic() + timeout
            else:
                timeout = end - _monotonic()
                if timeout <= 0:
                    return False
        semaphore._cond.wait(timeout)
    semaphore._value -= 1
    return True


def release(semaphore: "Semaphore", n: int) -> None:
    """`Semaphore.release`."""
    with semaphore._cond:
        if (
            isinstance(semaphore, BoundedSemaphore)
            and semaphore._value + n > semaphore._initial_value
        ):
            raise ValueError("Semaphore released too many times")
        semaphore._value += n
        # CPython 3.11 wakes one after the other, and finds only here that it cannot count with it.
        semaphore._cond.notify(_index(n) if _COUNTS else n)


def state_of_condition(condition: Condition) -> "tuple[dict[str, Any], Any]":
    """What a pickle of it has: dill can do that, with the lock."""
    state = object.__getstate__(condition)
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    return {**(attributes or {}), "_lock": condition._lock}, slots


def restore(thing: "Any", state: "Any") -> None:  # noqa: ANN401
    """`__setstate__`: what was in attributes is known to the core in that way alone."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    attributes = dict(attributes or {})
    if isinstance(thing, Condition):
        Condition.__init__(thing, attributes.pop("_lock"))
    for name, value in (attributes | (slots or {})).items():
        setattr(thing, name, value)
