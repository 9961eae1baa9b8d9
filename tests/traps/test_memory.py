"""When memory runs out: `MemoryError`, as everywhere in Python, and what there is can be given up.

A program takes its own memory away when it has filled what it is about, or lets one of the
interpreter's allocations fail after the other.
"""

from __future__ import annotations

import sys

import pytest

from tests.traps.programs import succeeds

LIMITED = """
import resource
from concurrent.futures import ThreadPoolExecutor

def leave(spare):
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    assert size < 550 << 20
    resource.setrlimit(resource.RLIMIT_AS, (size + spare, size + spare))
"""

GIVING_UP = {
    "drop": "del items",
    "shutdown": "items.shutdown(immediate=True); del items",
    "touch": """
try:
    items.queue
except MemoryError:
    pass
else:
    raise AssertionError
assert items.qsize() == 3_000_000 and items.get() == 0
del items
""",
    "gets": "[items.get_nowait() for _ in range(1000)]; del items",
}


@pytest.mark.skipif(sys.platform != "linux", reason="limits its memory as on Linux")
@pytest.mark.parametrize("way", GIVING_UP)
@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
def test_a_large_queue_is_given_up_without_memory(kind: str, way: str) -> None:
    if kind == "SimpleQueue" and way in ("shutdown", "touch"):
        pytest.skip("it has neither")
    text = f"""
items = queue.{kind}()
for _ in range(3_000_000):
    items.put(0)
leave(4 << 20)
{GIVING_UP[way]}
print("given up")
"""
    assert succeeds(LIMITED + text) == "given up\n"


@pytest.mark.skipif(sys.platform != "linux", reason="limits its memory as on Linux")
def test_a_pool_takes_no_more_jobs_than_there_is_memory_for() -> None:
    text = """
pool, begun, end = ThreadPoolExecutor(1), threading.Event(), threading.Event()
pool.submit(lambda: (begun.set(), end.wait()))
begun.wait()
leave(40 << 20)
jobs = 0
try:
    while True:
        pool.submit(int)
        jobs += 1
except MemoryError:
    assert jobs > 10_000
end.set()
pool.shutdown(cancel_futures=True)
print("done")
"""
    assert succeeds(LIMITED + text) == "done\n"


def test_destructors_use_the_queue_whose_items_are_given_up() -> None:
    text = """
class Item:
    def __del__(self):
        if not items.is_shutdown:
            items.put(0)
        seen.append(items.qsize())

for kind in queue.Queue, queue.LifoQueue, queue.SimpleQueue:
    seen = []
    items = kind()
    items_put = [items.put(Item()) for _ in range(1000)]
    if hasattr(items, "shutdown"):
        items.shutdown(immediate=True)
        assert seen == [0] * 1000
    else:
        kept = items
        del items
        items = queue.Queue()
        del kept
        assert seen == list(range(1, 1001))
print("done")
"""
    assert succeeds(text) == "done\n"


# What is tried, with what it makes anew each time, and what it raises anyway.
CALLS = {
    "texts": "repr(lock), repr(rlock), repr(condition), repr(semaphore), repr(event), repr(future)",
    "nothing there": "items.get_nowait()",
    "nothing came": "items.get(timeout=0.0001)",
    "no place": "full.put_nowait(1)",
    "simple": "simple.get_nowait()",
    "touched": "touched.put(1), touched.get()",
    "not mine": "rlock.release()",
    "too often": "lock.release()",
    "saved": "rlock.acquire(), rlock._acquire_restore(rlock._release_save()), rlock.release()",
    "touching a queue": "queue.Queue().mutex",
    "touching an event": "threading.Event()._cond",
    "touching a semaphore": "threading.Semaphore(1000)._cond",
    "touching a future": "Future()._state",
    "no result": "future.result(timeout=0.0001)",
    "cancelled": "cancelled.result()",
    "numbers": "thread.ident, thread.native_id, thread.name, semaphore._value, many.qsize()",
    "barrier": "barrier.parties, barrier.wait(), repr(barrier)",
    "submitted": "pool.submit(int).result()",
    "wait": "wait([Future()], timeout=0.0001)",
    "as_completed": "list(as_completed([Future()], timeout=0.0001))",
}


