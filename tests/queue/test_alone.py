"""What the queues do without other threads: the stdlib's and ours as twins."""

# ruff: noqa: ANN401 - the twins are modules and have no types
from __future__ import annotations

import fractions
import inspect
import queue as stdlib
import time
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from ropewalk import queue as ours
from ropewalk._queue_slow import SHUTDOWN
from tests.queue.kit import KINDS, SOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ORDERS = {
    "Queue": [3, 1, 2],
    "LifoQueue": [2, 1, 3],
    "PriorityQueue": [1, 2, 3],
    "SimpleQueue": [3, 1, 2],
}


@pytest.mark.parametrize("kind", ORDERS)
def test_order(queue: ModuleType, kind: str) -> None:
    q = getattr(queue, kind)()
    assert q.empty()
    for item in (3, 1, 2):
        assert q.put(item) is None
    assert q.qsize() == 3
    assert not q.empty()
    assert [q.get(), q.get_nowait(), q.get(True, 1)] == ORDERS[kind]
    assert q.qsize() == 0
    with pytest.raises(queue.Empty):
        q.get_nowait()
    with pytest.raises(queue.Empty):
        q.get(False)
    with pytest.raises(queue.Empty):
        q.get(timeout=0)


@pytest.mark.parametrize("kind", KINDS)
def test_limit(queue: ModuleType, kind: str) -> None:
    q = getattr(queue, kind)(maxsize=2)
    assert q.maxsize == 2
    assert not q.full()
    q.put(1)
    q.put_nowait(2)
    assert q.full()
    for arguments in (
        {"block": False},
        {"block": 0, "timeout": -1},
        {"timeout": 0},
        {"block": True, "timeout": SOON},
    ):
        with pytest.raises(queue.Full) as error:
            q.put(3, **arguments)
        assert error.value.args == ()
    with pytest.raises(queue.Full):
        q.put_nowait(3)
    with pytest.raises(queue.Full):
        q.put(3, False)
    assert q.qsize() == 2
    q.get()
    q.put(3)


@pytest.mark.parametrize("maxsize", [0, -1, -(10**30)])
def test_no_limit(queue: ModuleType, maxsize: int) -> None:
    q = queue.Queue(maxsize)
    assert q.maxsize == maxsize
    for item in range(100):
        q.put_nowait(item)
    assert not q.full()
    # Nobody looks at what is not needed.
    q.put(100, "maybe", "never")
    assert q.qsize() == 101


