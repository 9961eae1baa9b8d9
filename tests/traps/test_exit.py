"""The interpreter's exit with daemon threads blocked and busy in everything.

Up to Python 3.13 such a thread is ended in the middle of what it does, wherever it next asks for
the GIL. Nothing may come of that: no crash, no word on stderr, no delay.

`ROPEWALK_EXIT_RUNS=1000` makes so many runs in all; normally each kind of program has a few.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from textwrap import dedent

import pytest

from tests.face.programs import environment
from tests.traps.programs import LIMIT, ROOT, succeeds
from tests.traps.ways import WAYS

# What keeps a thread busy with code of the user that runs inside of a method of ours.
INSIDE = {
    "predicate": """
        condition = threading.Condition()
        def work():
            with condition:
                condition.wait_for(spin, 0.001)
        """,
    "lock_of_the_user": """
        class Spinning:
            def acquire(self, *args): spin(); return not args
            def release(self): spin()
            def __enter__(self): spin()
            def __exit__(self, *error): spin()
        condition = threading.Condition(Spinning())
        def work():
            with condition:
                condition.wait(0.0001)
        """,
    "action_of_a_barrier": """
        barrier = threading.Barrier(1, spin)
        def work():
            barrier.wait()
        """,
    "timeout": """
        class Seconds(float):
            def __gt__(self, other): spin(); return True
            def __lt__(self, other): spin(); return False
            def __float__(self): spin(); return 0.0001
        event = threading.Event()
        def work():
            event.wait(Seconds(0.0001))
        """,
    "truth": """
        class Truth:
            def __bool__(self): spin(); return True
        semaphore = threading.Semaphore()
        def work():
            semaphore.acquire(Truth())
            semaphore.release()
        """,
    "comparison_of_items": """
        class Item:
            def __lt__(self, other): spin(); return False
        items = queue.PriorityQueue()
        def work():
            items.put(Item())
            items.put(Item())
            items.get()
            items.get()
        """,
    "hooks_of_a_queue": """
        class Hooked(queue.Queue):
            def _put(self, item): spin(); super()._put(item)
            def _get(self): spin(); return super()._get()
        items = Hooked()
        def work():
            items.put(1)
            items.get()
        """,
    "destructors_of_items": """
        class Item:
            def __del__(self): spin()
        items = queue.SimpleQueue()
        def work():
            items.put(Item())
            items.get()
        """,
    "destructors_of_attributes": """
        import concurrent.futures
        class Attribute:
            def __del__(self): spin()
        kinds = [concurrent.futures.Future, lambda: concurrent.futures.ThreadPoolExecutor(1)]
        def work():
            for kind in kinds:
                kind().attribute = Attribute()
        """,
    "weak_references": """
        import concurrent.futures, weakref
        kinds = [concurrent.futures.Future, lambda: concurrent.futures.ThreadPoolExecutor(1)]
        def work():
            for kind in kinds:
                thing = kind()
                weak = weakref.ref(thing, lambda _: spin())
                del thing
        """,
    "warnings": """
        import warnings
        warnings.simplefilter("always")
        warnings.showwarning = lambda *_, **__: spin()
        event, condition = threading.Event(), threading.Condition()
        def work():
            event.isSet()
            with condition:
                condition.notifyAll()
        """,
    "repr_of_a_lock": """
        class Spinning:
            def acquire(self, *args): return True
            def release(self): pass
            def __repr__(self): spin(); return "spinning"
        condition = threading.Condition(Spinning())
        def work():
            repr(condition)
        """,
    "hashes_of_futures": """
        import concurrent.futures
        class Hashed(concurrent.futures.Future):
            def __hash__(self): spin(); return 1
        def work():
            done, other = Hashed(), concurrent.futures.Future()
            done.set_result(1)
            concurrent.futures.wait([done, other], 0)
        """,
    "index": """
        class Number:
            def __index__(self): spin(); return 1
            def __lt__(self, other): return False
            def __gt__(self, other): return True
        semaphore, condition = threading.Semaphore(), threading.Condition()
        def work():
            semaphore.release(Number())
            with condition:
                condition.notify(Number())
        """,
    "iterator_of_cpython": """
        import concurrent.futures
        class Hooked(concurrent.futures.Future):
            def _invoke_callbacks(self): super()._invoke_callbacks()
            def __hash__(self): spin(); return id(self)
        def work():
            futures = [Hooked() for _ in range(30)]
            for future in futures:
                future.set_result(1)
            for future in concurrent.futures.as_completed(futures):
                pass
        """,
    "collections": """
        import concurrent.futures, gc
        gc.set_threshold(20)
        class Cycle:
            def __init__(self): self.me = self
            def __del__(self): spin()
        kinds = [threading.Condition, threading.Event, threading.Semaphore, queue.Queue]
        kinds += [threading.Lock, queue.SimpleQueue, concurrent.futures.Future]
        def work():
            Cycle()
            [kind() for kind in kinds for _ in range(5)]
        """,
    "timers": """
        def work():
            timer = threading.Timer(0, spin)
            timer.daemon = True
            timer.start()
            timer.join()
        """,
    "threads": """
        def work():
            thread = threading.Thread(target=spin, daemon=True)
            thread.start()
            thread.join()
        """,
}

_SPIN = """
def spin():
    for _ in range(3000):
        pass
    return False
def start(work):
    def loop():
        while True:
            work()
    for _ in range(3):
        threading.Thread(target=loop, daemon=True).start()
