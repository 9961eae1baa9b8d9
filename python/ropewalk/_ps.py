"""`ropewalk ps` and `ropewalk stacks`: who waits for what in a running program."""

from __future__ import annotations

import json
import shutil
import sys

from ropewalk import _remote, _snapshot, _tables
from ropewalk._output import complain, flush, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ropewalk._snapshot import Snapshot, ThreadInfo

# So many things are shown that were waited for, and so many where there is little room.
_THINGS = 10
_FEW_THINGS = 5
# So many lines about threads are shown at least.
_ROWS = 5


def program_line(pid: int) -> str:
    """Return the line about a program in a list of programs."""
    return f"{pid:>8}  {_tables.clean(_remote.command(pid))}"


def list_programs(*, as_json: bool = False) -> int:
    """Show the programs of this user that can be asked."""
    pids = _remote.pids()
    if as_json:
        say(json.dumps([{"pid": pid, "command": _remote.command(pid)} for pid in pids]))
        return 0
    if not pids:
        say("no program of yours runs under Ropewalk")
    for pid in pids:
        say(program_line(pid))
    return 0


def ps(pid: int, *, as_json: bool = False, all_of_them: bool = False) -> int:
    """Show all threads of a program, and what each waits for; on a terminal one screen of it."""
    snapshot = _remote.snapshot(pid)
    if as_json:
        say(json.dumps(_snapshot.as_dict(snapshot), indent=1))
        return 0
    size = shutil.get_terminal_size()
    lines = list(table(snapshot, _remote.command(pid), size.columns))
    is_screen = sys.stdout is not None and sys.stdout.isatty()
    # The last line is that of the shell.
    if is_screen and not all_of_them and _height(lines, size.columns) >= size.lines:
        lines = one_screen(snapshot, _remote.command(pid), size.columns, size.lines - 1)
    for line in lines:
        say(line)
    return 0


def table(snapshot: Snapshot, command: str, width: int) -> Iterator[str]:
    """Yield the lines of `ropewalk ps PID`."""
    yield from _head(snapshot, command, width)
    for thread in snapshot.threads:
        yield _tables.thread_row(snapshot, thread, width)
    yield from _rest(snapshot, width, _THINGS)


def one_screen(snapshot: Snapshot, command: str, width: int, height: int) -> list[str]:
    """Return the lines of `table` that matter most, with threads alike in one line."""
    # A command line, or the names in a deadlock, may go on in a second line.
    head = [_tables.cut(line, 2 * width) for line in _head(snapshot, command, width)]
    rest = [_tables.cut(line, 2 * width) for line in _rest(snapshot, width, _FEW_THINGS)]
    room = max(height - _height(head + rest, width), _ROWS)
    groups = _tables.groups(snapshot)
    if len(groups) <= room:
        shown, left_out = groups, 0
    else:
        shown = groups[: room - 1]
        left_out = sum(map(len, groups[room - 1 :]))
    rows = [_tables.group_row(snapshot, group, width) for group in shown]
    if left_out:
        more = f"... {left_out} more threads; `ropewalk ps {snapshot.pid} --all` shows each"
        rows.append(_tables.cut(more, width))
    return [*head, *rows, *rest]


def _height(lines: list[str], width: int) -> int:
    """Return how many lines of a terminal they take."""
    return sum(max(-(-_tables.width_of(line) // width), 1) for line in lines)


def _head(snapshot: Snapshot, command: str, width: int) -> Iterator[str]:
    yield f"process {snapshot.pid}: {_tables.clean(command)}"
    yield ""
    yield _tables.thread_header(width)


def _rest(snapshot: Snapshot, width: int, most: int) -> Iterator[str]:
    """Yield what comes below the threads."""
    if snapshot.starting:
        yield f"{snapshot.starting} more are about to start"
    for deadlock in snapshot.deadlocks:
        yield ""
        yield _tables.deadlock_line(snapshot, deadlock)
    things = [each for each in snapshot.objects if each.waits.number][:most]
    if things:
        yield ""
        yield _tables.thing_header(width)
        for each in things:
            yield _tables.thing_row(each, width)
    if snapshot.pools:
        yield ""
        yield _tables.pool_header(width)
        for pool in snapshot.pools[:most]:
            yield _tables.pool_row(pool, width)


def stacks(pid: int, *, as_json: bool = False) -> int:
    """Show the Python stacks of all threads, and what each waits for."""
    snapshot = _remote.snapshot(pid)
    problem = ""
    found: dict[int, _remote.Stack] = {}
    try:
        found = _remote.stacks(pid)
    except _remote.Busy as busy:
        # What does not need Python is told all the same.
        problem = str(busy)
    if as_json:
        answer = {
            "snapshot": _snapshot.as_dict(snapshot),
            "stacks": {str(ident): stack for ident, stack in found.items()},
            "problem": problem,
        }
        say(json.dumps(answer, indent=1))
        return 1 if problem else 0
    say(f"process {pid}: {_tables.clean(_remote.command(pid))}")
    for thread in with_strangers(snapshot, found):
        for line in thread_lines(snapshot, thread, found.get(thread.ident)):
            say(line)
    for deadlock in snapshot.deadlocks:
        say(f"\n{_tables.deadlock_line(snapshot, deadlock)}")
    if problem:
        flush()
        complain(f"ropewalk: {problem}")
        return 1
    return 0


def with_strangers(snapshot: Snapshot, found: Mapping[int, _remote.Stack]) -> Iterator[ThreadInfo]:
    """Yield all threads, and those of which there is nothing but a stack of the program's."""
    yield from snapshot.threads
    for ident, stack in found.items():
        if stack and snapshot.thread(ident) is None:
            yield _snapshot.stranger(snapshot, ident)


def thread_lines(
    snapshot: Snapshot, thread: ThreadInfo, stack: _remote.Stack | None
) -> Iterator[str]:
    """Yield the lines about one thread: its state, what it holds, and its stack."""
    yield ""
    yield _tables.clean(f"Thread {_tables.thread_name(thread)!r}: {doing(snapshot, thread)}")
    for object_id in thread.holds:
        held = snapshot.object(object_id)
        if held is not None:
            waiters = [_tables.thread_name(snapshot.thread(ident), ident) for ident in held.waiters]
            for_whom = f", for which {', '.join(waiters)} wait" if len(waiters) > 1 else ""
            for_whom = f", for which {waiters[0]} waits" if len(waiters) == 1 else for_whom
            yield _tables.clean(f"  holds {held.title}{for_whom}")
    for file, line, function, source in stack or ():
        if line == 0:
            yield f"  {_tables.clean(function)}"
            continue
        yield _tables.clean(f'  File "{file}", line {line}, in {function}')
        if source:
            yield _tables.clean(f"    {source}")


def doing(snapshot: Snapshot, thread: ThreadInfo) -> str:
    """Return what a thread does, as a sentence goes on."""
    wait = thread.waits_for
    if wait is None:
        return thread.state
    what = _tables.title(wait)
    if _snapshot.blocked_on(thread) is None:
        goes_on = "is about to go on" if thread.state == "woken" else "waits for the GIL"
        return f"{_tables.woken_for(thread, wait)} {what}, {goes_on}"
    holder = _tables.held_by(snapshot, wait)
    held = f", held by {holder}" if holder else ""
    limit = (
        "" if wait.remaining is None else f", for {_tables.seconds(wait.remaining)} more at most"
    )
    return f"waits for {what}{held}, since {_tables.seconds(wait.waited)}{limit}"
