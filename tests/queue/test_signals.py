"""Signals, forks and exits while threads are in queues: programs of their own."""

from __future__ import annotations

import pytest

from tests.face.programs import succeeds

# Sends this process signals, each when its main thread is seen blocked and has handled the one
# before. As in CPython, a signal that comes in the instant before a wait is not seen by that wait:
# then it is sent again.
WHEN_BLOCKED = """
import os, queue, signal, sys, threading, time
import ropewalk

def when_blocked(number, count=1):
    main = threading.get_ident()
    handler = signal.getsignal(number)
    seen = []
    def see(*args):
        seen.append(number)
        return handler(*args)
    signal.signal(number, see)
    # To start a thread is to wait as well.
    begun = []
    def send():
        while len(seen) < count:
            while not begun or main not in ropewalk.blocked_threads():
                time.sleep(0.001)
            before = len(seen)
            os.kill(os.getpid(), number)
            end = time.monotonic() + 0.1
            while len(seen) == before and time.monotonic() < end:
                time.sleep(0.001)
    threading.Thread(target=send, daemon=True).start()
    begun.append(True)
"""

WAITS = {
    "get": ("queue.Queue()", "q.get()"),
    "get with a timeout": ("queue.LifoQueue()", "q.get(timeout=60)"),
    "PriorityQueue.get": ("queue.PriorityQueue()", "q.get()"),
    "SimpleQueue.get": ("queue.SimpleQueue()", "q.get()"),
    "put": ("full(queue.Queue(1))", "q.put(2)"),
    "put with a timeout": ("full(queue.PriorityQueue(1))", "q.put(2, timeout=60)"),
    "join": ("full(queue.Queue(1))", "q.join()"),
    "inflated get": ("touched(queue.Queue())", "q.get()"),
    "inflated put": ("touched(full(queue.Queue(1)))", "q.put(2)"),
    "inflated join": ("touched(full(queue.Queue(1)))", "q.join()"),
}

MAKE = """
def full(q):
    q.put(1)
    return q

def touched(q):
    q.mutex
    return q
"""


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_wait_at_once(wait: str) -> None:
    make, call = WAITS[wait]
    text = f"""
when_blocked(signal.SIGINT)
q = {make}
before = q.qsize()
started = time.monotonic()
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - started < 20)
assert q.qsize() == before
if before == 0:
    q.put("still works")
    assert q.get(timeout=20) == "still works"
"""
    assert succeeds(WHEN_BLOCKED + MAKE + text) == "interrupted True\n"


@pytest.mark.parametrize("wait", WAITS)
def test_a_handler_that_raises_ends_a_wait(wait: str) -> None:
    make, call = WAITS[wait]
    text = f"""
def handler(number, frame):
    raise LookupError("from the handler")

signal.signal(signal.SIGUSR1, handler)
when_blocked(signal.SIGUSR1)
q = {make}
try:
    {call}
except LookupError as error:
    print(error)
"""
    assert succeeds(WHEN_BLOCKED + MAKE + text) == "from the handler\n"


def test_a_handler_that_returns_leaves_the_wait_in_place() -> None:
    text = """
def handler(number, frame):
    # It may use the queue that the main thread waits in.
    handled.append(q.qsize())
    if len(handled) == 3:
        q.put("from the handler")

handled = []
signal.signal(signal.SIGUSR1, handler)
when_blocked(signal.SIGUSR1, 3)
q = queue.Queue()
print(q.get(), handled)
"""
    assert succeeds(WHEN_BLOCKED + text) == "from the handler [0, 0, 0]\n"


def test_a_handler_that_returns_does_not_stretch_the_timeout() -> None:
    text = """
def handler(number, frame):
    pass

signal.signal(signal.SIGUSR1, handler)
when_blocked(signal.SIGUSR1, 20)
started = time.monotonic()
try:
    queue.SimpleQueue().get(timeout=0.3)
except queue.Empty:
    print(0.3 <= time.monotonic() - started < 10)
"""
    assert succeeds(WHEN_BLOCKED + text) == "True\n"


def test_a_handler_may_get_what_the_main_thread_waits_for() -> None:
    text = """
def handler(number, frame):
    q.put(1)
    q.put(2)
    got.append(q.get())

got = []
signal.signal(signal.SIGUSR1, handler)
when_blocked(signal.SIGUSR1)
q = queue.SimpleQueue()
got.append(q.get())
print(sorted(got))
"""
    assert succeeds(WHEN_BLOCKED + text) == "[1, 2]\n"


