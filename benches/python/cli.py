"""The command line of the benchmarks."""

import argparse
import faulthandler
import fnmatch
import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benches.python import (
    count,
    kit,
    report,
    rows_alone,
    rows_contended,
    rows_futures,
    rows_hand_over,
    rows_queues,
    rows_threads,
    runner,
)
from benches.python.kit import Kit
from benches.python.row import Row

DESCRIPTION = """\
Measure Python's threading and queue, Ropewalk's, and peers where they are installed.

All sides of a row run in this one process and in turns, so that a noise of the machine hits them
alike: read the ratios, not the nanoseconds. Nothing needs to be installed for a first look: a side
that is not there shows as `-`."""
EXAMPLES = """\
examples:
  python -m benches.python                          the whole table, some minutes
  python -m benches.python --rows 'Lock*'           some rows; the names are in --list
  python -m benches.python --rows '*1P1C*' --rounds 30
  python -m benches.python --smoke                  does every row run? seconds, judges nothing
  python -m benches.python --json out.json          keep every batch
  python -m benches.python --from a.json b.json --markdown README.md
                                                    a table of earlier runs, between the marks
                                                    <!-- bench:begin --> and <!-- bench:end -->
  python -m benches.python --count --rows 'Lock*'   instructions instead of nanoseconds
peers: pip install fastrlock culsans aiologic pebble gevent"""


def all_rows() -> list[Row]:
    """Return every row; those that only inform come last."""
    rows = [
        *rows_alone.ROWS,
        *rows_contended.ROWS,
        *rows_hand_over.ROWS,
        *rows_threads.ROWS,
        *rows_queues.ROWS,
        *rows_futures.ROWS,
    ]
    return sorted(rows, key=lambda row: row.group == "more")


def chosen(rows: Sequence[Row], patterns: Sequence[str]) -> list[Row]:
    """Return the rows whose name matches one of the patterns (`=name`: is just that)."""

    def matches(name: str, pattern: str) -> bool:
        if pattern.startswith("="):
            return name == pattern[1:]
        return fnmatch.fnmatchcase(name.lower(), pattern.lower())

    return [row for row in rows if any(matches(row.name, pattern) for pattern in patterns)]


