"""`ropewalk.inspect`: a program looks at itself."""

from __future__ import annotations

import _thread
import gc
import os
import queue as stdlib_queue
import signal
import threading as stdlib
import time
from typing import TYPE_CHECKING

import pytest

from ropewalk import _ropewalk, inspect, queue, threading
from ropewalk.concurrent import futures
from tests.traps.ways import until

if TYPE_CHECKING:
    from collections.abc import Callable


def _blocked(*threads: threading.Thread) -> None:
    until(lambda: all(thread.ident in _ropewalk.blocked_threads() for thread in threads))


def _thing(thing: object) -> inspect.ObjectInfo:
    inspect.set_name(thing, f"at {id(thing):#x}")
    [found] = [each for each in inspect.snapshot().objects if each.name == f"at {id(thing):#x}"]
    return found


def test_a_blocked_thread_is_seen_with_the_lock_and_its_holder() -> None:
    lock = threading.Lock()
    inspect.set_name(lock, "cache")
    with lock:
        thread = threading.Thread(target=lock.acquire, name="waiter", daemon=True)
        thread.start()
        _blocked(thread)
        snapshot = inspect.snapshot()
        [waiter] = [each for each in snapshot.threads if each.name == "waiter"]
        assert waiter.ident == thread.ident
        assert waiter.native_id == thread.native_id
        assert waiter.state == "blocked"
        wait = waiter.waits_for
        assert wait is not None
        assert (wait.kind, wait.name, wait.remaining) == ("Lock", "cache", None)
        assert wait.made_at is not None
        assert wait.made_at.rpartition(":")[0].endswith("test_inspect.py")
        assert wait.owner == threading.get_ident()
        assert wait.waited > 0
        me = snapshot.thread(threading.get_ident())
        assert me is not None
        assert me.state == "running"
        assert me.is_main
        assert wait.object_id in me.holds
        thing = snapshot.object(wait.object_id)
        assert thing is not None
        assert thing.owner == me.ident
        assert list(thing.waiters) == [waiter.ident]
        assert thing.title == "Lock 'cache'"
        assert waiter.ident in [each.ident for each in inspect.waits()]
    thread.join()
    after = inspect.snapshot().object(wait.object_id)
    assert after is not None
    assert after.waits.number == 1
    assert after.waits.total == after.waits.longest >= wait.waited
    assert list(after.waiters) == []


def _waits_for(condition: threading.Condition) -> threading.Thread:
    def wait() -> None:
        with condition:
            condition.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    _blocked(thread)
    return thread


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_a_notified_waiter_waits_for_its_lock_from_then_on(
    make: Callable[[], threading.Lock | threading.RLock],
) -> None:
    lock = make()
    condition = threading.Condition(lock)
    inspect.set_name(condition, "changed")
    inspect.set_name(lock, "its lock")

    thread = _waits_for(condition)
    asleep_ns = time.monotonic_ns()
    time.sleep(0.1)
    with condition:
        notify_ns = time.monotonic_ns()
        condition.notify()
        notified_ns = time.monotonic_ns()
        time.sleep(0.1)
        [waiter] = [each for each in inspect.snapshot().threads if each.ident == thread.ident]
        looked_ns = time.monotonic_ns()
        wait_now = waiter.waits_for
        assert wait_now is not None
        assert wait_now.name == "its lock"
        assert wait_now.owner == threading.get_ident()
        assert wait_now.waited <= (looked_ns - notify_ns) / 1e9
        kept_ns = time.monotonic_ns() - notified_ns
    thread.join()
    of = {each.name: each.waits for each in inspect.snapshot().objects}
    assert (of["changed"].number, of["its lock"].number) == (1, 1)
    assert of["changed"].total >= (notify_ns - asleep_ns) / 1e9
    assert of["its lock"].total >= kept_ns / 1e9


def test_of_a_lock_that_nobody_waited_for_before_it_is_known_where_it_was_made() -> None:
    lock = threading.Lock()
    condition = threading.Condition(lock)

    thread = _waits_for(condition)
    with condition:
        condition.notify()
        now = inspect.snapshot()
        waiter = now.thread(thread.ident or 0)
    thread.join()
    assert waiter is not None
    assert waiter.waits_for is not None
    assert waiter.waits_for.kind == "Lock"
    assert waiter.waits_for.made_at is not None
    assert waiter.waits_for.made_at.rpartition(":")[0].endswith("test_inspect.py")
    thing = now.object(waiter.waits_for.object_id)
    assert thing is not None
    assert thing.made_at == waiter.waits_for.made_at


