"""No false alarm: programs that wait, and whose waits end, are left alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.deadlock.programs import run, silent

if TYPE_CHECKING:
    from pathlib import Path

# The shortest grace, so that whatever is suspected would be told.
IMPATIENT = """
from ropewalk import _ropewalk
_ropewalk.set_suspect_grace(0.02)
"""


def test_taking_turns_by_releasing_the_locks_of_others(tmp_path: Path) -> None:
    program = (
        IMPATIENT
        + """
import threading
ROUNDS, said = 2000, []
locks = [threading.Lock() for _ in range(3)]
for lock in locks[1:]:
    lock.acquire()
def work(i):
    for _ in range(ROUNDS):
        locks[i].acquire()
        said.append(i)
        locks[(i + 1) % 3].release()
threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(said == [0, 1, 2] * ROUNDS)
"""
    )
    assert silent(tmp_path, program) == "True\n"


def test_taking_turns_while_holding_a_lock_of_ones_own(tmp_path: Path) -> None:
    """Each holds what the next one waits for, most of the time: a cycle, and legal."""
    program = (
        IMPATIENT
        + """
import threading
ROUNDS, count = 1000, 0
ping, pong = threading.Lock(), threading.Lock()
ping.acquire(), pong.acquire()
def one():
    global count
    for _ in range(ROUNDS):
        ping.release()
        pong.acquire()
        count += 1
def two():
    for _ in range(ROUNDS):
        ping.acquire()
        pong.release()
