"""One lock that several threads take and release all the time, and how evenly they get it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import repeat
from time import sleep

from benches.python.floor import WITH
from benches.python.kit import LockLike
from benches.python.row import Row, Team, threaded
from benches.python.sample import Sample, Watch

# Between two looks at the flag that ends a batch.
_TURNS = 50

Section = Callable[[LockLike, "repeat[None]"], None]


def touch() -> None:
    """Stand for the work that a lock protects."""


def _section(lock: LockLike, turns: "repeat[None]") -> None:
    # Entering a Python function is where a thread may lose the interpreter lock, so that here the
    # others run while the lock is held.
    for _ in turns:
        with lock:
            touch()


def _empty_section(lock: LockLike, turns: "repeat[None]") -> None:
    # CPython does not switch threads between the two ends of this `with`: with a lock made in C
    # the threads hardly ever meet, and what remains is the price of many threads at one object.
    for _ in turns:
        with lock:
            pass


def _contend(
    make: Callable[[], LockLike], team: Team, milliseconds: int, threads: int, section: Section
) -> Sample:
    lock = make()
    done = [0] * threads
    over: list[bool] = []
    begin = threading.Barrier(threads + 1)

    def work(me: int) -> None:
        turns = 0
        begin.wait()
        while not turns or not over:
            section(lock, repeat(None, _TURNS))
            turns += _TURNS
        done[me] = turns

    team.start(*(partial(work, me) for me in range(threads)))
    begin.wait()
    watch = Watch()
    sleep(milliseconds / 1000)
    over.append(True)
    team.join()
    return replace(watch.sample(sum(done)), fairness=min(done) / max(done))


def _rows() -> Iterator[Row]:
    for threads, milliseconds in ((2, 400), (8, 1000)):
        for name, part, target in (
            ("Lock", "lock", 1.8),
            ("RLock", "rlock", 1.8),
            ("Semaphore", "semaphore", 8.0),
        ):
            for section, how in ((_section, ""), (_empty_section, ", empty section")):
                build = threaded(part, _contend, threads=threads, section=section)
                yield Row(
                    name=f"{name}, {threads} threads{how}",
                    group="contended",
                    build=build,
                    target=target,
                    # With an empty section it is the interpreter lock that shares out the time.
                    least_fairness=None if how else 0.5,
                    floor=build(WITH),
                    size=milliseconds,
                    rounds=5,
                )


ROWS = list(_rows())
