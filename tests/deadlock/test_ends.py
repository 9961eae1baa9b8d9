"""What still runs when a thread's function is over can help those who wait."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.deadlock.programs import plain, run, silent

if TYPE_CHECKING:
    from pathlib import Path

_LAST = """
import contextvars, queue, threading, time
class Last:
    def __init__(self, work):
        self.work = work
    def __del__(self):
        time.sleep(0.02)  # whoever waits is seen to wait
        self.work()
variable, local = contextvars.ContextVar("variable"), threading.local()
def work(last):
    KEEP
def finish(last):
    thread = threading.Thread(target=work, args=(last,))
    thread.start()
    return thread
"""


@pytest.mark.parametrize("keep", ["variable.set(last)", "local.last = last"])
def test_a_finalizer_of_what_a_thread_leaves(tmp_path: Path, keep: str) -> None:
    program = _LAST.replace("KEEP", keep) + dedent(
        """
        items, lock = queue.Queue(), threading.Lock()
        finish(Last(lambda: items.put("item")))
        print(items.get())
        lock.acquire()
        finish(Last(lock.release))
        print(lock.acquire())
        # All of it is over when the thread is.
        finish(Last(lambda: items.put("joined"))).join()
        print(items.get_nowait())
        """
    )
    assert silent(tmp_path, program) == "item\nTrue\njoined\n"


def test_a_loop_that_waits_for_itself(tmp_path: Path) -> None:
    """`asyncio.run()` has a handler for Ctrl-C, which helps as little as Python's own."""
    done = run(
        tmp_path,
        """
        import asyncio
        async def main():
            loop = asyncio.get_running_loop()
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        asyncio.run(main())
        """,
    )
    assert done.returncode == 1
    assert "DeadlockError: the only thread waits" in done.stderr
    assert 'File "program.py", line 4, in main' in plain(done.stderr)


def test_a_handler_of_the_programs_in_a_loop_can_help(tmp_path: Path) -> None:
    program = """
    import asyncio, queue, signal
    items = queue.Queue()
    async def main():
        signal.signal(signal.SIGALRM, lambda *args: items.put("item"))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        print(items.get())
    asyncio.run(main())
    """
    assert silent(tmp_path, program) == "item\n"