"""

_BUSY = """
way = WAYS[sys.argv[2]]()
# Two threads that take turns: one waits, the other one ends its wait.
rounds = 0
def wait():
    global rounds
    while True:
        rounds += 1
        way.block()
        way.undo()
waiter = threading.Thread(target=wait, daemon=True)
def wake():
    seen = 0
    while True:
        if rounds > seen and waiter.ident in _ropewalk.blocked_threads():
            seen = rounds
            way.unblock()
waiter.start()
threading.Thread(target=wake, daemon=True).start()
"""

_BLOCKED = """
threads = [threading.Thread(target=Kind().block, daemon=True) for Kind in WAYS.values()]
for thread in threads:
    thread.start()
"""

# The exit takes a while, and lets other threads have the GIL.
_END = """
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(0.01)
sys.slow, slow = Slow(), Slow()
time.sleep(float(sys.argv[1]))
os.write(1, repr(time.monotonic()).encode())
"""

PROGRAMS = {
    "blocked": (_BLOCKED, ""),
    **{f"busy-{name}": (_BUSY, name) for name in WAYS},
    **{
        f"inside-{name}": (_SPIN + dedent(text) + "start(work)\n", "")
        for name, text in INSIDE.items()
    },
}
RUNS = max(2, int(os.environ.get("ROPEWALK_EXIT_RUNS", "0")) // len(PROGRAMS) + 1)
# From the last line of the program to the end of the process. On a machine with much else to do.
LONGEST = 5.0


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it in an interpreter that starts with Ropewalk in place, as children of a run do."""
    prelude = """
import os, queue, sys, threading, time
from ropewalk import _ropewalk
from tests.traps.ways import *
def hook(args, tell=threading.excepthook):
    # From 3.12 on CPython starts no thread once its exit has begun, and says so to whoever tries.
    if str(args.exc_value) != "can't create new thread at interpreter shutdown":
        tell(args)
threading.excepthook = hook
"""
    return subprocess.run(
        [sys.executable, "-c", prelude + program, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        cwd=ROOT,
        env=environment(ROPEWALK_RUN="deadlock=raise", PYTHONFAULTHANDLER="1"),
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_exit_with_daemon_threads(name: str) -> None:
    program, word = PROGRAMS[name]
    for number in range(RUNS):
        # Other moments in each run, the same ones each time.
        pause = 0.003 + 0.02 * ((number * 0.618) % 1)
        done = run(program + _END, str(pause), word)
        ended = time.monotonic()
        where = f"run {number} of {RUNS}"
        assert done.stderr == "", f"{where}: {done.stderr}"
        assert done.returncode == 0, where
        assert ended - float(done.stdout) < LONGEST, where


def test_exit_joins_threads_and_timers_that_are_no_daemons() -> None:
    program = """
    items, ready = queue.Queue(), threading.Event()
    def consume():
        ready.wait()
        print(items.get(), flush=True)
    threading.Thread(target=consume).start()
    threading.Timer(0.05, lambda: (items.put("item"), ready.set())).start()
    """
    assert succeeds(program) == "item\n"


def test_ctrl_c_ends_the_wait_of_the_exit() -> None:
    program = """
    outside = outsider()
    pipe, main = Pipe(), threading.main_thread()
    def late():
        until_blocked(main)
        os.kill(os.getpid(), signal.SIGINT)
        outside.wait()
    threading.Thread(target=late).start()
    """
    from tests.traps.programs import run as run_program

    done = run_program(dedent(program))
    assert "KeyboardInterrupt" in done.stderr


def test_a_lock_is_usable_in_exit_functions_and_late_destructors() -> None:
    program = """
    import atexit
    lock, items, event = threading.Lock(), queue.Queue(), threading.Event()
    for Kind in WAYS.values():
        threading.Thread(target=Kind().block, daemon=True).start()
    def use(where):
        with lock:
            items.put(where)
        event.set()
        assert event.wait() and event.wait(0.01)
        os.write(1, items.get().encode())
    atexit.register(use, "atexit ")
    class Late:
        def __del__(self, use=use):
            use("late ")
    # Dropped when the modules are cleared, by when `use` has only its default arguments' globals.
    sys.late = Late()
    """
    assert succeeds(program).startswith("atexit ")


def test_a_late_destructor_gets_the_exceptions_that_it_expects() -> None:
    """The interpreter has emptied `sys.modules` when it collects the last cycles."""
    program = """
    import concurrent.futures
    class Late:
        def __init__(self):
            self.me = self
        def __del__(self, write=os.write, Empty=queue.Empty, Full=queue.Full, full=queue.Queue(1),
                    State=concurrent.futures.InvalidStateError, future=concurrent.futures.Future()):
            try:
                full.get_nowait()
            except Empty:
                full.put(1)
            try:
                full.put_nowait(2)
            except Full:
                future.set_result(3)
            try:
                future.set_result(4)
            except State:
                write(1, b"as expected")
    import gc
    gc.disable()
    Late()
    """
    assert succeeds(program) == "as expected"


def test_no_thread_of_ours_comes_for_an_interpreter_that_is_gone() -> None:
    """Also when the exit's own joins are refused: they would wait for ever."""
    program = """
    import ropewalk
    told = []
    tell = ropewalk._in_the_extension
    ropewalk._in_the_extension = lambda function: (told.append(function), tell(function))
    def refused():
        raise ropewalk.DeadlockError("as when all wait")
    threading._join_late_threads = refused
    try:
        ropewalk._at_exit()
    except ropewalk.DeadlockError:
        print(told)
    ropewalk._in_the_extension = tell
    threading._join_late_threads = lambda: None
    """
    assert succeeds(program) == "['prepare_exit']\n"
