"""A turn that passes from thread to thread: every operation blocks one thread and wakes another."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from time import sleep

from benches.python.floor import HAS_HAND_OVER, hand_over
from benches.python.kit import ConditionLike, EventLike, LockLike, QueueLike
from benches.python.row import Measure, Row, Team, pinned_and_free, threaded
from benches.python.sample import Sample, Watch, total

WAITERS = 100


def _locks(make: Callable[[], LockLike], team: Team, pairs: int, held: bool) -> Sample:
    """Let each thread free the other's lock; `held`: the locks are not made taken."""
    ping, pong = make(), make()
    if held:
        ping.acquire()
        pong.acquire()

    def partner() -> None:
        for _ in repeat(None, pairs):
            ping.acquire()
            pong.release()

    team.start(partner)
    watch = Watch()
    for _ in repeat(None, pairs):
        ping.release()
        pong.acquire()
    sample = watch.sample(pairs)
    team.join()
    return sample


def _events(make: Callable[[], EventLike], team: Team, pairs: int) -> Sample:
    ping, pong = make(), make()

    def partner() -> None:
        for _ in repeat(None, pairs):
            ping.wait()
            ping.clear()
            pong.set()

    team.start(partner)
    watch = Watch()
    for _ in repeat(None, pairs):
        ping.set()
        pong.wait()
        pong.clear()
    sample = watch.sample(pairs)
    team.join()
    return sample


def _condition(make: Callable[[], ConditionLike], team: Team, pairs: int) -> Sample:
    changed = make()
    turn = "ping"

    def partner() -> None:
        nonlocal turn
        with changed:
            for _ in repeat(None, pairs):
                while turn != "pong":
                    changed.wait()
                turn = "ping"
                changed.notify()

    team.start(partner)
    watch = Watch()
    with changed:
        for _ in repeat(None, pairs):
            turn = "pong"
            changed.notify()
            while turn != "ping":
                changed.wait()
    sample = watch.sample(pairs)
    team.join()
    return sample


def _queues(make: Callable[[], QueueLike], team: Team, pairs: int) -> Sample:
    requests, replies = make(), make()

    def partner() -> None:
        for _ in repeat(None, pairs):
            replies.put(requests.get())

    team.start(partner)
    watch = Watch()
    for number in range(pairs):
        requests.put(number)
        replies.get()
    sample = watch.sample(pairs)
    team.join()
    return sample


def _wake_all(
    team: Team, wait: Callable[[Callable[[], None]], None], wake: Callable[[], object]
) -> Sample:
    """Measure from `wake` until the last of the waiters runs."""
    arrived: list[bool] = []
    awake: list[bool] = []
    last, leave = threading.Lock(), threading.Lock()
    last.acquire()
    leave.acquire()

    def waiter() -> None:
        wait(partial(arrived.append, True))
        awake.append(True)
        if len(awake) == WAITERS:
            last.release()
        # Waits here, so that the ends of the threads are not measured with the waking.
        with leave:
            pass

    team.start(*repeat(waiter, WAITERS))
    while len(arrived) < WAITERS:
        sleep(0.001)
    # All have said that they are about to wait: leave them the processor to do so. One that is
    # late does no harm but to the number.
    sleep(0.005)
    watch = Watch()
    wake()
    last.acquire()
    sample = watch.sample(1)
    leave.release()
    team.join()
    return sample


def _notify_all(make: Callable[[], ConditionLike], team: Team, times: int) -> Sample:
    def once() -> Sample:
        changed = make()

        def wait(arrived: Callable[[], None]) -> None:
            with changed:
                arrived()
                changed.wait()

        def wake() -> None:
            with changed:
                changed.notify_all()

        return _wake_all(team, wait, wake)

    return total([once() for _ in repeat(None, times)])


def _set_event(make: Callable[[], EventLike], team: Team, times: int) -> Sample:
    def once() -> Sample:
        event = make()

        def wait(arrived: Callable[[], None]) -> None:
            arrived()
            event.wait()

        return _wake_all(team, wait, event.set)

    return total([once() for _ in repeat(None, times)])


def _wake_eventfds(times: int) -> Sample:
    """Wake the waiters with the least that the kernel offers: an eventfd for each."""

    def once() -> Sample:
        own = [os.eventfd(0) for _turn in range(WAITERS)]
        free = own.copy()

        def wait(arrived: Callable[[], None]) -> None:
            mine = free.pop()
            arrived()
            os.eventfd_read(mine)

        def wake() -> None:
            for each in own:
                os.eventfd_write(each, 1)

        sample = _wake_all(Team(threading.Thread), wait, wake)
        for each in own:
            os.close(each)
        return sample

    return total([once() for _turn in repeat(None, times)])


def _floor(switches: int) -> Measure | None:
    """Return what so many changes of the running thread cost, as a measure of one operation."""
    if not HAS_HAND_OVER:
        return None
    return lambda size: replace(hand_over(max(1, size * switches // 2)), operations=size)


def _rows() -> Iterator[tuple[Row, Row]]:
    pairs = _floor(2)
    for name, build, target in (
        ("ping-pong Semaphore", threaded("empty_semaphore", _locks, held=False), 3.4),
        ("ping-pong Event", threaded("event", _events), 3.4),
        ("ping-pong Lock", threaded("lock", _locks, held=True), 1.9),
        ("ping-pong Condition", threaded("condition", _condition), 2.9),
        ("Queue request/reply", threaded("queue", _queues), 4.0),
    ):
        yield pinned_and_free(Row(name, "hand-over", build, target, floor=pairs), judged="one")
    bare = _wake_eventfds if HAS_HAND_OVER else None
    for name, build, target in (
        (f"{WAITERS} waiters, notify_all", threaded("condition", _notify_all), 3.0),
        (f"{WAITERS} waiters, Event.set", threaded("event", _set_event), 8.0),
    ):
        row = Row(name, "hand-over", build, target, floor=bare, smoke_size=1)
        yield pinned_and_free(row, judged="one")


ROWS = list(chain.from_iterable(_rows()))
