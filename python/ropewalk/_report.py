"""`ropewalk run --report` and `--trace`: what the program waited for."""

from __future__ import annotations

import atexit
import json
import os
import sys
import time

from ropewalk import _hosting, _ropewalk, _snapshot, _tables
from ropewalk._snapshot import PoolInfo, Waited, Waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# So many things are told on standard error; the file has all.
_MOST = 10


def arm(path: str | None) -> None:
    """Tell at the end of this process: on standard error, or into a file.

    The children that the program starts do not tell: there would be one report for each.
    """
    try:
        # The program may change its folder.
        path = path and os.path.abspath(path)
    except OSError as error:
        # The folder is gone.
        _say(f"ropewalk: the report cannot be written: {error}")
        return
    _ropewalk.keep_ended()
    atexit.register(_tell, path, os.getpid(), time.monotonic(), time.process_time())


def trace(path: str) -> None:
    """Write a trace of this process, into a file whose name may be relative to its first folder.

    It is written as it goes; at the end the waits that go on are added.
    """
    try:
        _ropewalk.start_trace(os.path.abspath(path))
    except OSError as error:
        _say(f"ropewalk: the trace cannot be written: {error}")
        return
    atexit.register(_end_trace, os.getpid())


def _end_trace(pid: int) -> None:
    if os.getpid() != pid:
        return
    try:
        _ropewalk.stop_trace()
    except OSError as error:
        _say(f"ropewalk: the trace is not complete: {error}")


def _tell(path: str | None, pid: int, began: float, computed: float) -> None:
    if os.getpid() != pid:
        # A fork's child that ends as a program does.
        return
    report = collect(time.monotonic() - began, computed)
    try:
        if path is None:
            # What the program has put in its place may go with it.
            told = sys.__stderr__
            if told is not None:
                told.write("\n".join(render(report, 80)) + "\n")
                told.flush()
        else:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=1)
                file.write("\n")
    except (OSError, ValueError) as error:
        # Standard error may be closed. A report that cannot be told must not change how
        # the program ends.
        _say(f"ropewalk: the report cannot be written: {error}")


def _say(text: str) -> None:
    # If the descriptor was closed when the program began, its number may be that of another file.
    if sys.__stderr__ is None:
        return
    try:  # noqa: SIM105 - contextlib is slow to import
        os.write(2, f"{text}\n".encode(errors="replace"))
    except OSError:
        pass


def collect(seconds: float, computed: float) -> dict[str, Any]:
    """Return the report as it is written to a file.

    Args:
        seconds: for how long the program ran.
        computed: the seconds on a core that the interpreter's start took, in the main thread.
    """
    sums, sites, pools = _ropewalk.report()
    threads, ran, waited, waited_for_gil = sums
    # After the threads' own sums, which are part of it.
    cpu = time.process_time() - computed
    return {
        "program": sys.orig_argv,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "threads": threads,
        "threads_cpu_seconds": max(ran - computed, 0.0),
        "waited_for_gil_seconds": waited_for_gil,
        "waited": [Waited._make(each)._asdict() for each in waited],
        "things": [_site(*site) for site in sites],
        "pools": [_pool(PoolInfo._make(pool)) for pool in pools],
        "still_waiting": [
            {"thread": thread.name, "for": _tables.title(wait), "seconds": wait.waited}
            for thread in _snapshot.read(_ropewalk.snapshot()).threads
            if (wait := _snapshot.blocked_on(thread)) is not None
        ],
        "deadlocks": [text.partition("\n")[0] for text in _hosting.told],
    }


def _site(
    kind: str, name: str | None, made_at: str | None, count: int, peak: int | None, waits: list[Any]
) -> dict[str, Any]:
    site = {"kind": kind, "name": name, "made_at": made_at, "count": count, "peak": peak}
    return site | {"waits": Waits._make(waits)._asdict()}


def _pool(pool: PoolInfo) -> dict[str, Any]:
    # Of many pools together.
    name = pool.name if pool.number == 1 else f"{pool.name}*"
    now = {"threads", "busy", "queued"}
    return {key: value for key, value in pool._asdict().items() if key not in now} | {"name": name}


def _title(site: dict[str, Any]) -> str:
    if site["kind"] == "Thread":
        return "the end of threads"
    if site["name"]:
        return f"{site['kind']} {site['name']!r}"
    if site["made_at"] is None:
        return f"{site['kind']} ({site['count']} of them)"
    many = f" ({site['count']} of them)" if site["count"] > 1 else ""
    return f"{site['kind']} made at {site['made_at']}{many}"


def render(report: dict[str, Any], width: int) -> Iterator[str]:
    """Yield the lines of the report for a terminal."""
    seconds = _tables.seconds
    yield f"ropewalk: report of process {os.getpid()}"
    total, cpu = report["seconds"], report["cpu_seconds"]
    share = f" ({cpu / total:.0%} of one core)" if total > 0 else ""
    threads = "1 thread" if report["threads"] == 1 else f"{report['threads']} threads"
    yield f"  ran {seconds(total)}, computed {seconds(cpu)}{share}, {threads}"
    if report["waited"]:
        yield f"  waited, all threads together{'WAITS':>14}{'TOTAL':>11}"
    for each in report["waited"]:
        yield f"    {each['kind']:<26}{each['waits']:>12}{seconds(each['total']):>11}"
    if report["waited_for_gil_seconds"] > 0:
        gil = seconds(report["waited_for_gil_seconds"])
        yield f"    of it for the GIL, once woken         {gil:>15}"
    things = [each for each in report["things"] if each["waits"]["number"]][:_MOST]
    if things:
        yield f"  waited for most{'WAITS':>{width - 57}}" + "".join(
            cell.rjust(10) for cell in ("TOTAL", "p50", "p99", "LONGEST")
        )
    for site in things:
        waits = Waits(*site["waits"].values())
        times = (waits.total, waits.p50, waits.p99, waits.longest)
        cells = "".join(seconds(each).rjust(10) for each in times)
        yield f"    {_tables.clean(_title(site))}"
        peak = f"at most {site['peak']} items in it" if site["peak"] is not None else ""
        yield f"      {peak:<{width - 56}}{waits.number:>10}{cells}"
    others = [each for each in report["things"] if not each["waits"]["number"]][:_MOST]
    if others:
        yield "  other queues"
    for site in others:
        yield f"    {_tables.clean(_title(site))}"
        yield f"      at most {site['peak']} items in it"
    yield from _pools(report["pools"][:_MOST], width)
    for each in report["still_waiting"][:_MOST]:
        since = seconds(each["seconds"])
        yield _tables.clean(f"  at the end {each['thread']} waits for {each['for']}, since {since}")
    for text in report["deadlocks"]:
        yield f"  told: {_tables.clean(text)}"


def _pools(pools: list[dict[str, Any]], width: int) -> Iterator[str]:
    if pools:
        titles = ("THREADS", "TASKS", "CANCELLED", "QUEUED", "WORKED", "IDLE")
        yield f"  thread pools{'':{max(width - 74, 1)}}" + "".join(
            each.rjust(10) for each in titles
        )
    for pool in pools:
        many = f" ({pool['number']} of them)" if pool["number"] > 1 else ""
        yield f"    {_tables.clean(pool['name'])}{many}"
        threads = f"{pool['threads_peak']}/{pool['max_workers']}"
        numbers = (threads, pool["tasks"], pool["cancelled"], pool["queued_peak"])
        times = (_tables.seconds(pool["worked"]), _tables.seconds(pool["idle"]))
        yield " " * max(width - 60, 15) + "".join(f"{each:>10}" for each in (*numbers, *times))
