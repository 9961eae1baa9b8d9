"""`ropewalk top` in a terminal."""

from __future__ import annotations

import os
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from typing import TYPE_CHECKING

import pytest

from tests.face.programs import LIMIT, environment
from tests.insight.programs import ABBA, ROOT, Program, ropewalk

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_RED = "\x1b[31m"


class Terminal:
    """`ropewalk top` in a terminal of 24 lines."""

    def __init__(self, pid: int, columns: int = 80, **env: str) -> None:
        self.ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ropewalk", "top", str(pid)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=environment(**{"TERM": "xterm", **env}),
            # In a group of its own, which the terminal's signals can stop.
            process_group=0,
            # SIGQUIT would leave one.
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
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


@pytest.mark.parametrize("columns", [80, 49, 20])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
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
    with Program(tmp_path, text) as program, Terminal(program.pid, columns) as terminal:
        terminal.see("WAITED|WAI…")
        terminal.press("n")
        terminal.see(r"\x1b\[H")
        terminal.press("q")
        assert terminal.ends() == 0
        assert "\x1b[2J" not in terminal.text
        plain = re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", terminal.text)
        assert "thread" in plain
        assert max(map(len, plain.splitlines())) == columns


def test_a_thing_at_the_place_of_another_one_does_not_go_on_with_its_numbers() -> None:
    from ropewalk import _top
    from ropewalk._snapshot import ObjectInfo, Snapshot, Waits

    def look(number: int, total: float, kind: str = "Queue.get") -> Snapshot:
        waits = Waits(number, total, total, total, total)
        thing = ObjectInfo(0x7F00, kind, "step", "app.py:7", None, (), None, None, waits)
        return Snapshot(1, 0, (), (thing,), (), ())

    def since(now: Snapshot, before: Snapshot | None) -> list[tuple[int, float]]:
        return [(waits, total) for _, waits, total in _top._since(now, before)]

    assert since(look(5, 3.0), None) == [(5, 3.0)]
    assert since(look(5, 3.0), look(3, 1.0)) == [(2, 2.0)]
    assert since(look(5, 3.0), look(5, 3.0)) == []
    assert since(look(5, 3.0), look(900, 1.0)) == [(5, 3.0)]
    assert since(look(5, 3.0), look(3, 9.0)) == [(5, 3.0)]
    assert since(look(5, 3.0), look(3, 1.0, "Lock")) == [(5, 3.0)]


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


def test_without_a_terminal_that_has_a_cursor_it_says_so(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program, Terminal(program.pid, TERM="dumb") as terminal:
        assert terminal.ends() == 2
        terminal.see("top needs a terminal whose cursor it can move, and TERM is 'dumb'; `ropewalk")


def test_there_are_no_colors_where_none_are_wanted(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program, Terminal(program.pid, NO_COLOR="1") as terminal:
        terminal.see(re.escape("\x1b[1m") + "possible deadlock: ")
        terminal.press("q")
        assert terminal.ends() == 0
        assert not re.search(r"\x1b\[3\dm", terminal.text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_it_leaves_the_terminal_as_it_was(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Program(tmp_path, ABBA) as program, Terminal(program.pid) as terminal:
        terminal.see("sorted by")
        os.kill(terminal.process.pid, number)
        assert terminal.ends() == -number
        assert terminal.text.endswith("\x1b[?25h\x1b[?1049l")
        assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_it_can_be_stopped_and_goes_on(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program, Terminal(program.pid) as terminal:
        pid = terminal.process.pid
        terminal.see("sorted by")
        os.kill(pid, signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        terminal.see(re.escape("\x1b[?25h\x1b[?1049l") + "$")
        assert termios.tcgetattr(terminal.theirs) == terminal.before
        os.kill(pid, signal.SIGCONT)
        terminal.see(re.escape("\x1b[?1049h\x1b[?25l") + ".*sorted by")
        assert termios.tcgetattr(terminal.theirs) != terminal.before
        # A second time as well.
        os.kill(pid, signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        os.kill(pid, signal.SIGCONT)
        terminal.press("q")
        assert terminal.ends() == 0
        assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_keys_are_obeyed_while_the_program_does_not_answer(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program, Terminal(program.pid) as terminal:
        terminal.see("sorted by longest wait")
        os.kill(program.pid, signal.SIGSTOP)
        try:
            terminal.see("NO ANSWER for 3")
            # It is being asked now; the answer would take seconds.
            terminal.press("n")
            terminal.see("sorted by name  NO ANSWER for 3")
            # Longer than one question takes.
            terminal.see("NO ANSWER for 7")
        finally:
            os.kill(program.pid, signal.SIGCONT)
        terminal.see(r"sorted by name\x1b")
        os.kill(program.pid, signal.SIGSTOP)
        terminal.see("NO ANSWER")
        terminal.press("q")
        assert terminal.ends() == 0
        os.kill(program.pid, signal.SIGCONT)


def test_the_end_of_the_terminal_is_its_end(tmp_path: Path) -> None:
    with Program(tmp_path, ABBA) as program:
        terminal = Terminal(program.pid)
        terminal.see("sorted by")
        os.close(terminal.theirs)
        os.close(terminal.ours)
        assert terminal.process.wait(LIMIT) in (0, 1)