@pytest.mark.parametrize("maxsize", [2.5, True, 10**30, fractions.Fraction(3, 2)])
def test_unusual_limits(queue: ModuleType, maxsize: Any) -> None:
    q = queue.Queue(maxsize)
    assert q.maxsize is maxsize
    fits = min(-int(-maxsize // 1), 5)
    for item in range(fits):
        q.put_nowait(item)
    assert q.full() is (fits < 5)
    if fits < 5:
        with pytest.raises(queue.Full):
            q.put_nowait(0)
    assert [q.get_nowait() for _ in range(fits)] == list(range(fits))


def test_a_limit_of_the_wrong_type(queue: ModuleType) -> None:
    q = queue.Queue("many")
    with pytest.raises(
        TypeError, match=r"^'>' not supported between instances of 'str' and 'int'$"
    ):
        q.put(1)
    with pytest.raises(TypeError):
        q.full()
    assert q.empty()


def test_the_limit_can_be_changed(queue: ModuleType) -> None:
    q = queue.Queue()
    for item in range(3):
        q.put(item)
    q.maxsize = 2
    assert (q.maxsize, q.qsize(), q.full()) == (2, 3, True)
    with pytest.raises(queue.Full):
        q.put_nowait(3)
    q.get()
    with pytest.raises(queue.Full):
        q.put_nowait(3)
    q.get()
    q.put_nowait(3)
    q.maxsize = -3
    q.put_nowait(4)
    assert not q.full()
    q.maxsize = 3.5
    q.put_nowait(5)
    with pytest.raises(queue.Full):
        q.put_nowait(6)
    assert [q.get() for _ in range(4)] == [2, 3, 4, 5]


def outcome(call: Callable[[], object]) -> tuple[type, str] | object:
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


TIMEOUTS: list[Any] = [
    -1,
    -1.5,
    -0.0,
    float("nan"),
    float("inf"),
    float("-inf"),
    1e10,
    1e300,
    10**400,
    -(10**400),
    "1",
    b"1",
    [],
    1j,
    Decimal(1),
    fractions.Fraction(1, 100),
    True,
    False,
    object(),
]


@pytest.mark.parametrize("timeout", TIMEOUTS, ids=repr)
@pytest.mark.parametrize("operation", ["get with items", "put with places", "SimpleQueue.get"])
def test_timeouts_when_there_is_nothing_to_wait_for(operation: str, timeout: object) -> None:
    outcomes = []
    for module in (stdlib, ours):
        q: Any = module.SimpleQueue() if "Simple" in operation else module.Queue(5)
        q.put("item")
        call = partial(q.put, 1) if "put" in operation else q.get
        outcomes.append(outcome(partial(call, timeout=timeout)))
    assert outcomes[0] == outcomes[1]


# Those on which the stdlib does not wait for ever.
ENDING = [t for t in TIMEOUTS if t not in (float("inf"), True) and t == t]


@pytest.mark.parametrize("timeout", [*ENDING, 1e10, float("inf")], ids=repr)
@pytest.mark.parametrize("operation", ["get", "put", "SimpleQueue.get"])
def test_timeouts_when_there_is_something_to_wait_for(operation: str, timeout: object) -> None:
    outcomes = []
    for module in (stdlib, ours):
        q: Any = module.SimpleQueue() if "Simple" in operation else module.Queue(1)
        if operation == "put":
            q.put("first")
        call = partial(q.put, 1) if operation == "put" else q.get
        outcomes.append(outcome(partial(call, timeout=timeout)))
    assert outcomes[0] == outcomes[1]


class Unsure:
    def __bool__(self) -> bool:
        raise ZeroDivisionError("unsure")


def test_block_is_a_truth_value(queue: ModuleType) -> None:
    q = queue.Queue(1)
    with pytest.raises(ZeroDivisionError, match="unsure"):
        q.get(Unsure())
    with pytest.raises(ZeroDivisionError, match="unsure"):
        q.put(1, Unsure())
    with pytest.raises(queue.Empty):
        q.get([], None)
    with pytest.raises(ZeroDivisionError, match="unsure"):
        queue.SimpleQueue().get(Unsure())
    with pytest.raises(ZeroDivisionError, match="unsure"):
        queue.SimpleQueue().put(1, Unsure())


def test_a_timeout_takes_as_long_as_it_says(queue: ModuleType) -> None:
    for q in (queue.Queue(), queue.SimpleQueue(), queue.PriorityQueue()):
        started = time.monotonic()
        with pytest.raises(queue.Empty):
            q.get(timeout=SOON)
        assert time.monotonic() - started >= SOON


def test_tasks(queue: ModuleType) -> None:
    q = queue.Queue()
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        q.task_done()
    q.join()
    q.put(1)
    q.put(2)
    assert q.unfinished_tasks == 2
    q.get()
    q.task_done()
    assert q.unfinished_tasks == 1
    q.task_done()
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        q.task_done()
    q.join()
    q.unfinished_tasks = 5
    q.task_done()
    assert q.unfinished_tasks == 4
    q.unfinished_tasks = -1
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        q.task_done()
    assert q.unfinished_tasks == -1


@pytest.mark.parametrize("kind", KINDS)
def test_shutdown(queue_with_shutdown: ModuleType, kind: str) -> None:
    queue = queue_with_shutdown
    q = getattr(queue, kind)(2)
    assert repr(q.is_shutdown) == "False"
    q.put(1)
    q.put(2)
    q.shutdown()
    assert q.is_shutdown is True
    with pytest.raises(queue.ShutDown):
        q.put(3)
    with pytest.raises(queue.ShutDown):
        q.put_nowait(3)
    # Refused before the arguments are looked at.
    with pytest.raises(queue.ShutDown):
        q.put(3, timeout=-1)
    q.get()
    q.task_done()
    q.shutdown(immediate=True)
    assert q.unfinished_tasks == 0
    for refused in (q.get, q.get_nowait, lambda: q.get(timeout="soon")):
        with pytest.raises(queue.ShutDown):
            refused()
    q.join()
    setattr(q, SHUTDOWN, False)
    q.put(4)
    assert q.get() == 4
    setattr(q, SHUTDOWN, True)
    with pytest.raises(queue.ShutDown):
        q.get()


def test_comparisons_are_the_users(queue: ModuleType) -> None:
    class Job:
        compared = 0

        def __init__(self, rank: int) -> None:
            self.rank = rank

        def __lt__(self, other: Job) -> bool:
            Job.compared += 1
            # Any code may run here.
            assert q.maxsize == 0
            return self.rank < other.rank

    q = queue.PriorityQueue()
    for rank in (5, 3, 9, 1, 3, 8, 2):
        q.put(Job(rank))
    assert [q.get().rank for _ in range(7)] == [1, 2, 3, 3, 5, 8, 9]
    # heapq's own number.
    assert Job.compared == 20


def test_equal_priorities_come_in_the_order_of_heapq() -> None:
    orders = []
    for module in (stdlib, ours):
        q: Any = module.PriorityQueue()

        class Equal:
            def __init__(self, name: int) -> None:
                self.name = name

            def __lt__(self, other: object) -> bool:
                return False

        for name in range(40):
            q.put(Equal(name))
        orders.append([q.get().name for _ in range(40)])
    assert orders[0] == orders[1]


def test_items_that_cannot_be_compared(queue: ModuleType) -> None:
    words = "^'<' not supported between instances of 'str' and 'int'$"
    q = queue.PriorityQueue()
    q.put(1)
    with pytest.raises(TypeError, match=words):
        q.put("two")
    # As in CPython, it is there all the same, but no task.
    assert (q.qsize(), q.unfinished_tasks) == (2, 1)
    assert q.get() == 1
    assert q.get() == "two"
    for item in (1, "two"):
        try:
            q.put(item)
        except TypeError:
            assert item == "two"
    q.queue.append(3)
    with pytest.raises(TypeError):
        q.get()


@pytest.mark.parametrize("kind", [*KINDS, "SimpleQueue"])
def test_signatures(kind: str) -> None:
    theirs, mine = getattr(stdlib, kind), getattr(ours, kind)
    assert mine.__module__ == theirs.__module__
    assert mine.__qualname__ == theirs.__qualname__
    assert inspect.getdoc(mine) == inspect.getdoc(theirs)
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public <= set(dir(mine))
    for name in public:
        method = inspect.signature(getattr(theirs, name)).replace(
            return_annotation=inspect.Signature.empty
        )
        parameters = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in method.parameters.values()]
        mine_too = inspect.signature(getattr(mine, name)).parameters.values()
        assert [(p.name, p.default) for p in mine_too] == [
            (p.name, p.default) for p in parameters
        ], name


def test_the_module_has_the_stdlibs_names(queue: ModuleType) -> None:
    assert set(stdlib.__all__) <= set(queue.__all__)
    assert queue.Empty is stdlib.Empty
    assert queue.Full is stdlib.Full
    if hasattr(stdlib, "ShutDown"):
        assert queue.ShutDown is stdlib.ShutDown
    elif queue is ours:
        assert (ours.ShutDown.__module__, ours.ShutDown.__name__) == ("queue", "ShutDown")
    names = {name for name in vars(stdlib) if not name.startswith("__")}
    assert names <= set(vars(queue))
    for name in ("deque", "heappush", "heappop", "time"):
        assert getattr(queue, name) is getattr(stdlib, name)


def test_generic_aliases(queue: ModuleType) -> None:
    assert repr(queue.Queue[int]) == "queue.Queue[int]"
    assert queue.LifoQueue[str].__origin__ is queue.LifoQueue
    assert repr(queue.SimpleQueue[int]) == "_queue.SimpleQueue[int]"
    assert isinstance(queue.Queue[int](), queue.Queue)


def test_construction(queue: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"takes from 1 to 2 positional arguments but 3 were given"):
        queue.Queue(1, 2)
    with pytest.raises(TypeError, match=r"^SimpleQueue\(\) takes no positional arguments$"):
        queue.SimpleQueue(1)
    with pytest.raises(TypeError, match=r"^SimpleQueue\(\) takes no keyword arguments$"):
        queue.SimpleQueue(size=1)
    bare = queue.Queue.__new__(queue.Queue)
    for use, missing in ((bare.get, "not_empty"), (lambda: bare.put(1), "not_full")):
        with pytest.raises(AttributeError, match=f"^'Queue' object has no attribute '{missing}'$"):
            use()
    with pytest.raises(AttributeError, match=r"^'Queue' object has no attribute 'mutex'$"):
        bare.qsize()
    with pytest.raises(AttributeError, match=r"^type object 'Queue' has no attribute 'mutex'$"):
        queue.Queue.mutex  # noqa: B018
    assert repr(queue.Queue()).startswith("<queue.Queue object at 0x")
    assert repr(queue.SimpleQueue()).startswith("<_queue.SimpleQueue object at 0x")


def test_made_anew(queue: ModuleType) -> None:
    q = queue.Queue(2)
    q.put(1)
    q.__init__(1)
    assert (q.qsize(), q.unfinished_tasks, q.maxsize) == (0, 0, 1)
    q.put(2)
    assert q.full()
    assert q.get() == 2
