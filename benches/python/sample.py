"""What one batch took."""

from dataclasses import dataclass
from time import perf_counter_ns, process_time_ns


@dataclass(frozen=True)
class Sample:
    """One measured batch: how many operations took how many nanoseconds.

    wall: the time that passed; cpu: the processor's time, of all threads together.
    fairness: what the thread with the fewest operations got, divided by what the one with the most
    got; None where the threads do not compete.
    """

    operations: int
    wall: int
    cpu: int
    fairness: float | None = None


class Watch:
    """Measures from when it is made."""

    __slots__ = ("_cpu", "_wall")

    def __init__(self) -> None:
        self._cpu = process_time_ns()
        self._wall = perf_counter_ns()

    def sample(self, operations: int) -> Sample:
        """Return what so many operations took until now."""
        wall = perf_counter_ns() - self._wall
        return Sample(operations, wall, process_time_ns() - self._cpu)


def total(samples: list[Sample]) -> Sample:
    """Add up samples."""
    return Sample(
        sum(s.operations for s in samples),
        sum(s.wall for s in samples),
        sum(s.cpu for s in samples),
    )