threads = [threading.Thread(target=each) for each in (one, two)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(count)
"""
    )
    assert silent(tmp_path, program) == "1000\n"


def test_waits_with_a_timeout_end_by_themselves(tmp_path: Path) -> None:
    program = (
        IMPATIENT
        + """
import threading
for Kind in (threading.Lock, threading.RLock):
    a, b, both = Kind(), Kind(), threading.Barrier(2)
    def work(first, second):
        with first:
            both.wait()
            print(second.acquire(timeout=0.1))
            both.wait()
    threads = [threading.Thread(target=work, args=args) for args in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
lock = threading.Lock()
lock.acquire()
print(lock.acquire(timeout=0.05), threading.Event().wait(0.05))
"""
    )
    assert silent(tmp_path, program) == "False\n" * 4 + "False False\n"


HELPERS = {
    "a thread": "threading.Thread(target=lock.release).start()",
    "a daemon": "threading.Thread(target=lock.release, daemon=True).start()",
    "a raw thread": "_thread.start_new_thread(lock.release, ())",
    "a thread that is started by another": (
        "threading.Thread(target=lambda: threading.Thread(target=lock.release).start()).start()"
    ),
    "a raw thread that is started by another": (
        "_thread.start_new_thread(_thread.start_new_thread, (lock.release, ()))"
    ),
    "a timer": "threading.Timer(0.0005, lock.release).start()",
    "a timer started by a timer": (
        "threading.Timer(0, threading.Timer(0.0001, lock.release).start).start()"
    ),
    "a thread that comes last": (
        "threading.Thread(target=lambda: (go.acquire(), lock.release())).start(); go.release()"
    ),
}


@pytest.mark.parametrize("helper", HELPERS)
def test_whoever_was_started_just_now_can_help(tmp_path: Path, helper: str) -> None:
    program = f"""
import _thread, threading
lock, go = threading.Lock(), threading.Semaphore(0)
lock.acquire()
for _ in range(200):
    {HELPERS[helper]}
    lock.acquire()
print("end")
"""
    assert silent(tmp_path, IMPATIENT + program) == "end\n"


OUTSIDE = {
    "time.sleep": "time.sleep(0.2)",
    "os.read": "os.read(read_end, 1)",
    "socket": "ours.recv(1)",
    "select": "select.select([ours], [], [])",
    "subprocess": "subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.1)'])",
    "os.system": "os.system('sleep 0.2')",
    "sigwait": "signal.sigwait([signal.SIGUSR1])",
    "asyncio": "asyncio.run(asyncio.sleep(0.2))",
    "a multiprocessing lock": "shared.acquire()",
    "a lock of CPython's own": "theirs.acquire()",
}


@pytest.mark.parametrize("where", OUTSIDE)
@pytest.mark.parametrize("start", ["threading.Thread(target=work).start()", "raw(work, ())"])
def test_a_thread_that_waits_outside_of_the_runtime_can_help(
    tmp_path: Path, where: str, start: str
) -> None:
    """And another one that has waited for long does not mind."""
    program = f"""
import _thread, asyncio, multiprocessing, os, queue, select, signal, socket, subprocess
import sys, threading, time, warnings
from tests.traps.ways import until
# From Python 3.12 on a fork beside other threads warns, of deadlocks in the child.
warnings.simplefilter("ignore", DeprecationWarning)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
ours, theirs_end = socket.socketpair()
read_end, write_end = os.pipe()
shared = multiprocessing.Lock()
shared.acquire()
# The names in _thread are ours; the type is left in the import system's own copy of the module.
theirs = sys.modules["_frozen_importlib"]._thread.allocate_lock()
theirs.acquire()
raw = _thread.start_new_thread
items, done = queue.Queue(), threading.Lock()
done.acquire()
def work():
    {OUTSIDE[where]}
    items.put("item")
{start}
def other():
    print(items.get(), flush=True)
    done.release()
threading.Thread(target=other).start()
if "{where}" in ("os.read", "socket", "select", "sigwait", "a multiprocessing lock",
                 "a lock of CPython's own"):
    # Something from outside of the process ends it, while all of ours wait.
    child = os.fork()
    if child == 0:
        time.sleep(0.2)
        os.write(write_end, b"x")
        theirs_end.send(b"x")
        shared.release()
        os.kill(os.getppid(), signal.SIGUSR1)
        os._exit(0)
    if "{where}" == "a lock of CPython's own":
        raw(lambda: (os.waitpid(child, 0), theirs.release()), ())
done.acquire()
"""
    done = run(tmp_path, IMPATIENT + program)
    assert (done.stdout, done.stderr, done.returncode) == ("item\n", "", 0)


def test_a_signal_handler_of_the_user_can_help(tmp_path: Path) -> None:
    program = (
        IMPATIENT
        + """
import queue, signal, threading
lock, items, event = threading.Lock(), queue.Queue(), threading.Event()
lock.acquire()
other = threading.Thread(target=event.wait)
other.start()
def handler(number, frame):
    lock.release()
    items.put("item")
    event.set()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.2)
lock.acquire()
print(items.get())
other.join()
"""
    )
    assert silent(tmp_path, program) == "item\n"


INTERRUPTED = {
    "join": "other = threading.Thread(target=work); other.start(); other.join()",
    "an event": "threading.Thread(target=work).start(); done.wait()",
    "a condition": (
        "threading.Thread(target=work).start()\n"
        "with changed: changed.wait_for(done.is_set, timeout=None)"
    ),
    "a barrier": "threading.Thread(target=work).start(); barrier.wait()",
    "a future": "pool.submit(work).result()",
    "futures": "futures.wait([pool.submit(work)])",
    "map": "list(pool.map(work, [1]))",
    "the end of a pool": "pool.submit(work); pool.shutdown()",
    "the exit": "threading.Thread(target=work).start()",
}


@pytest.mark.parametrize("wait", INTERRUPTED)
def test_a_thread_that_runs_a_handler_in_a_wait_runs(tmp_path: Path, wait: str) -> None:
    """Its handler holds what another thread waits for, for which it waits itself."""
    program = f"""
import signal, threading, time
from concurrent import futures
lock, done, handles = threading.RLock(), threading.Event(), threading.Event()
changed, barrier = threading.Condition(), threading.Barrier(2)
pool = futures.ThreadPoolExecutor(1)
def handler(*_):
    with lock:
        handles.set()
        time.sleep(0.5)
def work(*_):
    time.sleep(0.2)
    # To that thread: the system may give what is sent to the process to this one.
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    handles.wait()
    with lock:
        print("worked", flush=True)
    done.set()
    with changed:
        changed.notify()
    if barrier.n_waiting:
        barrier.wait()
signal.signal(signal.SIGUSR1, handler)
{INTERRUPTED[wait]}
"""
    assert silent(tmp_path, IMPATIENT + program) == "worked\n"


def test_a_program_that_waits_for_ctrl_c(tmp_path: Path) -> None:
    program = """
import os, queue, signal, subprocess, sys, threading
jobs = queue.Queue()
threading.Thread(target=jobs.get, daemon=True).start()
kill = f"import os, signal, time; time.sleep(0.3); os.kill({os.getpid()}, signal.SIGINT)"
child = subprocess.Popen([sys.executable, "-c", kill])
try:
    threading.Event().wait()
except KeyboardInterrupt:
    child.wait()
    print("interrupted")
"""
    assert silent(tmp_path, program) == "interrupted\n"


def test_pools_loops_and_listeners(tmp_path: Path) -> None:
    program = (
        IMPATIENT
        + """
import asyncio, concurrent.futures, logging.handlers, multiprocessing.pool, queue, threading
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    for _ in range(50):
        assert list(pool.map(abs, range(-9, 0))) == list(range(9, 0, -1))
    futures = [pool.submit(pow, i, 2) for i in range(50)]
    assert [each.result() for each in concurrent.futures.as_completed(futures)]
with multiprocessing.pool.ThreadPool(3) as pool:
    assert pool.map(abs, range(-9, 0)) == list(range(9, 0, -1))
records = queue.Queue()
listener = logging.handlers.QueueListener(records, logging.NullHandler())
listener.start()
logging.getLogger().addHandler(logging.handlers.QueueHandler(records))
logging.error("a record")
listener.stop()
loop = asyncio.new_event_loop()
thread = threading.Thread(target=loop.run_forever)
thread.start()
for _ in range(20):
    sleep = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.001, "slept"), loop)
    assert sleep.result() == "slept"
