"""`ropewalk top`: a program's threads and what they wait for, live.

Plain ANSI sequences and the standard library: it works over ssh, in 80 columns, and leaves the
terminal as it was. What a program counts is asked for once a second; what is shown in `top` are
the differences between two answers.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import time
import tty

from ropewalk import _remote, _tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ropewalk._snapshot import ObjectInfo, Snapshot, ThreadInfo

_RED, _REVERSE, _PLAIN = "\x1b[31m", "\x1b[7m", "\x1b[0m"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"

SORTS = {
    "w": "longest wait",
    "n": "name",
    "c": "time on a core",
}
_HELP = "q quit  w/n/c sort  i hide those that do nothing  t things  p pause"


class Screen:
    """The terminal, for as long as it shows us."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno()
        self._saved: list[object] = []

    def __enter__(self) -> Screen:
        self._saved = termios.tcgetattr(self._input)
        tty.setcbreak(self._input)
        self.write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]
        self.write(_LEAVE)

    @staticmethod
    def write(text: str) -> None:
        """Write and flush."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def show(self, lines: list[str]) -> None:
        """Draw one page over the last one."""
        height = shutil.get_terminal_size().lines
        page = "\n".join(f"{line}{_PLAIN}{_REST_OF_LINE}" for line in lines[: height - 1])
        self.write(f"{_HOME}{page}\n{_REST_OF_SCREEN}")

    def key(self, limit: float) -> str:
        """Return the key that is pressed within `limit` seconds, or an empty string."""
        ready, _, _ = select.select([self._input], [], [], limit)
        return os.read(self._input, 16).decode(errors="replace")[:1] if ready else ""


class View:
    """What is shown, and how."""

    def __init__(self) -> None:
        self.sort = "w"
        self.hide_idle = False
        self.things = True
        self.paused = False

    def press(self, key: str) -> bool:
        """Obey a key; False if it was the one that ends."""
        if key in SORTS:
            self.sort = key
        elif key == "i":
            self.hide_idle = not self.hide_idle
        elif key == "t":
            self.things = not self.things
        elif key == "p":
            self.paused = not self.paused
        return key != "q"

    def threads(self, snapshot: Snapshot) -> list[ThreadInfo]:
        """Return the threads to be shown, in the order wanted; those in a deadlock first."""
        lost = _tables.in_deadlock(snapshot)

        def key(thread: ThreadInfo) -> tuple[object, ...]:
            first = (thread.ident not in lost,)
            if self.sort == "n":
                return (*first, _tables.thread_name(thread))
            if self.sort == "c":
                return (*first, -(thread.ran or 0.0))
            waited = thread.waits_for.waited if thread.waits_for else -1.0
            return (*first, -waited)

        return sorted(
            (t for t in snapshot.threads if not (self.hide_idle and t.state == "idle")), key=key
        )


def _since(now: Snapshot, before: Snapshot | None) -> Iterator[tuple[ObjectInfo, int, float]]:
    """Yield the things with their waits and seconds waited since the last look, most first."""
    old = {each.object_id: each for each in before.objects} if before else {}
    rows = []
    for each in now.objects:
        known = old.get(each.object_id)
        waits = each.waits.number - (known.waits.number if known else 0)
        total = each.waits.total - (known.waits.total if known else 0.0)
        if waits or each.waiters or each.depth:
            rows.append((each, waits, total))
    rows.sort(key=lambda row: (-len(row[0].waiters), -row[2]))
    yield from rows


def page(
    snapshot: Snapshot, before: Snapshot | None, seconds: float, command: str, view: View
) -> list[str]:
    """Return the lines of one page."""
    width = shutil.get_terminal_size().columns
    blocked = sum(thread.waits_for is not None for thread in snapshot.threads)
    head = f"process {snapshot.pid}  {len(snapshot.threads)} threads, {blocked} blocked  "
    head += f"sorted by {SORTS[view.sort]}{'  PAUSED' if view.paused else ''}"
    lines = [_tables.fit(head, width), _tables.fit(command, width), _tables.fit(_HELP, width)]
    lines += [
        f"{_RED}{_tables.fit(_tables.deadlock_line(snapshot, each), width)}"
        for each in snapshot.deadlocks
    ]
    lines += ["", f"{_REVERSE}{_tables.fit(_tables.thread_header(width), width)}"]
    lost = _tables.in_deadlock(snapshot)
    room = shutil.get_terminal_size().lines - len(lines) - 2
    threads = view.threads(snapshot)
    most = max(room - (8 if view.things else 0), 3)
    for thread in threads[:most]:
        color = _RED if thread.ident in lost else ""
        lines.append(f"{color}{_tables.thread_row(snapshot, thread, width)}")
    if len(threads) > most:
        lines.append(f"... {len(threads) - most} more threads")
    if view.things:
        header = _thing_row("WAITED FOR", "WAITERS", "DEPTH", "WAITS/s", "p50", "p99", width)
        lines += ["", f"{_REVERSE}{_tables.fit(header, width)}"]
        for each, waits, _ in _since(snapshot, before):
            rate = f"{waits / seconds:.0f}" if before else ""
            depth = "" if each.depth is None else str(each.depth)
            times = ("", "")
            if each.waits.number:
                times = (_tables.seconds(each.waits.p50), _tables.seconds(each.waits.p99))
            name = _tables.thing(each)
            lines.append(_thing_row(name, str(len(each.waiters)), depth, rate, *times, width))
    return lines


def _thing_row(
    name: str, waiters: str, depth: str, rate: str, p50: str, p99: str, width: int
) -> str:
    cells = "".join(cell.rjust(9) for cell in (waiters, depth, rate, p50, p99))
    return _tables.fit(name, max(width - len(cells), 16)) + cells


def top(pid: int, *, interval: float = 1.0) -> int:
    """Show a program until `q` is pressed or it ends.

    Returns:
        The exit code: 2 without a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        sys.stderr.write("ropewalk: top needs a terminal; `ropewalk ps` does not\n")
        return 2
    before, snapshot = None, _remote.snapshot(pid)
    looked = time.monotonic()
    passed = interval
    command = _remote.command(pid)
    view = View()
    ended = ""
    try:
        with Screen() as screen:
            while True:
                screen.show(page(snapshot, before, passed, command, view))
                key = screen.key(interval)
                if not view.press(key):
                    break
                now = time.monotonic()
                if not view.paused and now - looked >= interval:
                    before, snapshot = snapshot, _remote.snapshot(pid)
                    passed, looked = now - looked, now
    except KeyboardInterrupt:
        pass
    except _remote.NotReachable as error:
        ended = str(error)
    if ended:
        sys.stdout.write(f"{ended}\n")
    return 0