@pytest.mark.parametrize("kind", ["Lock", "Queue.get", "Semaphore", "Event"])
def test_who_runs_a_handler_in_a_wait_is_blocked(kind: str) -> None:
    main = threading.get_ident()
    asked, seen = threading.Event(), list[inspect.ThreadInfo | None]()
    lock, event, semaphore = threading.Lock(), threading.Event(), threading.Semaphore(0)
    items = queue.Queue[int]()
    lock.acquire()
    waits: dict[str, Callable[[], object]] = {
        "Lock": lock.acquire,
        "Queue.get": items.get,
        "Semaphore": semaphore.acquire,
        "Event": event.wait,
    }

    def look() -> None:
        asked.wait()
        seen.append(inspect.snapshot().thread(main))

    def handler(*_: object) -> None:
        asked.set()
        until(lambda: seen)
        lock.release()
        items.put(1)
        semaphore.release()
        event.set()

    looker = threading.Thread(target=look)
    looker.start()
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        waits[kind]()
    finally:
        signal.signal(signal.SIGALRM, before)
    looker.join()
    [me] = seen
    assert me is not None
    assert me.state == "blocked"
    assert me.waits_for is not None
    assert me.waits_for.kind == kind


def test_things_that_are_waited_for_in_turn_are_counted_each() -> None:
    rounds = 1_000
    there, back = threading.Semaphore(0), threading.Semaphore(0)
    turns = [threading.Semaphore(0) for _ in range(2)]
    for number, turn in enumerate(turns):
        inspect.set_name(turn, f"turn {number}")

    def answer() -> None:
        for _ in range(rounds):
            for turn in turns:
                there.acquire()
                _blocked(asking)
                turn.release()

    def ask() -> None:
        for _ in range(rounds):
            for turn in turns:
                there.release()
                turn.acquire()
        back.release()

    asking = threading.Thread(target=ask)
    asking.start()
    answer()
    back.acquire()
    asking.join()
    counts = [
        each.waits.number
        for name in ("turn 0", "turn 1")
        for each in inspect.snapshot().objects
        if each.name == name
    ]
    # Samples that stand for eight.
    assert len(counts) == 2
    assert all(rounds * 9 // 10 <= count <= rounds * 11 // 10 for count in counts), counts


def test_holders_of_locks_that_nobody_waits_for() -> None:
    for lock in (threading.Lock(), threading.RLock(), threading.Condition()):
        assert inspect.holders(lock) == []
        with lock:
            assert [each.ident for each in inspect.holders(lock)] == [threading.get_ident()]
        assert inspect.holders(lock) == []

    class Keeper:
        _lock = threading.Lock()

    for other in (1, threading.Event(), _thread.allocate_lock(), Keeper()):
        name = type(other).__name__
        with pytest.raises(TypeError, match=f"no Lock, RLock or Condition of Ropewalk's: {name}"):
            inspect.holders(other)


def test_a_holder_that_ropewalk_never_met() -> None:
    lock = threading.Lock()
    read_end, write_end = os.pipe()
    taken: list[tuple[int, int]] = []

    def hold() -> None:
        with lock:
            taken.append((_thread.get_ident(), _thread.get_native_id()))
            os.read(read_end, 1)

    _thread.start_new_thread(hold, ())
    until(lambda: taken)
    [(ident, native_id)] = taken
    assert [each.ident for each in inspect.holders(lock)] == [ident]
    waiter = threading.Thread(target=lock.acquire, daemon=True)
    waiter.start()
    _blocked(waiter)
    assert [each.ident for each in inspect.holders(lock)] == [ident]
    if os.path.exists(f"/proc/self/task/{native_id}/syscall"):
        # It may still be about to sleep.
        until(lambda: inspect.holders(lock)[0].native_id == native_id)
        [holder] = inspect.holders(lock)
        assert list(holder.holds) == [_thing(lock).object_id]
        idents = [each.ident for each in inspect.snapshot().threads if each.native_id == native_id]
        assert idents == [ident]
    os.write(write_end, b"x")
    waiter.join()
    os.close(read_end)
    os.close(write_end)


def test_what_is_the_stdlibs_own_stays_without_a_name() -> None:
    class Jobs(stdlib_queue.Queue[int]):
        pass

    makers: list[Callable[[], object]] = [
        stdlib.Lock,
        stdlib.RLock,
        stdlib.Condition,
        stdlib.Semaphore,
        stdlib.BoundedSemaphore,
        stdlib.Event,
        lambda: stdlib.Barrier(2),
        stdlib_queue.Queue,
        stdlib_queue.PriorityQueue,
        stdlib_queue.SimpleQueue,
        Jobs,
    ]
    for make in makers:
        inspect.set_name(make(), "of the stdlib's")
    assert all(each.name != "of the stdlib's" for each in inspect.snapshot().objects)
    for other in (1, object(), stdlib.Thread(), threading.Thread()):
        with pytest.raises(TypeError, match=f"not an object of Ropewalk's: {type(other).__name__}"):
            inspect.set_name(other, "a name")
    with pytest.raises(TypeError):
        inspect.set_name(stdlib.Lock(), 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        threading.Lock,
        threading.RLock,
        threading.Condition,
        threading.Semaphore,
        threading.BoundedSemaphore,
        threading.Event,
        lambda: threading.Barrier(2),
        queue.Queue,
        queue.LifoQueue,
        queue.PriorityQueue,
        queue.SimpleQueue,
    ],
)
def test_everything_can_be_named_and_is_forgotten_when_it_goes(make: object) -> None:
    assert callable(make)
    thing = make()
    inspect.set_name(thing, "a name for this test")
    named = [each for each in inspect.snapshot().objects if each.name == "a name for this test"]
    assert named
    assert all(each.made_at and "test_inspect.py" in each.made_at for each in named)
    del thing
    gc.collect()
    gone = {each.object_id for each in named}
    assert all(each.object_id not in gone for each in inspect.snapshot().objects)