def parser() -> argparse.ArgumentParser:
    """Make the parser."""
    made = argparse.ArgumentParser(
        prog="python -m benches.python",
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n\ncolumns:\n{report.EXPLANATION}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--rows", nargs="+", default=["*"], metavar="PATTERN", help="only rows that match")
    add(
        "--rounds",
        type=int,
        default=150,
        help="at most so many batches of each side, of the 5 to 150 that a row has",
    )
    add("--list", action="store_true", help="print the names of the rows and what they must reach")
    add("--smoke", action="store_true", help="one tiny batch of each side: does it run?")
    add("--json", type=Path, metavar="FILE", help="write all batches to a file")
    add("--markdown", type=Path, metavar="FILE", help="write the rows with a target to a file")
    add("--from", nargs="+", type=Path, metavar="JSON", dest="files", help="measure nothing: "
        "use the JSON files of earlier runs (for --markdown)")  # fmt: skip
    add("--no-peers", action="store_true", help="leave the peers out")
    add("--own-threads", action="store_true", help="each side's own Thread drives its rows; "
        "otherwise the standard library's drives all of them")  # fmt: skip
    add("--count", action="store_true", help="count instructions with perf or valgrind (rows of "
        "one thread only)")  # fmt: skip
    add("--side", help=argparse.SUPPRESS)
    add("--turns", type=int, help=argparse.SUPPRESS)
    return made


def kits(peers: bool, own_threads: bool) -> list[Kit]:
    """Return the sides that are there."""
    found = [kit.stock()]
    ours = kit.ropewalk()
    if ours is not None:
        found.append(ours)
    if peers:
        found += kit.peers()
    if own_threads:
        found = [replace(k, driver=k.thread) if k.thread else k for k in found]
    return found


def main(arguments: Sequence[str] | None = None, hangs_after_s: float | None = None) -> int:
    """Run the benchmarks; return the exit code.

    hangs_after_s: print the stacks and end the process when one row takes longer; needs the real
    stderr, so that tests which capture it cannot have it.

    0: every row ran (fast or not); 1: one failed; 2: the request makes no sense.
    """
    options = parser().parse_args(arguments)
    if options.files:
        return _markdown(options.files, options.markdown)
    rows = chosen(all_rows(), options.rows)
    if not rows:
        print("no row has such a name: see --list", file=sys.stderr)
        return 2
    if options.list:
        for row in rows:
            print(f"{row.name:<42} {report.times(row.target) if row.target else 'informs'}")
        return 0
    sides = kits(not options.no_peers, options.own_threads)
    if options.turns:
        return _turns(rows[0], sides, options.side, options.turns)
    if options.count:
        return _count(rows, sides)
    return _measure(rows, sides, options, hangs_after_s)


def _measure(
    rows: Sequence[Row],
    sides: Sequence[Kit],
    options: argparse.Namespace,
    hangs_after_s: float | None,
) -> int:
    facts = report.about(sides, options.rounds, options.smoke)
    print(f"Python {facts['python']}, {facts['system']}, {facts['cores']} cores")
    print(", ".join(f"{name} {number}" for name, number in facts["versions"].items()))
    if not any(side.name == "ropewalk" for side in sides):
        print("ropewalk is not installed for this Python: there is nothing to compare with")
    print(f"{report.HEAD.name:<42}{report.terminal_numbers(report.HEAD)}")
    results: list[runner.Result] = []
    failed: list[str] = []
    for row in rows:
        # The name first: if a row hangs, the watchdog's stacks come right after it.
        print(report.terminal_name(row), end="", flush=True)
        if hangs_after_s is not None:
            faulthandler.dump_traceback_later(hangs_after_s, exit=True)
        try:
            result = runner.run(row, sides, options.rounds, options.smoke)
        except Exception:
            failed.append(row.name)
            print(" FAILED", flush=True)
            traceback.print_exc()
            continue
        results.append(result)
        print(report.terminal_numbers(report.line(result)), flush=True)
    if hangs_after_s is not None:
        faulthandler.cancel_dump_traceback_later()
    print(f"\n{report.EXPLANATION}")
    judged = [result.reached for result in results if result.reached is not None]
    if options.smoke:
        print("\nA smoke run: the numbers mean nothing.")
    elif judged:
        print(f"\n{sum(judged)} of {len(judged)} rows reach what they must.")
    kept = report.as_json(facts, results)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        report.write_markdown(options.markdown, report.markdown([kept]))
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


def _markdown(files: Sequence[Path], target: Path | None) -> int:
    table = report.markdown([json.loads(path.read_text(encoding="utf-8")) for path in files])
    if target is None:
        print(table, end="")
    else:
        report.write_markdown(target, table)
    return 0


def _turns(row: Row, sides: Sequence[Kit], name: str, turns: int) -> int:
    """Be the child process whose instructions are counted."""
    side = next(side for side in sides if side.name == name)
    measure = row.build(side)
    if measure is None:
        return 2
    measure(count.WARM_UP)
    measure(turns)
    return 0


def _count(rows: Sequence[Row], sides: Sequence[Kit]) -> int:
    rows = [row for row in rows if row.group == "alone"]
    try:
        command = count.counter()
    except count.CannotCountError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"instructions for one operation, counted by {command[0]}")
    print(f"{'row':<42}" + "".join(f"{side.name:>12}" for side in sides))
    for row in rows:
        print(f"{row.name:<42}", end="", flush=True)
        for side in sides:
            there = row.build(side) is not None
            cell = f"{count.instructions(command, row, side.name):.0f}" if there else "-"
            print(f"{cell:>12}", end="", flush=True)
        print()
    return 0
