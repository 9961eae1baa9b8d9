"""What a row of the benchmark is, and the two ways to make one: a statement, or threads."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import repeat
from types import CodeType, FunctionType
from typing import Any, Literal, TypeVar, cast

from benches.python.floor import CALLS
from benches.python.kit import Kit, ThreadLike
from benches.python.sample import Sample, Watch

Function = TypeVar("Function")
Cores = Literal["any", "one"]


# Does a batch of the given size (operations, or for rows of fixed duration milliseconds).
Measure = Callable[[int], Sample]
# Makes the measure for one kit, or None when the kit has no such part.
Build = Callable[[Kit], Measure | None]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    target: how many times faster than the stdlib Ropewalk must be; None: the row only informs.
    least_fairness: what `Sample.fairness` must reach.
    floor: measures the least that the row could take, such as an empty call of the same shape.
    cores: "one" pins the process to one core while the row runs.
    clock, statistic: what counts. On one core it is the processor's time of the fastest batch, as
        other programs can only add to that. How threads on several cores meet is part of the
        result: there it is the median of the time that passed.
    batch_ms: how long a batch is to take; its size is found to suit.
    size: the size of a batch, for rows that have a given one.
    rounds: at most so many batches of each side.
    smoke_size: the size of the only batch of a smoke run.
    """

    name: str
    group: str
    build: Build
    target: float | None = None
    least_fairness: float | None = None
    floor: Measure | None = None
    cores: Cores = "any"
    clock: Literal["cpu", "wall"] = "wall"
    statistic: Literal["min", "median"] = "median"
    batch_ms: int = 60
    size: int | None = None
    rounds: int = 9
    smoke_size: int = 3


def fresh(function: Function, spelling: dict[str, str]) -> Function:
    """Copy a function down to its bytecode, so that no two sides share one.

    CPython specialises bytecode for the types that it sees. Shared code would be specialised for
    one side and then slow, or specialised anew, for the other. `spelling` renames methods, so that
    peers which spell theirs differently are called directly and not through an adapter. Every use
    of such a name is renamed: the function must not use it on anything else.
    """

    def copy(code: CodeType) -> CodeType:
        return code.replace(
            co_consts=tuple(copy(c) if isinstance(c, CodeType) else c for c in code.co_consts),
            co_names=tuple(spelling.get(name, name) for name in code.co_names),
        )

    old = cast("FunctionType", function)
    new = FunctionType(
        copy(old.__code__), old.__globals__, old.__name__, old.__defaults__, old.__closure__
    )
    return cast("Function", new)


_STATEMENT = """
def measure(size):
    {setup}
    turns = repeat(None, size)
    watch = Watch()
    for _ in turns:
        {code}
    return watch.sample(size)
"""


def statement_measure(kit: Kit, make: object, code: str, setup: str) -> Measure:
    """Time the statement `code` in a loop, as `timeit` does, on what `setup` makes with `make`."""
    names: dict[str, Any] = {"repeat": repeat, "Watch": Watch}
    source = _STATEMENT.format(setup=f"make = given; {setup}", code=code)
    exec(source, names | {"given": make}, names)
    loop: Measure = fresh(names["measure"], kit.spelling)

    def measure(size: int) -> Sample:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return loop(size)
        finally:
            if collecting:
                gc.enable()

    return measure


def statement(
    name: str,
    part: str,
    code: str,
    *,
    target: float,
    setup: str = "it = make()",
    floor: Kit | None = CALLS,
) -> Row:
    """Make a row of one thread that repeats a statement.

    part: the attribute of a kit that `setup` and `code` call as `make()`.
    """

    def build(kit: Kit) -> Measure | None:
        make = getattr(kit, part)
        return None if make is None else statement_measure(kit, make, code, setup)

    return Row(
        name=name,
        group="alone",
        build=build,
        target=target,
        floor=None if floor is None else build(floor),
        clock="cpu",
        statistic="min",
        batch_ms=2,
        rounds=150,
    )


class Team:
    """The threads that drive a measure: of the same class for every side."""

    def __init__(self, thread: Callable[..., ThreadLike]) -> None:
        self._thread = thread
        self._members: list[ThreadLike] = []

    def start(self, *bodies: Callable[[], object]) -> None:
        """Start one thread for each body."""
        for body in bodies:
            member = self._thread(target=body, daemon=True)
            self._members.append(member)
            member.start()

    def join(self) -> None:
        """Wait until all have ended; the team can then be used again."""
        while self._members:
            self._members.pop().join()


def threaded(part: str, body: Callable[..., Sample], **fixed: object) -> Build:
    """Make the `build` of a row that several threads run.

    part: the attribute of a kit that makes the thing under test. body: is called with that maker,
    a new Team, the size of the batch, and `fixed`.
    """

    def build(kit: Kit) -> Measure | None:
        make = getattr(kit, part)
        if make is None:
            return None
        own = fresh(body, kit.spelling)
        extra = {
            name: fresh(value, kit.spelling) if isinstance(value, FunctionType) else value
            for name, value in fixed.items()
        }
        return lambda size: own(make, Team(kit.driver), size, **extra)

    return build


# Ends the name of a row that is judged pinned to one core, where it is not.
UNPINNED = ", all cores"


def pinned_and_free(row: Row, judged: Cores) -> tuple[Row, Row]:
    """Split a row in two, pinned to one core and not; `judged` says which has the target."""
    other = replace(row, target=None, least_fairness=None, group="more")
    if judged == "one":
        return _pinned(row), replace(other, name=f"{row.name}{UNPINNED}")
    return row, _pinned(replace(other, name=f"{row.name}, one core"))


def _pinned(row: Row) -> Row:
    return replace(row, cores="one", clock="cpu", statistic="min", batch_ms=20, rounds=25)
