"""Puts results into words: a table for the terminal, JSON to keep, Markdown for the README."""

import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benches.python.floor import KIND
from benches.python.kit import Kit
from benches.python.row import UNPINNED, Row
from benches.python.runner import Result

OWN_SIDES = ("stock", "ropewalk", "floor")
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
EXPLANATION = """\
stock     the standard library's threading and queue, time for one operation
ropewalk  Ropewalk's drop-in modules in the same process, measured in turns with stock
floor     the least it can take: an empty call of the same shape; for hand-overs, what the kernel
          takes to switch between two threads; for Thread, a bare thread that runs a C function
faster    stock divided by ropewalk, and what it must at least be: `ok` or `SHORT`
least/most (contended rows) what the thread with the fewest turns got, of what the one with the
          most got, stock and ropewalk
peer      the fastest other library that has the same thing, as a ratio to stock
Of one thread, and of the rows marked with *, the processor time of the fastest batch counts: other
programs on the machine can only add to it. Elsewhere it is the median of the time that passed.
Rows marked with * run with the whole process pinned to one core: on several, the price of waking
another core, which no library can change and which differs tenfold between machines, hides all
the rest. The same rows without the pin are at the end."""


@dataclass(frozen=True)
class Line:
    """One row as text, the same for every kind of table."""

    name: str
    stock: str
    ropewalk: str
    floor: str
    faster: str
    target: str
    mark: str
    fairness: str
    peer: str


HEAD = Line(
    "row", "stock", "ropewalk", "floor", "faster", "at least", "", "least/most", "peer"
)  # fmt: skip


def duration(nanoseconds: float | None) -> str:
    """Write a time with three digits and its unit."""
    if nanoseconds is None:
        return "-"
    value, unit = nanoseconds, "ns"
    for larger in ("us", "ms", "s"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def times(ratio: float | None) -> str:
    """Write a ratio."""
    return "-" if ratio is None else f"{ratio:.2f}x" if ratio < 9.995 else f"{ratio:.1f}x"


def fastest_peer(result: Result) -> tuple[str, float] | None:
    """Return the peer with the largest ratio to stock, and that ratio."""
    ratios = {name: result.ratio(name) for name in result.sides if name not in OWN_SIDES}
    found = [(name, ratio) for name, ratio in ratios.items() if ratio is not None]
    return max(found, key=lambda pair: pair[1], default=None)


def line(result: Result) -> Line:
    """Put one result into words."""
    row, peer = result.row, fastest_peer(result)
    marks = {None: "", True: "ok", False: "SHORT"}
    shares = [
        "-" if measured is None or measured.fairness is None else f"{measured.fairness:.2f}"
        for measured in (result.sides.get("stock"), result.sides.get("ropewalk"))
    ]
    least = "" if row.least_fairness is None else f", at least {row.least_fairness}"
    return Line(
        name=_name(row),
        stock=duration(result.time("stock")),
        ropewalk=duration(result.time("ropewalk")),
        floor=duration(result.time("floor")),
        faster=times(result.ratio()),
        target=times(row.target) if row.target else "",
        mark=marks[result.reached],
        fairness="" if shares == ["-", "-"] else " ".join(shares) + least,
        peer="-" if peer is None else f"{peer[0]} {times(peer[1])}",
    )


def terminal_name(row: Row) -> str:
    """Return the first column of the table on the terminal."""
    return f"{_name(row):<42}"


def terminal_numbers(text: Line) -> str:
    """Return the other columns."""
    return (
        f" {text.stock:>8} {text.ropewalk:>8} {text.floor:>8} {text.faster:>7} {text.target:>8} "
        f"{text.mark:<5} {text.fairness:<25} {text.peer}"
    ).rstrip()


def _name(row: Row) -> str:
    return row.name + (" *" if row.cores == "one" else "")


def about(kits: Sequence[Kit], rounds: int, smoke: bool) -> dict[str, Any]:
    """Describe the run: what ran on what."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "implementation": sys.version,
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "smoke": smoke,
        "floor": KIND,
        "versions": {kit.name: kit.version for kit in kits if kit.name != "stock"},
    }


def as_json(facts: Mapping[str, Any], results: Iterable[Result]) -> dict[str, Any]:
    """Return everything that was measured, in nanoseconds per operation."""
    return {"about": dict(facts), "rows": [_row_as_json(result) for result in results]}


def _row_as_json(result: Result) -> dict[str, Any]:
    row = result.row
    return {
        "name": row.name,
        "group": row.group,
        "cores": row.cores,
        "clock": row.clock,
        "statistic": row.statistic,
        "target": row.target,
        "least_fairness": row.least_fairness,
        "ratio": result.ratio(),
        "reached": result.reached,
        "sides": {
            name: {
                "time": side.time(row),
                "fairness": side.fairness,
                "wall": side.wall,
                "cpu": side.cpu,
            }
            for name, side in result.sides.items()
        },
        "line": vars(line(result)),
    }


def markdown(runs: Sequence[Mapping[str, Any]]) -> str:
    """Make one Markdown table of the JSON of several runs, four columns for each.

    In it are the rows with a target, and those without the pin of the ones that are pinned to one
    core. The others are on the terminal and in the JSON.
    """
    return "\n".join(_markdown_lines(runs)) + "\n"


def _markdown_lines(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    heads = [f"{run['about']['python']}: stock | ropewalk | floor | faster" for run in runs]
    yield "| row | " + " | ".join(heads) + " | at least | peer |"
    yield "|---|" + "--:|" * (4 * len(runs) + 1) + "---|"
    for number, first in enumerate(runs[0]["rows"]):
        if first["target"] is None and not first["name"].endswith(UNPINNED):
            continue
        cells = [first["line"]["name"].replace("*", "\\*")]
        for run in runs:
            text = run["rows"][number]["line"]
            cells += [text["stock"], text["ropewalk"], text["floor"], f"**{text['faster']}**"]
        cells += [first["line"]["target"], first["line"]["peer"]]
        yield "| " + " | ".join(cells) + " |"


def write_markdown(path: Path, table: str) -> None:
    """Write the table to a file, or between the two marks of a file that has them."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if BEGIN in old and END in old:
        before, _, rest = old.partition(BEGIN)
        _, _, after = rest.partition(END)
        table = f"{before}{BEGIN}\n{table}{END}{after}"
    path.write_text(table, encoding="utf-8")
