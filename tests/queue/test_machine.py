"""Random operations on the stdlib's queue and on ours, which must give the same each time."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import queue as stdlib
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ropewalk import queue as ours
from tests.queue.kit import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

HAS_SHUTDOWN = sys.version_info >= (3, 13)
ITEMS = st.integers(-3, 3) | st.just("a") | st.tuples(st.integers(0, 2), st.integers(0, 2))
LIMITS = st.integers(-1, 4) | st.just(2.5) | st.booleans()
# None that would wait for ever where there is nothing to be had.
NO_WAITS = st.sampled_from(
    [
        {"block": False},
        {"timeout": 0},
        {"timeout": 0.0},
        {"timeout": 1e-9},
        {"timeout": -1},
        {"timeout": "x"},
        {"block": 0, "timeout": -5},
        {"block": True, "timeout": False},
        {"block": [], "timeout": None},
    ]
)


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


class Twins(RuleBasedStateMachine):
    @initialize(kind=st.sampled_from([*KINDS, "Unique"]), maxsize=LIMITS)
    def make(self, kind: str, maxsize: Any) -> None:
        self.pair: list[Any] = []
        for module in (stdlib, ours):
            if kind == "Unique":

                class Unique(module.Queue):  # type: ignore[name-defined, misc]
                    def _put(self, item: object) -> None:
                        if item not in self.queue:
                            super()._put(item)

                self.pair.append(Unique(maxsize))
            else:
                self.pair.append(getattr(module, kind)(maxsize))

    def both(self, call: Callable[[Any], object]) -> None:
        theirs, mine = (outcome(partial(call, q)) for q in self.pair)
        assert theirs == mine

    @rule(item=ITEMS, how=NO_WAITS)
    def put(self, item: object, how: dict[str, Any]) -> None:
        self.both(lambda q: q.put(item, **how))

    @rule(item=ITEMS)
    def put_nowait(self, item: object) -> None:
        self.both(lambda q: q.put_nowait(item))

    @rule(how=NO_WAITS)
    def get(self, how: dict[str, Any]) -> None:
        self.both(lambda q: q.get(**how))

    @rule()
    def get_nowait(self) -> None:
        self.both(lambda q: q.get_nowait())

    @precondition(lambda self: not self.pair[0].empty())
    @rule()
    def get_without_a_limit(self) -> None:
        self.both(lambda q: q.get())

    @rule()
    def task_done(self) -> None:
        self.both(lambda q: q.task_done())

    @precondition(lambda self: not self.pair[0].unfinished_tasks)
    @rule()
    def join(self) -> None:
        self.both(lambda q: q.join())

    @rule(maxsize=LIMITS)
    def set_maxsize(self, maxsize: Any) -> None:
        self.both(lambda q: setattr(q, "maxsize", maxsize))

    @rule(tasks=st.integers(-2, 5))
    def set_unfinished_tasks(self, tasks: int) -> None:
        self.both(lambda q: setattr(q, "unfinished_tasks", tasks))

    @precondition(lambda self: HAS_SHUTDOWN)
    @rule(immediate=st.booleans())
    def shutdown(self, immediate: bool) -> None:
        self.both(lambda q: q.shutdown(immediate))

    @precondition(lambda self: HAS_SHUTDOWN)
    @rule(value=st.booleans())
    def set_is_shutdown(self, value: bool) -> None:
        self.both(lambda q: setattr(q, "is_shutdown", value))

    @rule()
    def look_inside(self) -> None:
        self.both(lambda q: list(q.queue))

    @rule(item=ITEMS)
    def put_by_hand(self, item: object) -> None:
        def put(q: Any) -> None:
            with q.mutex:
                q._put(item)
                q.not_empty.notify()

        self.both(put)

    @rule(maxsize=LIMITS)
    def make_anew(self, maxsize: Any) -> None:
        self.both(lambda q: q.__init__(maxsize))

    @invariant()
    def looks_the_same(self) -> None:
        if hasattr(self, "pair"):
            self.both(lambda q: (q.qsize(), q.empty(), q.full(), q.maxsize, q.unfinished_tasks))


TestTwins = Twins.TestCase
TestTwins.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
