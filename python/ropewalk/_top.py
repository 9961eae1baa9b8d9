"""`ropewalk top`: a program's threads and what they wait for, live.

What a program counts is asked for once a second; what is shown are the differences between two
answers. It is asked by a thread, so that keys are obeyed while there is no answer.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time

from ropewalk import _output, _remote, _screen, _tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ropewalk._snapshot import ObjectInfo, Snapshot, ThreadInfo

SORTS = {
    "w": "longest wait",
    "n": "name",
    "c": "time on a core",
}
_HELP = "q quit  w/n/c sort  i hide those that do nothing  t things  p pause"


class View:
    """What is shown, and how."""

    def __init__(self) -> None:
        self.sort = "w"
        self.hide_idle = False
        self.things = True
        self.paused = False
        self.note = ""

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
            return (*first, -_tables.waited(thread))

        return sorted(
            (t for t in snapshot.threads if not (self.hide_idle and t.state == "idle")), key=key
        )


def _since(now: Snapshot, before: Snapshot | None) -> Iterator[tuple[ObjectInfo, int, float]]:
    """Yield the things with their waits and seconds waited since the last look, most first."""
    old = {each.object_id: each for each in before.objects} if before else {}
    rows = []
    for each in now.objects:
        known = old.get(each.object_id)
        if known is None or not _is_same(each, known):
            waits, total = each.waits.number, each.waits.total
        else:
            waits = each.waits.number - known.waits.number
            total = each.waits.total - known.waits.total
        if waits or each.waiters or each.depth:
            rows.append((each, waits, total))
    rows.sort(key=lambda row: (-len(row[0].waiters), -row[2]))
    yield from rows


def _is_same(now: ObjectInfo, before: ObjectInfo) -> bool:
    """Whether two looks saw one thing, and not another one that has got its identity since.

    How often and how long it was waited for never gets less.
    """
    return (
        (now.kind, now.made_at) == (before.kind, before.made_at)
        and now.waits.number >= before.waits.number
        and now.waits.total >= before.waits.total
    )


def page(
    snapshot: Snapshot, before: Snapshot | None, seconds: float, command: str, view: View
) -> list[tuple[str, str]]:
    """Return the lines of one page, each with its style."""
    size = shutil.get_terminal_size()
    width = size.columns
    red = _screen.alarming()
    blocked = sum(thread.state == "blocked" for thread in snapshot.threads)
    head = f"process {snapshot.pid}  {len(snapshot.threads)} threads, {blocked} blocked  "
    head += f"sorted by {SORTS[view.sort]}{'  PAUSED' if view.paused else ''}{view.note}"
    lines = [("", head), ("", _tables.clean(command)), ("", _HELP)]
    lines += [(red, _tables.deadlock_line(snapshot, each)) for each in snapshot.deadlocks]
    header = _tables.fit(_tables.thread_header(width), width)
    lines += [("", ""), (_screen.REVERSE, header)]
    lost = _tables.in_deadlock(snapshot)
    room = size.lines - len(lines) - 2
    threads = view.threads(snapshot)
    most = max(room - (8 if view.things else 0), 3)
    for thread in threads[:most]:
        style = red if thread.ident in lost else ""
        lines.append((style, _tables.thread_row(snapshot, thread, width)))
    if len(threads) > most:
        lines.append(("", f"... {len(threads) - most} more threads"))
    if view.things:
        header = _thing_row("WAITED FOR", "WAITERS", "DEPTH", "WAITS/s", "p50", "p99", width)
        lines += [("", ""), (_screen.REVERSE, _tables.fit(header, width))]
        for each, waits, _ in _since(snapshot, before):
            rate = f"{waits / seconds:.0f}" if before else ""
            depth = "" if each.depth is None else str(each.depth)
            times = ("", "")
            if each.waits.number:
                times = (_tables.seconds(each.waits.p50), _tables.seconds(each.waits.p99))
            row = (_tables.thing(each), str(len(each.waiters)), depth, rate, *times, width)
            lines.append(("", _thing_row(*row)))
    return lines


def _thing_row(
    name: str, waiters: str, depth: str, rate: str, p50: str, p99: str, width: int
) -> str:
    cells = "".join(cell.rjust(9) for cell in (waiters, depth, rate, p50, p99))
    return _tables.fit(name, max(width - len(cells), 16)) + cells


class _Asker:
    """Asks a program in a thread of its own."""

    def __init__(self, pid: int, tell: Callable[[], None]) -> None:
        self._pid = pid
        self._tell = tell
        self._wanted = threading.Event()
        self._answer: Snapshot | Exception | None = None
        self.busy = False
        # The process does not wait for it at the end.
        threading.Thread(target=self._run, daemon=True).start()

    def ask(self) -> None:
        """Have it ask once more."""
        self.busy = True
        self._wanted.set()

    def answer(self) -> Snapshot | None:
        """Return the answer, once, if it has come.

        Raises:
            NotReachable: there will be none.
        """
        answer, self._answer = self._answer, None
        if isinstance(answer, _remote.Silent):
            # It may be stopped, and go on later.
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                self._answer = _remote.snapshot(self._pid)
            # The main thread raises it.
            except Exception as error:
                self._answer = error
            self.busy = False
            self._tell()


def top(pid: int, *, interval: float = 1.0) -> int:
    """Show a program until `q` is pressed or it ends.

    Returns:
        The exit code: 2 without a terminal.
    """
    lacking = _screen.why_not()
    if lacking:
        _output.complain(f"ropewalk: top needs {lacking}; `ropewalk ps` does not")
        return 2
    snapshot = _remote.snapshot(pid)
    try:
        with _screen.Screen() as screen:
            _show(screen, pid, snapshot, interval)
    except (KeyboardInterrupt, EOFError):
        pass
    except _screen.Ended as signalled:
        # As if it had never been caught.
        signal.signal(signalled.number, signal.SIG_DFL)
        os.kill(os.getpid(), signalled.number)
    except _remote.NotReachable as error:
        _output.say(str(error))
    return 0


def _show(screen: _screen.Screen, pid: int, snapshot: Snapshot, interval: float) -> None:
    """Show one page after the other until `q` is pressed."""
    view = View()
    asker = _Asker(pid, screen.wake)
    command = _remote.command(pid)
    before: Snapshot | None = None
    passed = interval
    looked = heard = time.monotonic()
    while True:
        screen.show(page(snapshot, before, passed, command, view))
        rest = looked + interval - time.monotonic()
        if not view.press(screen.key(rest if rest > 0 else interval)):
            return
        now = time.monotonic()
        if view.paused:
            heard = now
        if (answer := asker.answer()) is not None:
            before, snapshot = snapshot, answer
            passed, looked, heard = now - looked, now, now
        elif now - looked >= interval and not (view.paused or asker.busy):
            asker.ask()
        silent = now - heard
        view.note = f"  NO ANSWER for {_tables.seconds(silent)}" if silent >= 3 * interval else ""
