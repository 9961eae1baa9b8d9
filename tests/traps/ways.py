"""Every way to block, in one table: what the tests of signals, forks and exits run over.

Programs that run under `ropewalk run` import this file, so `threading` and `queue` are Ropewalk's
there.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from ropewalk import _ropewalk

if TYPE_CHECKING:
    from collections.abc import Callable

# Far beyond what anything here takes: when it is over, something hangs.
LIMIT = 30.0


class Pipe:
    """Where a thread can wait outside of the runtime: such a thread runs, to the detector."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def wait(self) -> None:
        os.read(self.read_end, 1)

    def tell(self) -> None:
        os.write(self.write_end, b"x")


def outsider() -> Pipe:
    """Start a thread that runs as long as the process: with it no deadlock is certain."""
    pipe = Pipe()
    threading.Thread(target=pipe.wait, daemon=True, name="outsider").start()
    return pipe


def until(what: Callable[[], object]) -> None:
    """Wait until `what()` is true, looking again and again."""
    end = time.monotonic() + LIMIT
    while not what():
        if time.monotonic() > end:
            raise AssertionError(f"not in {LIMIT} s: {what}")
        time.sleep(0.0005)


def until_blocked(*threads: threading.Thread) -> None:
    """Wait until each of the threads is seen blocked at the wait point, other than in a start()."""

    def starts(ident: int | None) -> bool:
        frame = sys._current_frames().get(ident or 0)
        return frame is not None and frame.f_code.co_name == "_ropewalk_launch"

    until(
        lambda: all(
            thread.ident in _ropewalk.blocked_threads() and not starts(thread.ident)
            for thread in threads
        )
    )


class Way:
    """One way to block. A new one is in the state in which `block()` blocks."""

    many = True
    """Whether several threads may block in it, of which `unblock()` lets one go."""
    all_at_once = False
    """Whether `unblock()` lets all of them go."""
    thread_bound = False
    """Whether it stays blocked in the child of a fork because its owner is gone."""

    def block(self, timeout: float | None = None) -> bool:
        """Block until unblocked (True) or for `timeout` seconds (False)."""
        raise NotImplementedError

    def unblock(self) -> None:
        """Let one thread that blocks go on, or the next one that comes; called by any thread."""
        raise NotImplementedError

    def undo(self) -> None:
        """Called by a thread whose `block()` was True: makes it block again."""


class Lock(Way):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()

    def block(self, timeout: float | None = None) -> bool:
        return self.lock.acquire(timeout=-1 if timeout is None else timeout)

    def unblock(self) -> None:
        self.lock.release()


class RLock(Way):
    thread_bound = True

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.hold()

    def hold(self) -> None:
        self.go = Pipe()
        held = Pipe()
        threading.Thread(target=self._hold, args=(held, self.go), daemon=True).start()
        held.wait()

    def _hold(self, held: Pipe, go: Pipe) -> None:
        with self.lock:
            held.tell()
            go.wait()

    def block(self, timeout: float | None = None) -> bool:
        return self.lock.acquire(timeout=-1 if timeout is None else timeout)

    def unblock(self) -> None:
        self.go.tell()

    def undo(self) -> None:
        self.lock.release()
        self.hold()


class Condition(Way):
    def __init__(self) -> None:
        self.condition = self.make()

    def make(self) -> threading.Condition:
        return threading.Condition()

    def block(self, timeout: float | None = None) -> bool:
        with self.condition:
            return self.condition.wait(timeout)

    def unblock(self) -> None:
        with self.condition:
            self.condition.notify()


class ConditionOverLock(Condition):
    def make(self) -> threading.Condition:
        return threading.Condition(threading.Lock())


