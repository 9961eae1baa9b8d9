"""The text of a deadlock: who waits for what, who holds it, and where.

Called by the extension, rarely: everything here may be slow, and nothing may fail. Where a thread
waits is its stack. Where it took a lock that it holds is not recorded, because that would cost
every acquire; it is found on the holder's stack: the innermost frame that is inside a `with` of
that lock, or below an `acquire()` of it that no `release()` has undone (`_taken.py`).
"""

from __future__ import annotations

import linecache
import sys
import traceback

from ropewalk._taken import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import TypedDict

    class Link(TypedDict):
        """One thread of a deadlock, as the extension tells it."""

        ident: int
        thread: str | None
        kind: str
        resource: int
        label: str | None
        made_at: str | None
        owner: int | None
        waited: float


_OURS = __file__.rpartition("_deadlock")[0]


def describe(links: list[Link], cycle: bool, certain: bool) -> str:
    """Return the message of a DeadlockError, or of a report of a suspected deadlock.

    The report is empty when what is suspected is a way to use a lock, after all.
    """
    frames = sys._current_frames()
    if cycle and not certain and len(links) == 1 and _is_message(links[0], frames):
        return ""
    names = {link["ident"]: _thread_name(link) for link in links}
    lines = [_headline(links, cycle, certain)]
    for link in links:
        lines += ["", f"Thread {names[link['ident']]}"]
        holder = link["owner"]
        # The end of a thread is that thread's to give: to say so again would tell nothing.
        named = holder if link["kind"] != "Thread" else None
        held = "run" if link["kind"] in _RUNS else "held"
        held_by = f", {held} by {_holder_name(named, names)}" if named else ""
        lines.append(f"  waits for {_resource(link)}{held_by}, since {_age(link['waited'])}:")
        lines += _stack(frames.get(link["ident"]))
        for other in links:
            if other["owner"] != link["ident"] or other["kind"] == "Thread":
                continue
            what = f"{_resource(other)}, which {names[other['ident']]} waits for"
            if other["kind"] in _RUNS:
                lines.append(f"  {_RUNS[other['kind']]} {what}")
                continue
            lines.append(f"  holds {what}:")
            lines += _holding_stack(frames.get(link["ident"]), other["resource"])
    return "\n".join(lines)


# What nobody takes: what a thread does with it whose end others wait for.
_RUNS = {"Future": "runs the task of", "Timer": "runs"}
# What a thread waits for that other threads of a pool would have to run.
_POOL_KINDS = {"Future", "futures", "submit"}


def _headline(links: list[Link], cycle: bool, certain: bool) -> str:
    count = len(links)
    if cycle and any(link["kind"] in _POOL_KINDS for link in links):
        who = "a thread waits" if count == 1 else f"{count} threads wait"
        what = f"{who} for tasks that nobody else could run"
    elif cycle and count == 1:
        what = "a thread waits for itself"
    elif cycle:
        what = f"{count} threads wait for each other"
    elif count == 1:
        what = "the only thread waits, and nothing is left that could wake it"
    else:
        what = f"all {count} threads wait, and nothing is left that could wake them"
    return what if certain else f"possible deadlock: {what}"


def _thread_name(link: Link) -> str:
    return repr(link["thread"]) if link["thread"] else f"{link['ident']:#x}"


def _holder_name(ident: int, names: dict[int, str]) -> str:
    return names.get(ident, f"thread {ident:#x}")


def _resource(link: Link) -> str:
    if link["kind"] == "Thread":
        return f"the end of thread {link['label']!r}" if link["label"] else "the end of a thread"
    if link["kind"] == "Future" and link["label"]:
        pool, _, state = link["label"].rpartition(", ")
        return f"a {state} future of pool {pool!r}"
    if link["kind"] == "futures" and link["label"]:
        return f"futures ({link['label']})"
    if link["kind"] == "submit" and link["label"]:
        return f"a place in the queue of pool {link['label']!r}"
    name = f" {link['label']!r}" if link["label"] else ""
    made = f" made at {link['made_at']}" if link["made_at"] else ""
    return f"{link['kind']}{name}{made}"


def _age(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _users_frames(frame: FrameType | None) -> list[FrameType]:
    """Return the frames from the innermost outwards, without those of this package."""
    frames = []
    while frame is not None:
        if not frame.f_code.co_filename.startswith((_OURS, "<frozen ")):
            frames.append(frame)
        frame = frame.f_back
    return frames


def _render(frames: list[FrameType]) -> list[str]:
    walk = ((frame, frame.f_lineno) for frame in reversed(frames))
    summary = traceback.StackSummary.extract(walk, limit=None)
    text = "".join(traceback.format_list(summary)).rstrip("\n")
    return [f"  {line}" for line in text.split("\n") if line]


def _stack(frame: FrameType | None) -> list[str]:
    if frame is None:
        return ["    (its stack cannot be seen)"]
    users = _users_frames(frame)
    if not users:
        # As with `Thread(target=jobs.get)`.
        return ["    (called by the thread itself, from no code of the program)"]
    return _render(users)


def _holding_stack(frame: FrameType | None, resource: int) -> list[str]:
    frames = _users_frames(frame)
    is_known = frame is not None
    for depth, candidate in enumerate(frames):
        found = look(candidate, resource)
        is_known = is_known and found.not_here
        if found.line is not None:
            lines = _render(frames[depth + 1 :])
            code = candidate.f_code
            lines.append(f'    File "{code.co_filename}", line {found.line}, in {code.co_name}')
            source = linecache.getline(code.co_filename, found.line).strip()
            return [*lines, f"      {source}"] if source else lines
    if is_known:
        return ["    (taken in a call that has returned)"]
    return ["    (where it was taken is not known)"]


def _is_message(link: Link, frames: dict[int, FrameType]) -> bool:
    """Whether a plain lock for which its own holder waits may stand for a message.

    Whoever releases it says "go on", and waiting for that is what a second `acquire()` is for. It
    is none if the thread is inside a `with` of that lock; what cannot be decided is told.
    """
    frame = frames.get(link["ident"])
    looks = [look(each, link["resource"]) for each in _users_frames(frame)]
    if frame is None or any(found.nested for found in looks):
        return False
    is_taken_by_call = any(found.line is not None for found in looks)
    return is_taken_by_call or all(found.nested is False for found in looks)
