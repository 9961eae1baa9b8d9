"""Runs rows: finds the size of a batch, then measures the sides in turns."""

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benches.python.kit import Kit
from benches.python.row import Measure, Row
from benches.python.sample import Sample

# Batches of each size that is tried.
_TRIES = 3


@dataclass(frozen=True)
class Measured:
    """What one side did in one row: the nanoseconds per operation of each batch, by both clocks."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    fairness: float | None = None

    def time(self, row: Row) -> float:
        """Return the time that counts in this row."""
        batches = self.cpu if row.clock == "cpu" else self.wall
        return min(batches) if row.statistic == "min" else median(batches)


@dataclass(frozen=True)
class Result:
    """A row and what each side did, by the name of the kit."""

    row: Row
    sides: Mapping[str, Measured] = field(default_factory=dict)

    def time(self, side: str) -> float | None:
        """Return the nanoseconds of one operation that count for a side."""
        measured = self.sides.get(side)
        return None if measured is None else measured.time(self.row)

    def ratio(self, side: str = "ropewalk") -> float | None:
        """Return how many times faster than the stdlib a side is."""
        stock, other = self.time("stock"), self.time(side)
        return None if stock is None or other is None else stock / other

    @property
    def fairness(self) -> float | None:
        measured = self.sides.get("ropewalk")
        return None if measured is None else measured.fairness

    @property
    def reached(self) -> bool | None:
        """Tell whether Ropewalk reaches what the row asks; None if it asks nothing."""
        ratio = self.ratio()
        if ratio is None or self.row.target is None:
            return None
        least = self.row.least_fairness
        fair = least is None or (self.fairness is not None and self.fairness >= least)
        return ratio >= self.row.target and fair


def run(row: Row, kits: Sequence[Kit], rounds: int, smoke: bool = False) -> Result:
    """Measure one row: one batch of every side, then the next batch of every side, and so on.

    Whatever else the machine does meanwhile thus hits all sides alike.
    """
    measures = {kit.name: measure for kit in kits if (measure := row.build(kit)) is not None}
    if row.floor is not None:
        measures["floor"] = row.floor
    with _cores(row):
        if smoke:
            sizes = dict.fromkeys(measures, row.smoke_size)
        else:
            sizes = {name: row.size or _size(m, row) for name, m in measures.items()}
        samples: dict[str, list[Sample]] = {name: [] for name in measures}
        for turn in range(1 if smoke else min(rounds, row.rounds)):
            order = list(measures) if turn % 2 == 0 else list(reversed(measures))
            for name in order:
                samples[name].append(_batch(measures[name], sizes[name]))
    return Result(row, {name: _measured(found) for name, found in samples.items()})


def _measured(samples: Sequence[Sample]) -> Measured:
    shares = [s.fairness for s in samples if s.fairness is not None]
    return Measured(
        wall=tuple(s.wall / s.operations for s in samples),
        cpu=tuple(s.cpu / s.operations for s in samples),
        fairness=median(shares) if shares else None,
    )


def _batch(measure: Measure, size: int) -> Sample:
    gc.collect()
    return measure(size)


def _size(measure: Measure, row: Row) -> int:
    """Find the size of a batch that takes as long as the row says. This also warms the caches up.

    The fastest of some tries: one that another program interrupted would make the batch so small
    that reading the clock counts.
    """
    size, wanted = 1, row.batch_ms * 1_000_000
    while True:
        taken = min(_taken(_batch(measure, size), row) for _ in range(_TRIES))
        if taken * 8 >= wanted:
            return max(1, size * wanted // taken)
        size *= 4


def _taken(sample: Sample, row: Row) -> int:
    return sample.cpu if row.clock == "cpu" else sample.wall


@contextmanager
def _cores(row: Row) -> Iterator[None]:
    """Pin every thread of the process to one core for the time that the row asks for it.

    Threads that exist are moved too, and back: a thread that a side keeps in the background must
    not stay on the core of the row that first made it.
    """
    if row.cores == "any" or not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    _move({max(allowed)})
    try:
        yield
    finally:
        _move(allowed)


def _move(cores: set[int]) -> None:
    for task in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except ProcessLookupError:
            continue  # It ended meanwhile.