def test_no_item_is_lost_to_interrupted_waits() -> None:
    """Items and signals arrive at the same moment, many times."""
    text = """
handled = 0
def handler(number, frame):
    global handled
    handled += 1
    raise LookupError

signal.signal(signal.SIGUSR1, handler)
ROUNDS = 300
main = threading.get_ident()
for q in (queue.Queue(), queue.SimpleQueue(), queue.PriorityQueue()):
    go = queue.SimpleQueue()

    def send():
        for round in range(ROUNDS):
            go.get()
            before = handled
            signal.pthread_kill(main, signal.SIGUSR1)
            q.put(round)
            # As in CPython, one that comes when a wait is about to begin is not seen in it.
            end = time.monotonic() + 0.05
            while handled == before:
                if time.monotonic() > end:
                    signal.pthread_kill(main, signal.SIGUSR1)
                    end += 0.05
                time.sleep(0)

    # Another getter, to which a wake may have to be handed on.
    taken = []
    def take():
        while (item := q.get()) < ROUNDS:
            taken.append(item)

    threads = [threading.Thread(target=target) for target in (send, take)]
    for thread in threads:
        thread.start()
    interrupted = 0
    while interrupted < ROUNDS:
        try:
            go.put(None)
            # No bytecode between two gets, where the handler could run and an item be lost.
            taken.extend(iter(q.get, None))
        except LookupError:
            interrupted += 1
    threads[0].join()
    q.put(ROUNDS)
    threads[1].join()
    while not q.empty():
        taken.append(q.get())
    print(sorted(taken) == [*range(ROUNDS)], sorted(taken)[-3:])
"""
    lines = succeeds(WHEN_BLOCKED + text).splitlines()
    assert lines == ["True [297, 298, 299]"] * 3


def test_a_fork_while_threads_wait() -> None:
    text = """
import os, queue, threading, time, warnings
import ropewalk

# From Python 3.12 on, of a fork of a process with threads.
warnings.simplefilter("ignore", DeprecationWarning)
q, full, simple = queue.Queue(), queue.Queue(1), queue.SimpleQueue()
full.put(0)
waits = (q.get, lambda: full.put(1), full.join, simple.get, threading.Timer(3600, print).run)
threads = [threading.Thread(target=wait, daemon=True) for wait in waits]
threads[-1] = threading.Timer(3600, print)
threads[-1].daemon = True
for thread in threads:
    thread.start()
while len(ropewalk.blocked_threads()) < 4:
    time.sleep(0.001)
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        # Nobody waits here; everything works.
        q.put(1)
        assert q.get(timeout=20) == 1
        simple.put(2)
        assert simple.get(timeout=20) == 2
        assert full.get(timeout=20) == 0
        full.task_done()
        full.join()
        worker = threading.Thread(target=lambda: q.put(q.qsize()))
        worker.start()
        assert q.get(timeout=20) == 0
        worker.join(20)
        timer = threading.Timer(0.001, simple.put, ["rang"])
        timer.start()
        assert simple.get(timeout=20) == "rang"
        timer.join()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
q.put("in the parent")
simple.put("here as well")
full.get()
full.get(timeout=20)
threads[0].join(20)
threads[3].join(20)
print(threads[0].is_alive(), [thread.is_alive() for thread in threads[3:]])
"""
    assert succeeds(text) == "False [False, True]\n"


def test_exit_while_daemons_are_blocked_and_busy() -> None:
    text = """
import queue, sys, threading, time
import ropewalk

class Item:
    def __init__(self, rank): self.rank = rank
    def __lt__(self, other):
        time.sleep(0)
        return self.rank < other.rank
    def __del__(self): pass

q, full, simple, heap = queue.Queue(), queue.Queue(1), queue.SimpleQueue(), queue.PriorityQueue(9)
slow = queue.Queue()
slow.mutex
full.put(0)
def busy(queue):
    rank = 0
    while True:
        queue.put(Item(rank))
        queue.get()
        rank += 1
targets = [q.get, lambda: full.put(1), full.join, simple.get, slow.get]
targets += [lambda q=q: busy(q) for q in (queue.Queue(3), queue.SimpleQueue(), heap, heap, slow)]
for target in targets:
    threading.Thread(target=target, daemon=True).start()
for number in range(5):
    timer = threading.Timer(number / 1000, busy, [heap])
    timer.daemon = True
    timer.start()
while len(ropewalk.blocked_threads()) < 4:
    time.sleep(0.001)
print("end")
"""
    for _ in range(10):
        assert succeeds(text) == "end\n"
