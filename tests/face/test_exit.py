"""The interpreter's exit, under `ropewalk run` and with the modules taken by name."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.face.programs import LIMIT, ROPEWALK, STOCK, code, environment, succeeds

# Both ways of use. The second one is a program of its own, without `ropewalk run`.
WAYS = {
    "run": (ROPEWALK, "import queue, threading"),
    "by name": (STOCK, "from ropewalk import queue, threading"),
}
# An exit is not delayed by threads that it need not wait for: far less than any of their waits.
PROMPT = 20.0
ROUNDS = 10

EACH_PRIMITIVE = """
def waits():
    lock, rlock, full, empty = threading.Lock(), threading.RLock(), queue.Queue(1), queue.Queue()
    condition, ready = threading.Condition(), threading.Event()
    lock.acquire(); rlock.acquire(); full.put(1)
    never = threading.Thread(target=threading.Event().wait, daemon=True)
    never.start()
    def waiting():
        with condition:
            condition.wait()
    return {
        "lock": lock.acquire, "lock until": lambda: lock.acquire(timeout=3600),
        "rlock": rlock.acquire, "condition": waiting, "event": ready.wait,
        "event until": lambda: ready.wait(3600), "semaphore": threading.Semaphore(0).acquire,
        "barrier": threading.Barrier(2).wait, "thread": never.join, "main": main.join,
        "get": empty.get, "get until": lambda: empty.get(timeout=3600), "put": lambda: full.put(2),
        "join": full.join, "simple": queue.SimpleQueue().get, "lifo": queue.LifoQueue().get,
        "priority": queue.PriorityQueue().get,
    }
"""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], str]:
    under, imports = WAYS[request.param]
    return under, f"{imports}\nimport ropewalk, sys, time, os\nmain = threading.current_thread()\n"


def run(way: tuple[tuple[str, ...], str], text: str) -> str:
    under, imports = way
    return succeeds(imports + textwrap.dedent(text), under=under)


def test_daemons_blocked_in_every_primitive(way: tuple[tuple[str, ...], str]) -> None:
    for _ in range(ROUNDS):
        started = time.monotonic()
        printed = run(
            way,
            EACH_PRIMITIVE
            + """
it = waits()
# The main thread joined by a daemon ends with the main thread, and the daemon may be seen to run.
threads = [threading.Thread(target=wait, daemon=True, name=name) for name, wait in it.items()]
for thread in threads:
    thread.start()
deadline = time.monotonic() + 30
while not {t.ident for t in threads} <= set(ropewalk.blocked_threads()):
    assert time.monotonic() < deadline, [
        t.name for t in threads if t.ident not in ropewalk.blocked_threads()]
    time.sleep(0.001)
