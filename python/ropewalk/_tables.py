"""How threads and what they wait for are shown in a terminal."""

from __future__ import annotations

import itertools
import unicodedata

from ropewalk import _snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ropewalk._snapshot import Deadlock, ObjectInfo, PoolInfo, Snapshot, ThreadInfo, Wait

# Other characters could move the cursor, or more: names come from the program.
_UNPRINTABLE = "\ufffd"


def clean(text: str) -> str:
    """Return the text without what a terminal would obey."""
    return "".join(each if each.isprintable() else _UNPRINTABLE for each in text)


def width_of(text: str) -> int:
    """Return how many columns a text takes: two for East Asian letters, none for accents."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


# So much of a text's end is kept: names that programs make differ there.
_END = 5


def fit(text: str, width: int) -> str:
    """Return the text padded to `width` columns, or with as much of its middle cut out."""
    text = clean(text)
    end = text[-_END:]
    if width_of(text) > width >= 2 * width_of(end):
        text = cut(text, width - width_of(end)) + end
    text = cut(text, width)
    return text + " " * (width - width_of(text))


def cut(text: str, width: int) -> str:
    """Return the text, or as much of it as fits into `width` columns."""
    if width_of(text) <= width:
        return text
    room = width - 1
    for at, letter in enumerate(text):
        room -= _columns(letter)
        if room < 0:
            return f"{text[:at]}…" if width > 0 else ""
    return text


def seconds(value: float) -> str:
    """Return a duration in at most seven characters."""
    if value < 0.001:
        return f"{value * 1e6:.0f} us"
    if value < 1:
        return f"{value * 1e3:.0f} ms"
    if value < 100:
        return f"{value:.1f} s"
    if value < 6000:
        return f"{value / 60:.0f} min"
    return f"{value / 3600:.0f} h"


def short(place: str | None) -> str:
    """Return `file:line` without the folders."""
    return (place or "").rpartition("/")[2]


def thread_name(thread: ThreadInfo | None, ident: int = 0) -> str:
    """Return a thread's name, or a number."""
    if thread is None:
        return f"thread {ident:#x}"
    return thread.name or f"thread {thread.native_id or hex(thread.ident)}"


def thing(each: ObjectInfo | Wait) -> str:
    """Return what a thing is called in a table: its kind, and its name or its line."""
    if each.kind == "Thread":
        return f"end of {each.name!r}" if each.name else "the end of a thread"
    if each.kind == "Future" and each.name:
        return f"future of {each.name.rpartition(', ')[0]!r}"
    if each.kind == "futures" and each.name:
        return f"futures ({each.name})"
    if each.kind == "submit" and each.name:
        return f"place in pool {each.name!r}"
    if each.name:
        return f"{each.kind} {each.name!r}"
    if _snapshot.is_start(each.kind, each.made_at):
        return "start of a thread"
    return f"{each.kind} {short(each.made_at) or hex(each.object_id)}"


def title(wait: Wait) -> str:
    """Return what a thread waits for, in full."""
    return _snapshot.title(wait.kind, wait.name, wait.made_at, wait.object_id)


def held_by(snapshot: Snapshot, wait: Wait) -> str:
    """Return who can end a wait, where that is one known thread."""
    if wait.owner is None or wait.kind == "Thread":
        return ""
    return thread_name(snapshot.thread(wait.owner), wait.owner)


def woken_for(thread: ThreadInfo, wait: Wait) -> str:
    """Return what precedes the name of what a woken thread waited for."""
    return "got" if wait.owner == thread.ident else "woken for"


def waited(thread: ThreadInfo) -> float:
    """Return for how long a thread has waited; less than 0 if it does not wait."""
    wait = _snapshot.blocked_on(thread)
    return wait.waited if wait else -1.0


def state(thread: ThreadInfo) -> str:
    """Return what a thread does, in one or two words."""
    known = {
        "waiting for the GIL": "wants GIL",
        "in a system call": "syscall",
        "in a foreign lock": "foreign",
    }
    return known.get(thread.state, thread.state)


def in_deadlock(snapshot: Snapshot) -> set[int]:
    """Return the idents of all threads that wait for each other."""
    return {ident for deadlock in snapshot.deadlocks for ident in deadlock.idents}