async def in_a_thread():
    return await asyncio.gather(*(asyncio.to_thread(abs, -i) for i in range(20)))
assert asyncio.run(in_a_thread()) == list(range(20))
loop.call_soon_threadsafe(loop.stop)
thread.join()
loop.close()
print("end")
"""
    )
    assert silent(tmp_path, program) == "end\n"


# Threads that take locks of all kinds in order, wait for each other at conditions and queues, and
# join each other: they may block in any combination, and none for ever.
RANDOM = (
    IMPATIENT
    + """
import queue, random, sys, threading
first, count = int(sys.argv[1]), int(sys.argv[2])
def program(seed):
    rng = random.Random(seed)
    kinds = [threading.Lock, threading.RLock, threading.Semaphore, threading.Condition]
    locks = [rng.choice(kinds)() for _ in range(rng.randint(2, 6))]
    items, failed = queue.Queue(rng.randint(0, 2)), []
    threads = rng.randint(2, 6)
    barrier = threading.Barrier(threads) if rng.random() < 0.5 else None
    ready = [threading.Event() for _ in range(threads)]
    def work(me, seed):
        rng = random.Random(seed)
        try:
            for _ in range(rng.randint(1, 20)):
                held = [lock for lock in locks if rng.random() < 0.6]
                for lock in held:
                    if rng.random() < 0.2:
                        while not lock.acquire(True, timeout=0.0005):
                            pass
                    else:
                        lock.acquire()
                for lock in reversed(held):
                    lock.release()
                if rng.random() < 0.3:
                    items.put(me)
                    items.get()
            if barrier:
                barrier.wait()
            ready[me].set()
            ready[rng.randrange(me + 1)].wait()
        except BaseException as error:
            failed.append(error)
            raise
    pool = [threading.Thread(target=work, args=(i, rng.random())) for i in range(threads)]
    def chain(i):
        # Each joins the one before.
        pool[i].join()
    joiners = [threading.Thread(target=chain, args=(i,)) for i in range(threads)]
    for thread in pool + joiners:
        thread.start()
    for thread in joiners + pool:
        thread.join()
    assert not failed, (seed, failed)
for seed in range(first, first + count):
    program(seed)
print("end")
"""
)
PROGRAMS = int(os.environ.get("ROPEWALK_RANDOM_PROGRAMS", "400"))
BATCH = 100


@pytest.mark.parametrize("first", range(0, PROGRAMS, BATCH))
def test_random_programs_that_take_locks_in_order(tmp_path: Path, first: int) -> None:
    text = RANDOM.replace("int(sys.argv[1])", str(first)).replace("int(sys.argv[2])", str(BATCH))
    assert silent(tmp_path, text) == "end\n"
