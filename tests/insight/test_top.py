"""`ropewalk top` in a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from typing import TYPE_CHECKING

from tests.face.programs import LIMIT, environment
from tests.insight.programs import ABBA, ROOT, Program, ropewalk

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_RED = "\x1b[31m"


class Terminal:
    """`ropewalk top` in a terminal of 80 columns and 24 lines."""

    def __init__(self, pid: int) -> None:
        self.ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ropewalk", "top", str(pid)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=environment(TERM="xterm"),
        )
        self.text = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)

    def see(self, pattern: str) -> None:
        """Read until the pattern has come since the last time."""
        end = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            assert time.monotonic() < end, self.text
            ready, _, _ = select.select([self.ours], [], [], 1)
            if ready:
                self.text += os.read(self.ours, 65536).decode()
        self.text = self.text[found.end() :]

    def press(self, key: str) -> None:
        os.write(self.ours, key.encode())

    def ends(self) -> int:
        """Its exit code; what it still writes is read, or it could not end."""
        end = time.monotonic() + LIMIT
        while self.process.poll() is None:
            assert time.monotonic() < end
            if select.select([self.ours], [], [], 0.05)[0]:
                self.text += os.read(self.ours, 65536).decode()
        return self.process.returncode


def test_it_shows_threads_and_cycles_in_red_and_obeys_keys(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program, Terminal(program.pid) as terminal:
        terminal.see(r"sorted by longest wait")
        terminal.see(re.escape(_RED) + r"possible deadlock: ")
        terminal.see(re.escape(_RED) + r"(reader|writer) [^\r\n]*Lock program.py:")
        terminal.see(r"WAITED FOR .*Queue.get program.py:9 +1 +0")
        terminal.press("n")
        terminal.see(r"sorted by name.*MainThread.*worker")
        terminal.press("t")
        terminal.see(r"sorted by name((?!WAITED FOR).)*\x1b\[J")
        terminal.press("p")
        terminal.see("PAUSED")
        terminal.press("q")
        assert terminal.ends() == 0
        # The screen that was there before, with the cursor, and the terminal's modes.
        assert terminal.text.endswith("\x1b[?25h\x1b[?1049l")
        assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_no_line_is_wider_than_the_terminal(tmp_path: Path) -> None:
    text = """
    lock = threading.Lock()
    from ropewalk import inspect
    inspect.set_name(lock, "a long name " * 20 + "\\x1b[2J")
    lock.acquire()
    thread = threading.Thread(target=lock.acquire, name="thread" * 50, daemon=True)
    thread.start()
    until_blocked(thread)
    ready()
    """
    with Program(tmp_path, text) as program, Terminal(program.pid) as terminal:
        terminal.see(r"sorted by longest wait")
        terminal.press("q")
        assert terminal.ends() == 0
        assert "\x1b[2J" not in terminal.text
        plain = re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", terminal.text)
        assert "threadthread" in plain
        assert max(map(len, plain.splitlines())) <= 80


def test_it_ends_with_the_program_and_with_ctrl_c(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program, Terminal(program.pid) as terminal:
        terminal.see("sorted by")
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.ends() == 0
    with Program(tmp_path, ABBA) as program, Terminal(program.pid) as terminal:
        terminal.see("sorted by")
        assert program.end()[0] == 0
        assert terminal.ends() == 0
        assert f"there is no process {program.pid}" in terminal.text


def test_without_a_terminal_it_says_so(tmp_path: Path) -> None:
    with Program(tmp_path, "ready()") as program:
        done = ropewalk("top", program.pid)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "ropewalk: top needs a terminal; `ropewalk ps` does not\n"
