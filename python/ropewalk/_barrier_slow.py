"""What barriers do whose parts are attributes: the way of CPython, on whatever condition they have.

A class that derives from `Barrier` without calling its `__init__` comes here, if it has set what
CPython's has: `multiprocessing.Barrier` keeps `_state` and `_count` in shared memory, where all
processes see them, and gives a condition of its own.
"""

from ropewalk._ropewalk import BrokenBarrierError, Condition, Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__name__ = "threading"

# What `_state` says; the numbers are CPython's.
_FILLING = 0
_DRAINING = 1
_RESETTING = -1
_BROKEN = -2


def set_up(barrier: "Any", parties: object, action: object, timeout: object) -> None:  # noqa: ANN401
    """`Barrier.__init__` of CPython 3.11, which takes whatever it is given."""
    barrier._cond = Condition(Lock())
    barrier._action = action
    barrier._timeout = timeout
    barrier._parties = parties
    barrier._state = _FILLING
    barrier._count = 0


def state(barrier: "Any") -> object:  # noqa: ANN401
    """`Barrier.__getstate__`: one that is made of it is empty, and has its parts in attributes."""
    own = object.__getstate__(barrier)
    attributes, slots = own if isinstance(own, tuple) else (own, None)
    attributes = dict(attributes or {})
    if "_parties" not in attributes:
        parts: dict[str, Any] = {"_cond": Condition(Lock()), "_action": None, "_timeout": None}
        parts |= {"_parties": barrier._parties, "_state": barrier._state, "_count": 0}
        attributes = parts | attributes
    return (attributes, slots) if slots else attributes


def wait(barrier: "Any", timeout: float | None) -> int:  # noqa: ANN401 - whatever derives from it
    """`Barrier.wait`."""
    if timeout is None:
        timeout = barrier._timeout
    with barrier._cond:
        while barrier._state in (_DRAINING, _RESETTING):
            barrier._cond.wait()
        if barrier._state == _BROKEN:
            raise BrokenBarrierError
        place: int = barrier._count
        barrier._count = place + 1
        try:
            if place + 1 == barrier._parties:
                _let_all_go(barrier)
            else:
                _wait_for_the_others(barrier, timeout)
            return place
        finally:
            barrier._count -= 1
            if barrier._count == 0 and barrier._state in (_DRAINING, _RESETTING):
                _set(barrier, _FILLING)


def _let_all_go(barrier: "Any") -> None:  # noqa: ANN401
    try:
        if barrier._action:
            barrier._action()
    except:
        _set(barrier, _BROKEN)
        raise
    _set(barrier, _DRAINING)


def _wait_for_the_others(barrier: "Any", timeout: float | None) -> None:  # noqa: ANN401
    if not barrier._cond.wait_for(lambda: barrier._state != _FILLING, timeout):
        _set(barrier, _BROKEN)
    if barrier._state < _FILLING:
        raise BrokenBarrierError


def _set(barrier: "Any", state: int) -> None:  # noqa: ANN401
    barrier._state = state
    barrier._cond.notify_all()


def reset(barrier: "Any") -> None:  # noqa: ANN401
    """`Barrier.reset`."""
    with barrier._cond:
        if barrier._count == 0:
            _set(barrier, _FILLING)
        elif barrier._state in (_FILLING, _BROKEN):
            _set(barrier, _RESETTING)
        else:
            # They are on their way out, or told to go already.
            barrier._cond.notify_all()


def abort(barrier: "Any") -> None:  # noqa: ANN401
    """`Barrier.abort`."""
    with barrier._cond:
        _set(barrier, _BROKEN)


def parties(barrier: "Any") -> object:  # noqa: ANN401
    """`Barrier.parties`."""
    return barrier._parties


def n_waiting(barrier: "Any") -> object:  # noqa: ANN401
    """`Barrier.n_waiting`."""
    return barrier._count if barrier._state == _FILLING else 0


def broken(barrier: "Any") -> bool:  # noqa: ANN401
    """`Barrier.broken`."""
    return bool(barrier._state == _BROKEN)