print("exit")
""",
        )
        assert printed == "exit\n"
        assert time.monotonic() - started < PROMPT


def test_daemons_busy_in_every_primitive(way: tuple[tuple[str, ...], str]) -> None:
    for _ in range(ROUNDS):
        printed = run(
            way,
            """
            lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
            semaphore, event, items = threading.Semaphore(), threading.Event(), queue.Queue()
            simple, few = queue.SimpleQueue(), queue.Queue(1)
            begun = threading.Barrier(13)
            def forever(step):
                begun.wait()
                while True:
                    step()
            def held(it):
                def step():
                    with it:
                        pass
                return step
            def notify():
                with condition:
                    condition.notify_all()
            def wait():
                with condition:
                    condition.wait(0.001)
            def start():
                t = threading.Thread(target=int, daemon=True)
                try:
                    t.start()
                except RuntimeError:
                    return  # "can't create new thread at interpreter shutdown"
                t.join()
            steps = [held(lock), held(lock), held(rlock), held(semaphore), wait, notify,
                     lambda: (event.set(), event.wait(), event.clear()),
                     lambda: items.put(1), lambda: items.get(), lambda: few.put(1),
                     lambda: (few.get(), simple.put(1), simple.get()), start]
            for step in steps:
                threading.Thread(target=forever, args=(step,), daemon=True).start()
            begun.wait()
            time.sleep(0.02)
            print("exit")
            """,
        )
        assert printed == "exit\n"


def test_non_daemons_are_joined(way: tuple[tuple[str, ...], str]) -> None:
    """Before the exit functions run, also those that such a thread starts meanwhile."""
    printed = run(
        way,
        """
        import atexit
        atexit.register(print, "exit function")
        threading._register_atexit(print, "first")
        threading._register_atexit(print, "before the join")
        def second():
            print("second")
        def work():
            main.join()
            print("main is over")
            if sys.version_info[:2] != (3, 12):  # which starts none then
                t = threading.Thread(target=second)
                t.start()
            else:
                second()
        threading.Thread(target=work).start()
        print("end of main")
        """,
    )
    assert printed.splitlines() == [
        "end of main",
        "before the join",
        "first",
        "main is over",
        "second",
        "exit function",
    ]


def test_register_atexit_after_the_shutdown_began(way: tuple[tuple[str, ...], str]) -> None:
    printed = run(
        way,
        """
        def late():
            try:
                threading._register_atexit(print)
            except RuntimeError as error:
                print(error)
        threading._register_atexit(late)
        """,
    )
    assert printed == "can't register atexit after shutdown\n"


@pytest.mark.parametrize("daemon", [False, True])
def test_timers(way: tuple[tuple[str, ...], str], daemon: bool) -> None:
    """One that is no daemon delays the exit until it is due; a daemon is forgotten."""
    printed = run(
        way,
        f"""
        timer = threading.Timer({3600 if daemon else 0.1}, print, ["due"])
        timer.daemon = {daemon}
        timer.start()
        cancelled = threading.Timer(3600, print, ["never"])
        cancelled.start()
        cancelled.cancel()
        print("end of main")
        """,
    )
    assert printed == ("end of main\n" if daemon else "end of main\ndue\n")


def test_interrupt_while_threads_are_joined(way: tuple[tuple[str, ...], str]) -> None:
    """Ctrl-C ends the wait, and the exit goes on: as `python`, which reports it as ignored."""
    under, imports = way
    text = imports + textwrap.dedent(
        """
        def work():
            main.join()
            # Not print(): whoever is inside of sys.stdout at the exit makes CPython abort.
            os.write(1, b"joining\\n")
            threading.Event().wait(3600)
        threading.Thread(target=work).start()
        """
    )
    with subprocess.Popen(
        [sys.executable, *under, "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "joining\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, errors
    assert "KeyboardInterrupt" in errors
    # CPython 3.13 says nothing more.
    is_silent = (3, 13) <= sys.version_info < (3, 14)
    assert errors.startswith("Traceback" if is_silent else "Exception ignored"), errors


def test_uncaught_error_in_main_still_joins(way: tuple[tuple[str, ...], str]) -> None:
    under, imports = way
    done = code(
        imports
        + textwrap.dedent(
            """
            def work():
                main.join()
                print("joined")
            threading.Thread(target=work).start()
            raise LookupError
            """
        ),
        under=under,
    )
    assert done.returncode == 1
    assert done.stdout == "joined\n"
    assert done.stderr.endswith("LookupError\n")


def test_a_thread_that_is_started_during_the_exit(way: tuple[tuple[str, ...], str]) -> None:
    """From an exit function: CPython says whether it can be; nothing hangs or crashes."""
    under, imports = way
    text = imports + textwrap.dedent(
        """
        import atexit
        def late():
            t = threading.Thread(target=print, args=("ran",))
            try:
                t.start()
                t.join()
            except RuntimeError as error:
                print(error)
            assert not t.is_alive() and t not in threading.enumerate()
        atexit.register(late)
        """
    )
    assert succeeds(text, under=under) in (
        "ran\n",
        "can't create new thread at interpreter shutdown\n",
    )


@pytest.mark.skipif(sys.version_info < (3, 15), reason="the exit does not wait for them")
@pytest.mark.parametrize("start", ["Thread(target=work)", "Timer(0.1, work)"])
def test_what_exit_functions_start_is_joined(way: tuple[tuple[str, ...], str], start: str) -> None:
    """After the last exit function, which may be what they wait for."""
    text = f"""
        import atexit
        go_on = threading.Event()
        def work():
            go_on.wait()
            time.sleep(0.1)  # The exit would be faster.
            os.write(1, b"worked\\n")
        atexit.register(go_on.set)
        atexit.register(lambda: threading.{start}.start())
    """
    assert run(way, text) == "worked\n"
    assert succeeds("import threading, time, os" + textwrap.dedent(text), under=STOCK) == "worked\n"


@pytest.mark.skipif(sys.version_info < (3, 13), reason="CPython has no such threads")
@pytest.mark.parametrize("under", [STOCK, ROPEWALK], ids=["stock", "run"])
def test_threads_that_cpython_made_joinable(under: tuple[str, ...]) -> None:
    printed = succeeds(
        """
        import _thread, os, threading, time
        def work():
            threading.main_thread().join()
            time.sleep(0.1)  # The exit would be faster.
            os.write(1, b"worked\\n")
        _thread.start_joinable_thread(work, daemon=False)
        """,
        under=under,
    )
    assert printed == "worked\n"


def test_taken_by_name_alone_under_run() -> None:
    """No module of the name `threading` was asked for, by which CPython finds what to join."""
    printed = succeeds(
        """
        import atexit, os, time
        from ropewalk import threading
        def work():
            threading.main_thread().join()
            os.write(1, b"worked\\n")
        atexit.register(os.write, 1, b"exit function\\n")
        threading.Thread(target=work).start()
        """
    )
    assert printed == "worked\nexit function\n"


LAST_WAITS = """
lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
free, event, semaphore = threading.Condition(), threading.Event(), threading.Semaphore(0)
barrier, items, full = threading.Barrier(2), queue.Queue(), queue.Queue(1)
full.put(1)
def hold(ready):
    lock.acquire()
    rlock.acquire()
    condition.acquire()
    ready.set()
    while True:
        time.sleep(1)
