"""The floor: objects whose methods do nothing, in C, so that only the price of the call is left.

No implementation can be faster than an empty call of the same shape. If the extension module
offers `_bench_floor` (a class with every method below, empty), that is used, as it is made the
same way as the things it is compared with. Otherwise methods of builtin types stand in that do
nothing on an empty object; they come within some nanoseconds of it.
"""

import importlib
import os
import threading
from collections.abc import Callable
from functools import partial
from itertools import repeat
from typing import Any

from benches.python.kit import Kit
from benches.python.sample import Sample, Watch

# The methods of an empty list that stand in: C, of the same arguments, with nothing to do.
_OF_A_LIST = {
    "acquire": "sort",
    "release": "reverse",
    "set": "reverse",
    "wait": "sort",
    "clear": "reverse",
    "put": "count",
    "get": "sort",
}


def _with_nothing() -> Kit:
    """Return the kit of context managers in C that do (nearly) nothing, as often as one likes."""
    try:
        sqlite3 = importlib.import_module("sqlite3")
    except ImportError:
        return _kit(_used_up, {"notify": "close"})
    # Outside a transaction its __exit__ finds nothing to commit.
    connect = partial(sqlite3.connect, ":memory:", check_same_thread=False)
    return _kit(connect, {"notify": "interrupt"})


def _used_up() -> object:
    names = os.scandir(os.curdir)
    names.close()
    return names


def _own_class() -> Callable[[], Any] | None:
    try:
        module = importlib.import_module("ropewalk._ropewalk")
    except ImportError:
        return None
    found: Callable[[], Any] | None = getattr(module, "_bench_floor", None)
    return found


def _kit(make: Callable[[], Any], spelling: dict[str, str] | None = None) -> Kit:
    return Kit(
        "floor",
        spelling=spelling or {},
        lock=make,
        rlock=make,
        semaphore=make,
        bounded_semaphore=make,
        condition=make,
        event=make,
        barrier_of_one=make,
        queue=make,
        lifo_queue=make,
        priority_queue=make,
        simple_queue=make,
    )


_OWN = _own_class()
# Which of the two floors was measured, for the report.
KIND = "builtin methods" if _OWN is None else "_ropewalk._bench_floor"
# For rows that call methods, and for rows that use `with`.
CALLS = _kit(_OWN) if _OWN else _kit(list, _OF_A_LIST)
WITH = _kit(_OWN) if _OWN else _with_nothing()
# For queues between threads: no other name may be respelled where threads are driven too.
QUEUES = _kit(_OWN) if _OWN else _kit(list, {name: _OF_A_LIST[name] for name in ("put", "get")})
# For rows that make an object.
EMPTY_CLASS: Callable[[], object] = _OWN or bytearray
# A class, and a call on its instance `it` with one keyword argument.
KEYWORD_CALL: tuple[Callable[[], object], str] = (
    (list, "it.sort(reverse=0)") if _OWN is None else (_OWN, "it.acquire(timeout=0)")
)


def hand_over(pairs: int) -> Sample:
    """Measure what the kernel takes to pass a turn to a thread and back.

    Two threads wait for each other with an eventfd each: for each direction two system calls and a
    switch of context, as with a futex, and the interpreter lock given up and taken.
    """
    ping, pong = os.eventfd(0), os.eventfd(0)
    read, write = os.eventfd_read, os.eventfd_write

    def partner() -> None:
        for _ in repeat(None, pairs):
            read(ping)
            write(pong, 1)

    other = threading.Thread(target=partner, daemon=True)
    other.start()
    watch = Watch()
    for _ in repeat(None, pairs):
        write(ping, 1)
        read(pong)
    sample = watch.sample(pairs)
    other.join()
    os.close(ping)
    os.close(pong)
    return sample


HAS_HAND_OVER = hasattr(os, "eventfd")
