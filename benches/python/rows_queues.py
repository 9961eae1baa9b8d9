"""Queues between threads: producers put and consumers get at the same time."""

import threading
from collections.abc import Callable, Iterator
from itertools import chain, repeat

from benches.python.floor import HAS_HAND_OVER, QUEUES, hand_over
from benches.python.kit import QueueLike
from benches.python.row import Row, Team, pinned_and_free, threaded
from benches.python.sample import Sample, Watch


def _pass_on(make: Callable[[], QueueLike], team: Team, items: int, each: int) -> Sample:
    """Let `each` producers and as many consumers pass about so many items through one queue."""
    queue = make()
    share = max(1, items // each)
    begin = threading.Barrier(2 * each + 1)

    def produce() -> None:
        begin.wait()
        for number in range(share):
            queue.put(number)

    def consume() -> None:
        begin.wait()
        for _ in repeat(None, share):
            queue.get()

    team.start(*repeat(produce, each), *repeat(consume, each))
    begin.wait()
    watch = Watch()
    team.join()
    return watch.sample(share * each)


def _rows() -> Iterator[tuple[Row, Row]]:
    group = "queues"
    one = threaded("queue", _pass_on, each=1)
    four = threaded("queue", _pass_on, each=4)
    hundred = threaded("queue_of_100", _pass_on, each=1)
    yield pinned_and_free(Row("Queue 1P1C", group, one, 18, floor=one(QUEUES)), judged="any")
    yield pinned_and_free(Row("Queue 4P4C", group, four, 15, floor=four(QUEUES)), judged="any")
    yield pinned_and_free(
        Row("Queue 1P1C maxsize=100", group, hundred, 12, floor=one(QUEUES)), judged="any"
    )
    # Nothing but hand-overs: the producer and the consumer take turns.
    single = threaded("queue_of_1", _pass_on, each=1)
    turns = hand_over if HAS_HAND_OVER else None
    yield pinned_and_free(
        Row("Queue 1P1C maxsize=1", group, single, 3.7, floor=turns), judged="one"
    )


ROWS = list(chain.from_iterable(_rows()))