def wait():
    with free:
        free.wait()
class Last:
    def __init__(self):
        self.me = self  # Garbage that only the collector finds.
        ready = threading.Event()
        self.thread = threading.Thread(target=hold, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()
    def __del__(self):
        assert sys.is_finalizing()
        for name, call in {
            "lock": lock.acquire, "rlock": rlock.acquire, "condition": condition.acquire,
            "wait": wait, "event": event.wait, "semaphore": semaphore.acquire,
            "barrier": barrier.wait, "get": items.get, "put": lambda: full.put(2),
            "tasks": full.join, "try": lambda: lock.acquire(False), "join": self.thread.join,
            "lock until": lambda: lock.acquire(timeout=0.01),
            "join until": lambda: self.thread.join(0.01),
        }.items():
            try:
                outcome = call()
            except RuntimeError as error:
                outcome = f"{type(error).__name__}: {error}"
            print(f"{name}: {outcome}")
Last()
"""


def test_a_wait_after_all_other_threads_were_ended(way: tuple[tuple[str, ...], str]) -> None:
    """Refused instead of a hang, as CPython does it from 3.14 (`join`) and 3.15 on."""
    printed = run(way, LAST_WAITS)
    error = "PythonFinalizationError" if sys.version_info >= (3, 13) else "RuntimeError"
    lock = f"{error}: cannot acquire lock at interpreter finalization"
    join = f"{error}: cannot join thread at interpreter shutdown"
    names = "lock rlock condition wait event semaphore barrier get put tasks"
    wanted = dict.fromkeys(names.split(), lock) | {
        "try": "False",
        "join": join,
        "lock until": lock if sys.version_info >= (3, 15) else "False",
        "join until": join if sys.version_info >= (3, 14) else "None",
    }
    assert dict(line.split(": ", 1) for line in printed.splitlines()) == wanted
    if sys.version_info >= (3, 15):
        imports = "import os, queue, sys, threading, time\n"
        assert succeeds(imports + LAST_WAITS, under=STOCK) == printed


def test_a_dummy_that_outlives_the_module(way: tuple[tuple[str, ...], str]) -> None:
    assert run(way, "threading.x = sys.modules[__name__]\nx = threading._DummyThread()") == ""
