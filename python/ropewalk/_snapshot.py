"""The types of `ropewalk.inspect`, and how they are read from the extension's rows.

They are named tuples, as ten thousand of them are made at once. The order of the fields is that of
the columns in `crates/ropewalk/src/insight/json.rs`.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_FORM = 2
_Row = TypeVar("_Row", bound="ThreadInfo | ObjectInfo")


class Waited(NamedTuple):
    """How often and how long a thread waited for things of one kind.

    Attributes:
        kind: what they are, such as `Lock` or `Queue.get`.
        waits: how many waits are over.
        total: their sum in seconds.
    """

    kind: str
    waits: int
    total: float


class Wait(NamedTuple):
    """A wait that goes on.

    Attributes:
        object_id: the identity of what is waited for, `ObjectInfo.object_id`.
        kind: what it is, such as `Lock` or `Queue.get`.
        name: its name, if it was given one; of a thread that is joined, the thread's.
        made_at: where it was made, as `file:line`.
        owner: the ident of the thread that can end the wait, where that is one known thread; the
            waiter's own if it was woken and has got what it waited for.
        waited: for how long, in seconds.
        remaining: after how many more seconds it gives up; None for never.
    """

    object_id: int
    kind: str
    name: str | None
    made_at: str | None
    owner: int | None
    waited: float
    remaining: float | None


class ThreadInfo(NamedTuple):
    """A thread, and what it does.

    Attributes:
        ident: as `threading.get_ident()` gives it; 0 for one that never waited for anything of
            Ropewalk's, unless it is known by a lock that it holds.
        name: its name, if it has one.
        native_id: the kernel's number for it; 0 if only its ident is known.
        is_main: whether the process began with it.
        state: `running`, `blocked`, `waiting for the GIL`, `asleep`, `in a system call`,
            `in a foreign lock`, `woken`, `idle` (a thread of Ropewalk's own without work),
            `ending` or `unknown`.
        waits_for: what it waits for, when it is `blocked`; what it waited for until it was woken,
            when it is `woken` or `waiting for the GIL` after a wait, and does not wait for that
            any more.
        holds: the identities of what it holds, of those things that were ever waited for.
        age: for how many seconds Ropewalk has known it.
        ran: for how many seconds it has run on a core, where the kernel says so.
        waited: what it waited for until now.
        waited_for_gil: how many seconds of these it waited for the GIL after it was woken; measured
            for `--report` and `--trace`, and 0 without them.
    """

    ident: int
    name: str | None
    native_id: int
    is_main: bool
    state: str
    waits_for: Wait | None
    holds: Sequence[int]
    age: float
    ran: float | None
    waited: Sequence[Waited]
    waited_for_gil: float


class Waits(NamedTuple):
    """How often and how long something was waited for: waits that are over.

    Attributes:
        number: how many there were.
        total: their sum in seconds.
        longest: the longest.
        p50: half of them were shorter, within a factor of two.
        p99: 99 of 100 were shorter, within a factor of two.
    """

    number: int
    total: float
    longest: float
    p50: float
    p99: float


class ObjectInfo(NamedTuple):
    """A thing that was waited for, or was named.

    Attributes:
        object_id: its identity for as long as it exists.
        kind: what it is, such as `Lock`; a queue is up to three, with the name of its class:
            `Queue.get`, `Queue.put` and `Queue.join`, or `LifoQueue.get` ...
        name: its name, if it was given one.
        made_at: where it was made, as `file:line`.
        owner: the ident of the thread that holds it.
        waiters: the idents of the threads that wait for it.
        depth: how many items are in it, for `Queue.get` and the like; None as well once the program
            has touched what only CPython's queues have, as `queue`, or if its class overrides
            `_put` ...
        peak: the most that ever were in it, in the same way.
        waits: how often and how long it was waited for.
    """

    object_id: int
    kind: str
    name: str | None
    made_at: str | None
    owner: int | None
    waiters: Sequence[int]
    depth: int | None
    peak: int | None
    waits: Waits

    @property
    def title(self) -> str:
        """What reports call it: its name, or the line where it was made."""
        return title(self.kind, self.name, self.made_at, self.object_id)


class PoolInfo(NamedTuple):
    """A thread pool that was ever used, with threads of the core's.

    Attributes:
        name: its `thread_name_prefix`.
        number: 1; in reports, how many there were whose names differ in a number at the end.
        max_workers: how many threads it may have.
        threads: how many it has.
        busy: how many of them run a task.
        queued: how many tasks wait for their turn.
        threads_peak: the most threads that it ever had.
        queued_peak: the most tasks that ever waited.
        tasks: how many were begun.
        cancelled: how many were cancelled before they began.
        worked: for how many seconds its threads ran tasks, all together; measured for `--report`.
        idle: for how many seconds they had none.
    """

    name: str
    number: int
    max_workers: int
    threads: int
    busy: int
    queued: int
    threads_peak: int
    queued_peak: int
    tasks: int
    cancelled: int
    worked: float
    idle: float


class Deadlock(NamedTuple):
    """Threads that wait for each other.

    Attributes:
        certain: whether nothing can end it; otherwise another thread may release a lock.
        cycle: whether they wait in a circle; otherwise they are all threads of the program.
        idents: the threads; in a cycle each waits for what the next one holds.
    """

    certain: bool
    cycle: bool
    idents: Sequence[int]


class _Rows(tuple[_Row, ...]):
    """Rows that are found by their first column without looking at all others each time."""

    _index: dict[int, _Row]

    @classmethod
    def of(cls, rows: Sequence[_Row]) -> _Rows[_Row]:
        """Return them, if they are none yet."""
        return rows if isinstance(rows, _Rows) else cls(rows)

    def find(self, key: int) -> _Row | None:
        """Return the first one with this in its first column."""
        try:
            index = self._index
        except AttributeError:
            index = self._index = {row[0]: row for row in reversed(self)}
        return index.get(key)


class Snapshot(NamedTuple):
    """Who waits for what, at one moment.

    Attributes:
        pid: the process.
        starting: how many threads were started and have not begun.
        threads: all threads, the main one first.
        objects: everything that was ever waited for, the most waited for first.
        deadlocks: threads that wait for each other.
        pools: the thread pools that were ever used.
    """

    pid: int
    starting: int
    threads: Sequence[ThreadInfo]
    objects: Sequence[ObjectInfo]
    deadlocks: Sequence[Deadlock]
    pools: Sequence[PoolInfo]

    def thread(self, ident: int) -> ThreadInfo | None:
        """Return the thread with this ident, if there is one."""
        return _Rows.of(self.threads).find(ident)

    def object(self, object_id: int) -> ObjectInfo | None:
        """Return the thing with this identity, if there is one."""
        return _Rows.of(self.objects).find(object_id)


def title(kind: str, name: str | None, made_at: str | None, object_id: int) -> str:
    """Return what a thing is called in reports."""
    if kind == "Thread":
        return f"the end of thread {name!r}" if name else "the end of a thread"
    if kind == "Future" and name:
        pool, _, state = name.rpartition(", ")
        return f"a {state} future of pool {pool!r}"
    if kind == "futures" and name:
        # How many of how many, which is no name.
        return f"futures ({name})"
    if kind == "submit" and name:
        return f"a place in the queue of pool {name!r}"
    if name:
        return f"{kind} {name!r}"
    if is_start(kind, made_at):
        return "the start of a thread"
    return f"{kind} made at {made_at}" if made_at else f"{kind} at {object_id:#x}"


def blocked_on(thread: ThreadInfo) -> Wait | None:
    """Return what a thread waits for; None if it does not, or was woken."""
    return thread.waits_for if thread.state == "blocked" else None


def is_start(kind: str, made_at: str | None) -> bool:
    """Whether it is what `Thread.start` waits for: the one event without a line of its own."""
    return kind == "Event" and made_at is None


def stranger(snapshot: Snapshot, ident: int) -> ThreadInfo:
    """Return what is known of a thread that Python or a lock knows, and the snapshot does not."""
    holds = tuple(
        each.object_id for each in snapshot.objects if each.owner == ident and each.kind != "Thread"
    )
    return ThreadInfo(ident, None, 0, False, "unknown", None, holds, 0.0, None, (), 0.0)


class UnknownForm(Exception):
    """The snapshot was made by a version of Ropewalk that writes them differently."""


def read(data: dict[str, Any]) -> Snapshot:
    """Give the columns their names, of what the extension, here or in another process, tells.

    Raises:
        UnknownForm: by another version, in a way that this one does not know.
    """
    if data.get("form") != _FORM:
        raise UnknownForm("the program runs another version of Ropewalk")
    return Snapshot(
        data["pid"],
        data["starting"],
        _Rows(map(_thread, data["threads"])),
        _Rows(map(_object, data["objects"])),
        tuple(map(Deadlock._make, data["deadlocks"])),
        tuple(map(PoolInfo._make, data["pools"])),
    )


def _thread(row: Sequence[Any]) -> ThreadInfo:
    *head, wait, holds, age, ran, waited, waited_for_gil = row
    wait = None if wait is None else Wait._make(wait)
    waited = tuple(map(Waited._make, waited))
    return ThreadInfo._make((*head, wait, holds, age, ran, waited, waited_for_gil))


def _object(row: Sequence[Any]) -> ObjectInfo:
    *head, waits = row
    return ObjectInfo._make((*head, Waits._make(waits)))


def as_dict(snapshot: Snapshot) -> Mapping[str, object]:
    """Return the whole snapshot as dicts and lists, for JSON that explains itself."""

    def thread(each: ThreadInfo) -> Mapping[str, object]:
        waits_for = each.waits_for._asdict() if each.waits_for else None
        waited = [kind._asdict() for kind in each.waited]
        return each._asdict() | {"waits_for": waits_for, "waited": waited}

    return snapshot._asdict() | {
        "threads": [thread(each) for each in snapshot.threads],
        "objects": [each._asdict() | {"waits": each.waits._asdict()} for each in snapshot.objects],
        "deadlocks": [each._asdict() for each in snapshot.deadlocks],
        "pools": [each._asdict() for each in snapshot.pools],
    }