def deadlock_line(snapshot: Snapshot, deadlock: Deadlock) -> str:
    """Return one line about threads that wait for each other."""
    names = [thread_name(snapshot.thread(ident), ident) for ident in deadlock.idents]
    what = "deadlock" if deadlock.certain else "possible deadlock"
    if not deadlock.cycle:
        return f"{what}: all threads wait, and none is left to wake them"
    return clean(f"{what}: {' -> '.join([*names, names[0]])}")


_STATE = 9
_SINCE = 7


def thread_header(width: int) -> str:
    """Return the line above `thread_row`s."""
    return _row("THREAD", "STATE", "SINCE", "WAITS FOR", "HELD BY", width)


def thread_row(snapshot: Snapshot, thread: ThreadInfo, width: int) -> str:
    """Return a line about a thread: what it does, or waits for, and who holds that."""
    wait = _snapshot.blocked_on(thread)
    name = thread_name(thread)
    if wait is not None:
        since = seconds(wait.waited)
        return _row(name, state(thread), since, thing(wait), held_by(snapshot, wait), width)
    over = thread.waits_for
    woken = f"{woken_for(thread, over)} {thing(over)}" if over else ""
    return _row(name, state(thread), "", woken, "", width)


def groups(snapshot: Snapshot) -> list[list[ThreadInfo]]:
    """Return the threads by interest, those together that wait for the same or do the same.

    First come those in a deadlock, each by itself, then those that are blocked, the longest first.
    """
    lost = in_deadlock(snapshot)
    found: dict[tuple[object, ...], list[ThreadInfo]] = {}
    for thread in snapshot.threads:
        wait = thread.waits_for
        key: tuple[object, ...] = (thread.state,)
        if thread.ident in lost or thread.is_main:
            key = (thread.native_id, thread.ident)
        elif wait is not None:
            key = (thread.state, wait.kind, wait.object_id, wait.owner == thread.ident)
        found.setdefault(key, []).append(thread)
    return sorted(found.values(), key=lambda group: (group[0].ident not in lost, -_longest(group)))


def _longest(group: list[ThreadInfo]) -> float:
    return max(map(waited, group))


def group_row(snapshot: Snapshot, group: list[ThreadInfo], width: int) -> str:
    """Return a line about threads that are alike; `thread_row` if it is one."""
    first = max(group, key=waited)
    if len(group) == 1:
        return thread_row(snapshot, first, width)
    names = [thread_name(thread) for thread in group]
    # What the first and the last one in the alphabet have in common, all have.
    ends = zip(min(names), max(names), strict=False)
    common = "".join(one for one, _ in itertools.takewhile(lambda both: both[0] == both[1], ends))
    return thread_row(snapshot, first._replace(name=f"{len(group)} x {common}*"), width)


def _row(name: str, what: str, since: str, waits_for: str, holder: str, width: int) -> str:
    free = max(width - _STATE - _SINCE - 4, 30)
    first, last = free * 3 // 10, free * 3 // 10
    middle = free - first - last
    cells = (fit(name, first), fit(what, _STATE), since.rjust(_SINCE), fit(waits_for, middle))
    return cut(f"{' '.join(cells)} {fit(holder, last)}".rstrip(), width)


def thing_header(width: int) -> str:
    """Return the line above `thing_row`s."""
    return _thing_row("WAITED FOR", ("WAITS", "TOTAL", "p50", "p99", "LONGEST"), width)


def thing_row(each: ObjectInfo, width: int) -> str:
    """Return a line about a thing: how often and how long it was waited for."""
    waits = each.waits
    times = (waits.total, waits.p50, waits.p99, waits.longest)
    return _thing_row(thing(each), (str(waits.number), *map(seconds, times)), width)


def pool_header(width: int) -> str:
    """Return the line above `pool_row`s."""
    return _thing_row("POOL", ("THREADS", "BUSY", "QUEUED", "AT MOST", "TASKS"), width)


def pool_row(pool: PoolInfo, width: int) -> str:
    """Return a line about a thread pool: its threads, and what it has to do and has done."""
    threads = f"{pool.threads}/{pool.max_workers}"
    numbers = (pool.busy, pool.queued, pool.queued_peak, pool.tasks)
    return _thing_row(pool.name, (threads, *map(str, numbers)), width)


def _thing_row(name: str, cells: Sequence[str], width: int) -> str:
    first = max(width - 9 * len(cells), 16)
    return cut(fit(name, first) + "".join(cell.rjust(9) for cell in cells), width)
