"""What is in a trace: `ropewalk run --trace`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.deadlock.programs import run

if TYPE_CHECKING:
    from pathlib import Path

    Event = dict[str, Any]


def read(path: Path) -> list[Event]:
    """Read a trace; one that was cut off has no end, which the format allows."""
    text = path.read_text().rstrip()
    if not text.endswith("]"):
        text = text.rstrip(" \n,") + "]"
    events: list[Event] = json.loads(text)
    check(events)
    return events


def traced(folder: Path, text: str, path: Path) -> list[Event]:
    """Run a program with a trace, which ends well and complains of nothing; return the trace."""
    done = run(folder, text, f"--trace={path}")
    assert (done.returncode, done.stderr) == (0, "")
    return read(path)


def nanos(event: Event) -> tuple[int, int]:
    """When an event begins and ends."""
    start = round(event["ts"] * 1000)
    return start, start + round(event.get("dur", 0) * 1000)


def check(events: list[Event]) -> None:
    """Slices of a lane lie within each other or apart (viewers drop others); arrows go onwards."""
    spans = [
        (event["tid"], start, -end)
        for event in events
        if event["ph"] == "X"
        for start, end in [nanos(event)]
    ]
    lane = None
    open_ends: list[int] = []
    for tid, start, negative in sorted(spans):
        if tid != lane:
            lane, open_ends = tid, []
        while open_ends and open_ends[-1] <= start:
            open_ends.pop()
        assert not open_ends or -negative <= open_ends[-1], (tid, start, -negative, open_ends)
        open_ends.append(-negative)
    # Each end of an arrow lies where a slice begins that takes some time.
    begins = {(tid, start) for tid, start, negative in spans if start < -negative}
    starts = {}
    for event in events:
        if event["ph"] in "sf":
            assert (event["tid"], nanos(event)[0]) in begins, event
        if event["ph"] == "s":
            assert event["id"] not in starts
            starts[event["id"]] = event
    for event in events:
        if event["ph"] == "f":
            assert nanos(starts[event["id"]]) < nanos(event)


def lanes(events: list[Event]) -> dict[str, int]:
    """The threads' numbers by their names."""
    names = [event for event in events if event["name"] == "thread_name"]
    return {event["args"]["name"]: event["tid"] for event in names}


def slices(events: list[Event], tid: int) -> list[Event]:
    return [event for event in events if event["ph"] == "X" and event["tid"] == tid]