class UsersLock:
    """A lock as users write them: what `Condition` needs, and no more."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return self.lock.acquire(blocking, timeout)

    def release(self) -> None:
        self.lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class ConditionOverUsersLock(Condition):
    def make(self) -> threading.Condition:
        lock: Any = UsersLock()
        return threading.Condition(lock)


class ConditionWaitFor(Condition):
    def __init__(self) -> None:
        super().__init__()
        self.left = 0

    def _take(self) -> bool:
        taken = self.left > 0
        self.left -= taken
        return taken

    def block(self, timeout: float | None = None) -> bool:
        with self.condition:
            return self.condition.wait_for(self._take, timeout)

    def unblock(self) -> None:
        with self.condition:
            self.left += 1
            self.condition.notify()


class Semaphore(Way):
    def __init__(self) -> None:
        self.semaphore = threading.Semaphore(0)

    def block(self, timeout: float | None = None) -> bool:
        return self.semaphore.acquire(timeout=timeout)

    def unblock(self) -> None:
        self.semaphore.release()


class BoundedSemaphore(Semaphore):
    def __init__(self) -> None:
        self.semaphore = threading.BoundedSemaphore(1)
        self.semaphore.acquire()


class Event(Way):
    all_at_once = True

    def __init__(self) -> None:
        self.event = threading.Event()

    def block(self, timeout: float | None = None) -> bool:
        return self.event.wait(timeout)

    def unblock(self) -> None:
        self.event.set()

    def undo(self) -> None:
        self.event.clear()


class Barrier(Way):
    many = False

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)

    def block(self, timeout: float | None = None) -> bool:
        try:
            self.barrier.wait(timeout)
        except threading.BrokenBarrierError:
            self.barrier.reset()
            return False
        return True

    def unblock(self) -> None:
        self.barrier.wait(LIMIT)


class Join(Way):
    all_at_once = True

    def __init__(self) -> None:
        self.undo()

    def block(self, timeout: float | None = None) -> bool:
        thread = self.thread
        thread.join(timeout)
        return not thread.is_alive()

    def unblock(self) -> None:
        self.pipe.tell()

    def undo(self) -> None:
        self.pipe = Pipe()
        self.thread = threading.Thread(target=self.pipe.wait, daemon=True)
        self.thread.start()


class TimerJoin(Way):
    all_at_once = True

    def __init__(self) -> None:
        self.undo()

    def block(self, timeout: float | None = None) -> bool:
        timer = self.timer
        timer.join(timeout)
        return not timer.is_alive()

    def unblock(self) -> None:
        self.timer.cancel()

    def undo(self) -> None:
        self.timer = threading.Timer(3600, print)
        self.timer.daemon = True
        self.timer.start()


class QueueGet(Way):
    def __init__(self) -> None:
        self.queue = self.make()

    def make(self) -> queue.Queue[int]:
        return queue.Queue()

    def block(self, timeout: float | None = None) -> bool:
        try:
            self.queue.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def unblock(self) -> None:
        self.queue.put(1)


class LifoGet(QueueGet):
    def make(self) -> queue.Queue[int]:
        return queue.LifoQueue()


class PriorityGet(QueueGet):
    def make(self) -> queue.Queue[int]:
        return queue.PriorityQueue()


class UsersQueue(queue.Queue[int]):
    """With a hook of its own, and so on the slower path."""

    def _put(self, item: int) -> None:
        self.queue.append(item)


class UsersQueueGet(QueueGet):
    def make(self) -> queue.Queue[int]:
        return UsersQueue()


class QueuePut(QueueGet):
    def make(self) -> queue.Queue[int]:
        full: queue.Queue[int] = queue.Queue(1)
        full.put(0)
        return full

    def block(self, timeout: float | None = None) -> bool:
        try:
            self.queue.put(1, timeout=timeout)
        except queue.Full:
            return False
        return True

    def unblock(self) -> None:
        self.queue.get()


class QueueJoin(Way):
    """`Queue.join` knows no timeout: it blocks in the tests that need none."""

    all_at_once = True

    def __init__(self) -> None:
        self.queue: queue.Queue[int] = queue.Queue()
        self.queue.put(0)

    def block(self, timeout: float | None = None) -> bool:
        assert timeout is None
        self.queue.join()
        return True

    def unblock(self) -> None:
        self.queue.task_done()

    def undo(self) -> None:
        self.queue.put(0)


class SimpleQueueGet(Way):
    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[int] = queue.SimpleQueue()

    def block(self, timeout: float | None = None) -> bool:
        try:
            self.queue.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def unblock(self) -> None:
        self.queue.put(1)


WAYS: dict[str, type[Way]] = {
    way.__name__: way
    for way in (
        Lock,
        RLock,
        Condition,
        ConditionOverLock,
        ConditionOverUsersLock,
        ConditionWaitFor,
        Semaphore,
        BoundedSemaphore,
        Event,
        Barrier,
        Join,
        TimerJoin,
        QueueGet,
        QueuePut,
        QueueJoin,
        LifoGet,
        PriorityGet,
        UsersQueueGet,
        SimpleQueueGet,
    )
}
MANY = {name: way for name, way in WAYS.items() if way.many}
TIMED = {name: way for name, way in WAYS.items() if way is not QueueJoin}


def works(way: Way) -> None:
    """Check that a thread blocks and goes on when it is unblocked, and that this can be undone."""
    done = []

    def run() -> None:
        done.append(way.block())
        way.undo()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until_blocked(thread)
    way.unblock()
    thread.join(LIMIT)
    assert done == [True], f"{type(way).__name__} lost a wake"
