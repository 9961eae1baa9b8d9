"""A signal that came before a deadlock was complete is the answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.deadlock.programs import silent

if TYPE_CHECKING:
    from pathlib import Path


def test_ctrl_c_sent_by_a_thread_that_ends_at_once(tmp_path: Path) -> None:
    printed = silent(
        tmp_path,
        """
        import os, signal, threading
        from ropewalk._ropewalk import blocked_threads
        lock = threading.Lock()
        lock.acquire()
        turns = []
        def interrupt(turn):
            # Past the start of this thread, in which the main thread may wait as well.
            while len(turns) <= turn or threading.main_thread().ident not in blocked_threads():
                pass
            os.kill(os.getpid(), signal.SIGINT)
        for turn in range(20):
            threading.Thread(target=interrupt, args=(turn,)).start()
            try:
                turns.append(turn)
                lock.acquire()
            except KeyboardInterrupt:
                print("Ctrl-C", end=" ")
        """,
    )
    assert printed.split() == ["Ctrl-C"] * 20