def test_what_nobody_waits_for_is_not_known() -> None:
    before = len(inspect.snapshot().objects)
    locks = [threading.Lock() for _ in range(1000)]
    for lock in locks:
        with lock:
            pass
    # Another thread may meanwhile wait for something.
    assert len(inspect.snapshot().objects) < before + 100


def test_a_wait_with_a_timeout_says_how_long_it_will_be() -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait, args=(1000,), name="patient", daemon=True)
    thread.start()
    _blocked(thread)
    found = inspect.snapshot().thread(thread.ident or 0)
    assert found is not None
    assert found.waits_for is not None
    assert found.waits_for.remaining is not None
    assert 900 < found.waits_for.remaining <= 1000
    event.set()
    thread.join()
    assert _thing(event).waits.number == 1


def test_the_depth_of_a_queue_and_its_peak() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    thread = threading.Thread(target=jobs.get, daemon=True)
    thread.start()
    _blocked(thread)
    for each in range(6):
        jobs.put(each)
    thread.join()
    jobs.get()
    inspect.set_name(jobs, "jobs of this test")
    named = {e.kind: e for e in inspect.snapshot().objects if e.name == "jobs of this test"}
    assert set(named) == {"Queue.get", "Queue.put", "Queue.join"}
    assert named["Queue.get"].depth == 4
    assert named["Queue.get"].peak in (5, 6)
    assert named["Queue.put"].depth is None


def test_a_timer_that_is_joined_has_the_name_of_the_timer() -> None:
    timer = threading.Timer(100, print)
    timer.start()
    timer.name = "brewing \ud800"
    thread = threading.Thread(target=timer.join)
    thread.start()
    try:
        _blocked(thread)
        [wait] = [each.waits_for for each in inspect.waits() if each.ident == thread.ident]
        assert wait is not None
        assert (wait.kind, wait.name) == ("Timer", "brewing \ufffd\ufffd\ufffd")
    finally:
        timer.cancel()
        thread.join()


def test_a_thread_knows_what_it_waited_for() -> None:
    event = threading.Event()
    sums: list[inspect.ThreadInfo | None] = []

    def wait_three_times() -> None:
        for _ in range(3):
            event.wait(0.001)
        sums.append(inspect.snapshot().thread(threading.get_ident()))

    thread = threading.Thread(target=wait_three_times)
    thread.start()
    thread.join()
    [found] = sums
    assert found is not None
    [waited] = [each for each in found.waited if each.kind == "Event"]
    assert waited.waits == 3
    assert 0.003 <= waited.total < found.age + 1
    assert found.ran is None or found.ran > 0
    assert found.waited_for_gil <= sum(each.total for each in found.waited)


