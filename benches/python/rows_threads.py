"""Threads and timers. Each side starts its own: here the driver is what is measured."""

import _thread
import threading
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from benches.python.kit import ThreadLike, TimerLike
from benches.python.row import Row, Team, pinned_and_free, threaded
from benches.python.sample import Sample, Watch

TIMERS = 1000


def nothing() -> None:
    """Be the target of a thread, or the function of a timer."""


def _start_and_join(make: Callable[..., ThreadLike], _: Team, times: int) -> Sample:
    watch = Watch()
    for _turn in repeat(None, times):
        thread = make(target=nothing)
        thread.start()
        thread.join()
    return watch.sample(times)


def _bare_thread(times: int) -> Sample:
    """Start an operating system's thread that runs one C function, and see that it ran."""
    ran = _thread.allocate_lock()
    ran.acquire()
    watch = Watch()
    for _ in repeat(None, times):
        _thread.start_new_thread(ran.release, ())
        ran.acquire()
    return watch.sample(times)


def _cancelled_timers(make: Callable[..., TimerLike], _: Team, times: int) -> Sample:
    watch = Watch()
    for _turn in repeat(None, times):
        timer = make(60, nothing)
        timer.start()
        timer.cancel()
        timer.join()
    return watch.sample(times)


class _EmptyTimer:
    """What a class in Python costs that does nothing."""

    def __init__(self, interval: float, function: Callable[[], None]) -> None: ...
    def start(self) -> None: ...
    def cancel(self) -> None: ...
    def join(self) -> None: ...


def _fired_timers(make: Callable[..., TimerLike], _: Team, times: int) -> Sample:
    """Make, start and join so many timers of 1 ms, each of which runs a function."""
    fired: list[bool] = []

    def fire() -> None:
        fired.append(True)

    watch = Watch()
    timers = [make(0.001, fire) for _turn in repeat(None, times)]
    for timer in timers:
        timer.start()
    for timer in timers:
        timer.join()
    sample = watch.sample(times)
    if len(fired) != times:
        raise RuntimeError(f"{len(fired)} of {times} timers fired")
    return sample


def _rows() -> Iterator[tuple[Row, Row]]:
    group = "threads"
    yield pinned_and_free(
        Row(
            "Thread start+join",
            group,
            threaded("thread", _start_and_join),
            1.8,
            floor=_bare_thread,
        ),
        judged="one",
    )
    yield pinned_and_free(
        Row(
            "Timer start+cancel+join",
            group,
            threaded("timer", _cancelled_timers),
            8.0,
            floor=lambda size: _cancelled_timers(_EmptyTimer, Team(threading.Thread), size),
        ),
        judged="one",
    )
    yield pinned_and_free(
        Row(
            f"{TIMERS:,} timers, each",
            group,
            threaded("timer", _fired_timers),
            8.0,
            size=TIMERS,
        ),
        judged="one",
    )


ROWS = list(chain.from_iterable(_rows()))