@pytest.mark.parametrize("call", CALLS)
def test_each_allocation_may_fail(call: str) -> None:
    pytest.importorskip("_testcapi")
    text = f"""
import _testcapi
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, TimeoutError
from concurrent.futures import as_completed, wait
lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
semaphore, event = threading.BoundedSemaphore(1000), threading.Event()
future, cancelled = Future(), Future()
cancelled.cancel()
items, simple, full, touched = queue.Queue(), queue.SimpleQueue(), queue.Queue(1), queue.Queue()
full.put(0)
touched.mutex
thread, barrier, pool = threading.current_thread(), threading.Barrier(1), ThreadPoolExecutor(1)
many = queue.Queue()
for _ in range(1000):
    many.put(0)
USUAL = queue.Empty, queue.Full, RuntimeError, TimeoutError, CancelledError

def call():
    {CALLS[call]}

def outcome():
    try:
        call()
    except USUAL as error:
        return type(error)

usual = outcome()
for number in range(60):
    try:
        try:
            _testcapi.set_nomemory(number, number + 1)
            call()
        finally:
            _testcapi.remove_mem_hooks()
    except (MemoryError, SystemError, *USUAL):  # CPython 3.11 loses one now and then
        pass
    if rlock._is_owned():
        rlock.release()
    assert outcome() is usual
print("done")
"""
    assert succeeds(text) == "done\n"


KINDS = {
    "Condition": "threading.Condition()",
    "Event": "threading.Event()",
    "BoundedSemaphore": "threading.BoundedSemaphore()",
    "Barrier": "threading.Barrier(1)",
    "Queue": "queue.Queue()",
    "PriorityQueue": "queue.PriorityQueue()",
    "a future's heir": "Heir()",
    "pool": "ThreadPoolExecutor(1)",
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_instance_without_memory_for_its_attributes(kind: str) -> None:
    """CPython 3.11 and 3.12 end it then before it has its value."""
    pytest.importorskip("_testcapi")
    text = f"""
import _testcapi
from concurrent.futures import Future, ThreadPoolExecutor
class Heir(Future):
    pass
{KINDS[kind]}
failed = 0
# CPython keeps some that were dropped, and would take those.
kept = [{{}} for _ in range(300)]
for number in range(20):
    _testcapi.set_nomemory(number, number + 1)
    try:
        {KINDS[kind]}
    except MemoryError:
        failed += 1
    finally:
        _testcapi.remove_mem_hooks()
    kept.append([{{}} for _ in range(90)])
assert failed
print("done")
"""
    assert succeeds(text) == "done\n"


MOVED = {
    "Queue": ("queue.Queue(); fill(it)", "it.mutex", "is_whole(it)"),
    "LifoQueue": ("queue.LifoQueue(); fill(it)", "it.mutex", "is_whole(it)"),
    "PriorityQueue": ("queue.PriorityQueue(); fill(it)", "it.mutex", "is_whole(it)"),
    "Event": ("threading.Event()", "it._cond", "not it._cond._lock.locked() and not it.wait(0)"),
    "Semaphore": (
        "threading.Semaphore(2)",
        "it._cond",
        "not it._cond._lock.locked() and it.acquire(timeout=1)",
    ),
    "Future": (
        "Future(); called = []; it.add_done_callback(called.append)",
        "it._condition",
        "it.set_result(1) is None and it.result(1) == 1 and called == [it]",
    ),
}


@pytest.mark.parametrize("kind", MOVED)
def test_what_moves_without_memory_is_whole(kind: str) -> None:
    pytest.importorskip("_testcapi")
    make, move, check = MOVED[kind]
    text = f"""
import _testcapi
from concurrent.futures import Future
def fill(it):
    for number in range(300):
        it.put((number,))
def is_whole(it):
    items = sorted(it.get(timeout=1) for _ in range(300))
    return items == [(n,) for n in range(300)] and it.unfinished_tasks == 300
it = {make}
{move}
failed = 0
for number in range(60):
    it = {make}
    try:
        try:
            _testcapi.set_nomemory(number, number + 1)
            {move}
        finally:
            _testcapi.remove_mem_hooks()
    except (MemoryError, SystemError):
        failed += 1
    assert {check}, number
assert failed
print("done")
"""
    assert succeeds(text) == "done\n"
