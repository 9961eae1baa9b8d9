"""Signal handlers that raise while a thread or a timer is being started."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from tests.traps.programs import succeeds

_MAKERS = {
    "Thread": "threading.Thread(target=work)",
    "Timer": "threading.Timer(0.001, work)",
    # One that the wheel does not take.
    "TimerOfItsOwn": "type('T', (threading.Timer,), {'run': threading.Timer.run})(0.001, work)",
}


@pytest.mark.skipif(
    sys.version_info >= (3, 14),
    reason="a handler may raise there between a lock's __enter__ and the block: stock hangs, too",
)
@pytest.mark.parametrize("name", _MAKERS)
def test_a_start_that_is_interrupted_has_happened_or_has_not(name: str) -> None:
    """What has begun is waited for at exit, and nothing else is."""
    program = f"""
    import atexit
    class Stop(Exception): pass
    begun, ended, stopped, starting = [], [], 0, False
    def work():
        begun.append(1)
        time.sleep(0.005)
        ended.append(1)
    def handler(number, frame):
        if starting:
            raise Stop
    def check():
        # Threads are joined before this is called. The text is seen by who started the program.
        if len(begun) != len(ended):
            os.write(1, f"{{len(begun)}} begun, {{len(ended)}} ended".encode())
    atexit.register(check)
    signal.signal(signal.SIGALRM, handler)
    for turn in range(1000):
        thread = {_MAKERS[name]}
        try:
            # Comes at another moment of the start each time, or after it.
            signal.setitimer(signal.ITIMER_REAL, 0.000001 + 0.0000002 * turn)
            starting = True
            thread.start()
            starting = False
        except Stop:
            stopped += 1
            starting = False
    assert stopped
    """
    assert succeeds(dedent(program), name) == ""
