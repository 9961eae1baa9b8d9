"""Exits, forks, signals and deadlocks of programs that use pools, in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.face.programs import ROPEWALK, STOCK, code, succeeds
from tests.queue.test_signals import WHEN_BLOCKED

Program = Callable[[str], str]

# Under `ropewalk run`, and by the modules' own names beside the stdlib's.
WAYS = {
    "run": (ROPEWALK, "import concurrent.futures as futures, threading"),
    "by name": (STOCK, "from ropewalk.concurrent import futures; from ropewalk import threading"),
}


@pytest.fixture(params=WAYS)
def program(request: pytest.FixtureRequest) -> Program:
    """Runs a program that uses `futures` and `threading`, in either way; gives what it prints."""
    under, imports = WAYS[request.param]

    def run(text: str) -> str:
        return succeeds(f"{imports}\nimport os, sys, time\n{text}", under=under)

    return run


def test_the_exit_waits_for_tasks(program: Program) -> None:
    printed = program("""
pool = futures.ThreadPoolExecutor(1)
gate = threading.Event()
pool.submit(gate.wait)
for number in range(3):
    pool.submit(print, "task", number)
threading.Timer(0.05, gate.set).start()
print("the program's end", flush=True)
""")
    assert printed == "the program's end\ntask 0\ntask 1\ntask 2\n"


def test_the_exit_does_not_wait_for_idle_threads(program: Program) -> None:
    assert (
        program("""
pool = futures.ThreadPoolExecutor(3)
list(pool.map(abs, range(10)))
other = futures.ThreadPoolExecutor(1)
other.submit(abs, 1)
other.shutdown(wait=False)
print("the program's end")
""")
        == "the program's end\n"
    )


def test_no_task_once_the_interpreter_exits(program: Program) -> None:
    assert (
        program("""
import atexit
pool = futures.ThreadPoolExecutor(1)
pool.submit(abs, 1)
@atexit.register
def submit():
    try:
        pool.submit(abs, 1)
    except RuntimeError as error:
        print(error)
""")
        == "cannot schedule new futures after interpreter shutdown\n"
    )


def test_a_forked_child_can_use_pools(program: Program) -> None:
    assert (
        program("""
import warnings
warnings.simplefilter("ignore")
pool = futures.ThreadPoolExecutor(2)
gate = threading.Event()
held = [pool.submit(gate.wait) for _ in range(2)]
queued = pool.submit(print, "once")
child = os.fork()
if child == 0:
    # The parent's pool has no threads and nothing to do here.
    assert pool.submit(pow, 2, 3).result(10) == 8
    assert futures.ThreadPoolExecutor(1).submit(pow, 2, 4).result(10) == 16
    pool.shutdown()
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
gate.set()
pool.shutdown()
assert queued.done()
""")
        == "once\n"
    )


@pytest.mark.parametrize(
    "wait",
    ["future.result()", "future.exception(60)", "futures.wait([future])",
     "next(futures.as_completed([future]))", "touched(future).result()"],
)  # fmt: skip
def test_ctrl_c_ends_a_wait(wait: str) -> None:
    assert (
        succeeds(f"""
{WHEN_BLOCKED}
import concurrent.futures as futures
def touched(future):
    future._waiters
    return future
future = futures.Future()
when_blocked(signal.SIGINT)
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted", future._state)
future.set_result(1)
assert future.result() == 1
""")
        == "interrupted PENDING\n"
    )


def test_a_pool_whose_threads_all_wait_for_its_own_tasks() -> None:
    done = code(
        """
        import concurrent.futures, threading
        def inner():
            return 1
        def outer():
            barrier.wait()
            return pool.submit(inner).result()
        barrier = threading.Barrier(2)
        pool = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="mine")
        errors = []
        for future in [pool.submit(outer) for _ in range(2)]:
            try:
                assert future.result() == 1
            except RuntimeError as error:
                errors.append(error)
        (error,) = errors
        assert type(error).__name__ == "DeadlockError"
        print(error)
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("2 threads wait for tasks that nobody else could run\n")
    assert done.stdout.count("waits for a pending future of pool 'mine'") == 2
    assert "in outer" in done.stdout


@pytest.mark.parametrize("wait", ["list(pool.map(abs, [1]))", "futures.wait([pool.submit(abs)])",
                                  "next(futures.as_completed([pool.submit(abs)]))"])  # fmt: skip
def test_a_pool_of_one_thread_that_waits_for_itself(wait: str) -> None:
    assert "DeadlockError\n" in succeeds(f"""
import concurrent.futures as futures
pool = futures.ThreadPoolExecutor(1)
print(type(pool.submit(lambda: {wait}).exception()).__name__)
""")


