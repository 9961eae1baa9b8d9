"""Every primitive and every queue used by one thread: nobody waits and nobody competes."""

from dataclasses import replace

from benches.python.floor import CALLS, EMPTY_CLASS, KEYWORD_CALL, WITH
from benches.python.kit import Kit
from benches.python.row import Row, statement, statement_measure

_WITH = "with it: pass"
_ACQUIRE_RELEASE = "it.acquire(); it.release()"
_PUT_GET = "it.put(1); it.get()"


def _made(row: Row) -> Row:
    """Give a row that makes objects its floor: a call of an empty class."""
    return replace(row, floor=statement_measure(CALLS, EMPTY_CLASS, "make()", "pass"))


def _row(name: str, part: str, code: str, target: float, floor: Kit = CALLS) -> Row:
    return statement(name, part, code, target=target, floor=floor)


ROWS = [
    _row("Lock with", "lock", _WITH, 1.8, WITH),
    _row("Lock acquire+release", "lock", _ACQUIRE_RELEASE, 1.8),
    _row("RLock with", "rlock", _WITH, 1.8, WITH),
    _row("RLock acquire+release", "rlock", _ACQUIRE_RELEASE, 2),
    _row("Semaphore with", "semaphore", _WITH, 11, WITH),
    _row("Semaphore acquire+release", "semaphore", _ACQUIRE_RELEASE, 20),
    _row("BoundedSemaphore with", "bounded_semaphore", _WITH, 11, WITH),
    _row("BoundedSemaphore acquire+release", "bounded_semaphore", _ACQUIRE_RELEASE, 20),
    _row("Condition with", "condition", _WITH, 3, WITH),
    _row("Condition with, notify nobody", "condition", "with it: it.notify()", 4, WITH),
    _row("Event set+wait+clear", "event", "it.set(); it.wait(); it.clear()", 25),
    _row("Barrier(1) wait", "barrier_of_one", "it.wait()", 30),
    _made(statement("Semaphore() made", "semaphore", "make()", setup="pass", target=15)),
    _made(statement("Event() made", "event", "make()", setup="pass", target=15)),
    replace(
        statement(
            "held Lock acquire(timeout=0)",
            "lock",
            "it.acquire(timeout=0)",
            setup="it = make(); it.acquire()",
            target=4,
            floor=None,
        ),
        floor=statement_measure(CALLS, *KEYWORD_CALL, "it = make()"),
    ),
    _row("Queue put+get", "queue", _PUT_GET, 22),
    _row("LifoQueue put+get", "lifo_queue", _PUT_GET, 22),
    _row("PriorityQueue put+get", "priority_queue", _PUT_GET, 12),
    _row("SimpleQueue put+get", "simple_queue", _PUT_GET, 1.15),
]