def test_a_thread_that_sleeps_is_asleep() -> None:
    go_on = threading.Event()

    def sleeper() -> None:
        while not go_on.is_set():
            time.sleep(0.05)

    thread = threading.Thread(target=sleeper, daemon=True)
    thread.start()

    def state() -> str:
        found = inspect.snapshot().thread(thread.ident or 0)
        return found.state if found else ""

    if not os.path.exists(f"/proc/self/task/{thread.native_id}/syscall"):
        pytest.skip("this kernel does not tell what a thread waits for")
    until(lambda: state() == "asleep")
    go_on.set()
    thread.join()


def test_a_thread_that_reads_is_in_a_system_call() -> None:
    read_end, write_end = os.pipe()
    thread = threading.Thread(target=os.read, args=(read_end, 1), daemon=True)
    thread.start()
    if not os.path.exists(f"/proc/self/task/{thread.native_id}/syscall"):
        pytest.skip("this kernel does not tell what a thread waits for")
    until(lambda: getattr(inspect.snapshot().thread(thread.ident or 0), "state", "") in _CALLS)
    os.write(write_end, b"x")
    thread.join()
    os.close(read_end)
    os.close(write_end)


_CALLS = ("in a system call",)


def test_the_thread_that_answers_does_not_look_as_if_it_ended() -> None:
    def states() -> list[str]:
        threads = inspect.snapshot().threads
        return [each.state for each in threads if each.name == "ropewalk-insight"]

    inspect.serve()
    try:
        # It begins with the first wait, and then waits for clients.
        threading.Event().wait(0.001)
        until(lambda: states() not in ([], ["running"]))
        assert states() != ["ending"]
    finally:
        inspect.stop_serving()


def test_a_snapshot_names_each_thread_once() -> None:
    snapshot = inspect.snapshot()
    natives = [each.native_id for each in snapshot.threads]
    assert len(natives) == len(set(natives))
    assert sum(each.is_main for each in snapshot.threads) == 1
    assert snapshot.threads[0].is_main
    assert snapshot.pid == os.getpid()


def test_many_threads_and_locks_are_looked_at_fast() -> None:
    locks = [threading.Lock() for _ in range(2000)]
    for number, lock in enumerate(locks):
        inspect.set_name(lock, f"lock {number}")
    gate = threading.Event()
    threads = [threading.Thread(target=gate.wait, daemon=True) for _ in range(200)]
    for thread in threads:
        thread.start()
    _blocked(*threads)
    took = []
    for _ in range(5):
        began = time.thread_time()
        snapshot = inspect.snapshot()
        took.append(time.thread_time() - began)
    gate.set()
    for thread in threads:
        thread.join()
    assert len(snapshot.objects) >= 2000
    assert sum(each.state == "blocked" for each in snapshot.threads) >= 200
    # A fifth of what is asked for, in time as well; with air for a busy machine.
    assert min(took) < 0.05, took


def test_a_future_is_told_of_with_its_pool_and_who_works_on_it() -> None:
    gate = threading.Event()
    with futures.ThreadPoolExecutor(1, thread_name_prefix="fetch") as pool:
        future = pool.submit(gate.wait)
        thread = threading.Thread(target=future.result, daemon=True)
        thread.start()
        _blocked(thread)
        snapshot = inspect.snapshot()
        waiter = snapshot.thread(thread.ident or 0)
        assert waiter is not None
        assert waiter.waits_for is not None
        assert waiter.waits_for.kind == "Future"
        worker = snapshot.thread(waiter.waits_for.owner or 0)
        assert worker is not None
        assert worker.name == "fetch_0"
        gate.set()
        thread.join()


def test_a_thread_pool_with_what_it_has_to_do() -> None:
    go = threading.Event()
    begun = threading.Semaphore(0)

    def work() -> None:
        begun.release()
        go.wait()

    def look() -> inspect.PoolInfo:
        [found] = [each for each in inspect.snapshot().pools if each.name == "of this test"]
        return found

    with futures.ThreadPoolExecutor(2, "of this test") as pool:
        running = [pool.submit(work) for _ in range(5)]
        begun.acquire()
        begun.acquire()
        now = look()
        assert (now.max_workers, now.threads, now.busy, now.queued) == (2, 2, 2, 3)
        assert (now.tasks, now.cancelled, now.threads_peak) == (2, 0, 2)
        assert 3 <= now.queued_peak <= 5
        assert running[-1].cancel()
        go.set()
        for each in running[:-1]:
            each.result()
    now = look()
    assert (now.threads, now.busy, now.queued, now.tasks, now.cancelled) == (0, 0, 0, 4, 1)
    del pool, running, each
    gc.collect()
    assert all(each.name != "of this test" for each in inspect.snapshot().pools)