@pytest.mark.parametrize(
    ("mode", "error"), [("raise", "DeadlockError"), ("report", "CancelledError")]
)
@pytest.mark.parametrize(
    "call_off", ["inner[0].cancel()", "pool.shutdown(wait=False, cancel_futures=True)"]
)
def test_who_would_call_a_task_off_is_no_help(mode: str, error: str, call_off: str) -> None:
    """What `docs/hangs.md` says of watchdogs."""
    done = code(f"""
import concurrent.futures, threading, time
import ropewalk
ropewalk.set_deadlock_mode({mode!r})
pool = concurrent.futures.ThreadPoolExecutor(1)
inner = []
def outer():
    inner.append(pool.submit(abs, 1))
    return inner[0].result()
def watch():
    while not (future.done() or {mode!r} == "report" and len(ropewalk.blocked_threads()) == 2):
        time.sleep(0.001)
    {call_off}
future = pool.submit(outer)
watchdog = threading.Thread(target=watch)
watchdog.start()
print(type(future.exception()).__name__)
watchdog.join()
""")
    assert (done.returncode, done.stdout) == (0, f"{error}\n"), done.stderr


# The exits of `ropewalk.futures`

BUSY = """
import time
from ropewalk import futures
pool = futures.ThreadPoolExecutor(1, exit_policy={policy!r})
def busy():
    end = time.monotonic() + {seconds}
    while time.monotonic() < end and not futures.current_task().cancelled():
        time.sleep(0.001)
    print("ended", futures.current_task().cancelled(), flush=True)
running = pool.with_options(name="the long one").submit(busy)
queued = pool.submit(print, "queued")
while not running.running():
    time.sleep(0.001)
print("main", flush=True)
"""


@pytest.mark.parametrize("under", [ROPEWALK, STOCK])
def test_an_exit_that_waits_says_for_what(under: tuple[str, ...]) -> None:
    done = code(BUSY.format(policy="wait", seconds=2.5), under=under)
    assert done.returncode == 0
    assert done.stdout == "main\nended False\nqueued\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("ropewalk: the exit waits for 'the long one' (runs for 2.")
    assert line.endswith(" s), and 1 that wait for a thread")


@pytest.mark.parametrize("under", [ROPEWALK, STOCK])
def test_an_exit_that_cancels(under: tuple[str, ...]) -> None:
    assert succeeds(BUSY.format(policy="cancel", seconds=60), under=under) == "main\nended True\n"


@pytest.mark.parametrize("under", [ROPEWALK, STOCK])
def test_an_exit_that_abandons(under: tuple[str, ...]) -> None:
    text = BUSY.replace(" and not futures.current_task().cancelled()", "")
    begun = time.monotonic()
    assert succeeds(text.format(policy="abandon", seconds=60), under=under) == "main\n"
    assert time.monotonic() - begun < 30


# Installation


def test_installed_before_and_after_the_first_import() -> None:
    for first in ("", "import concurrent.futures.thread, asyncio"):
        succeeds(
            f"""
            {first}
            import sys, ropewalk
            old = sys.modules.get("concurrent.futures")
            ropewalk.install()
            assert {bool(first)} or not [each for each in sys.modules if "concurrent" in each]
            import concurrent.futures, concurrent.futures.thread, concurrent.futures.process
            from concurrent.futures import _base, thread
            from ropewalk import _ropewalk
            from ropewalk.concurrent import futures
            assert concurrent.futures is futures is sys.modules["concurrent.futures"]
            assert concurrent.futures.__name__ == "concurrent.futures"
            assert concurrent.futures.Future is _base.Future is _ropewalk.Future
            assert issubclass(concurrent.futures.ThreadPoolExecutor, _ropewalk._ThreadPool)
            assert concurrent.futures.thread is thread
            assert old is None or old.Future is _ropewalk.Future
            import asyncio
            async def main():
                return await asyncio.to_thread(pow, 2, 3)
            assert asyncio.run(main()) == 8
            ropewalk.uninstall()
            import concurrent.futures, concurrent.futures.thread
            assert concurrent.futures is not futures
            assert old is None or concurrent.futures is old
            assert concurrent.futures.Future is not _ropewalk.Future
            assert concurrent.futures.thread.ThreadPoolExecutor(1).submit(abs, -1).result() == 1
            assert futures.ThreadPoolExecutor(1).submit(abs, -1).result() == 1
            """,
            under=STOCK,
        )


def test_who_does_not_use_it_does_not_load_it() -> None:
    succeeds(
        """
        import sys, threading, queue
        assert not [name for name in sys.modules if "futures" in name or name == "logging"]
        """
    )


def test_process_pools_work_on_our_futures(program: Program) -> None:
    assert (
        program("""
import warnings
warnings.simplefilter("ignore")
with futures.ProcessPoolExecutor(1) as pool:
    future = pool.submit(pow, 2, 10)
    assert type(future) is futures.Future
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
    print(future.result())
""")
        == "1024\n"
    )
