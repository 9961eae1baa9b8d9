"""The demo: the crawler on Python's own `threading` and `queue`, and on Ropewalk, side by side.

    python demo.py                     # documentation that is installed here
    python demo.py FOLDER [--pages N]  # any folder with an index.html
    python demo.py URL                 # any site on this machine

The same crawler.py runs both times, `python crawler.py` and `ropewalk run crawler.py`, in turns,
against the same server. Both databases must hold the same in the end. Then the crawler's threads
and queues run alone (traffic.py): that is the part of the crawl that Ropewalk replaces.

The second act (pool_demo.py) does the same with a crawler on a thread pool, pool_crawler.py.
"""

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import corpus
import pool_demo
from serve import serving
from sides import SIDES, in_turns, row, run
from store import digest


@dataclass(frozen=True)
class Measured:
    """One crawl: what it found, how long it took, and how much processor time (both in seconds)."""

    contents: tuple[int, int, str]
    seconds: float
    cpu: float


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Stock Python and Ropewalk, crawling side by side."
    )
    parser.add_argument(
        "source", nargs="?", help="folder or URL (default: installed documentation)"
    )
    parser.add_argument("--pages", type=int, default=1000, help="at most so many (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="crawls of each side (%(default)s)")
    return parser.parse_args()


@contextlib.contextmanager
def site(source: str | None, scratch: Path) -> Iterator[str]:
    """The URL of the start page, served while in the `with` block."""
    if source and not Path(source).is_dir():
        yield source
        return
    if source:
        folder, start = Path(source), Path(source, "index.html")
    elif found := corpus.installed_documentation():
        folder, start = found
    else:
        folder, start = scratch / "site", scratch / "site" / "index.html"
        folder.mkdir()
        print("No documentation is installed: pydoc makes some.")
        corpus.generate(folder)
    with serving(folder) as address:
        print(f"Crawling {start}")
        yield f"{address}/{start.relative_to(folder).as_posix()}"


def crawl(side: str, start: str, pages: int, database: Path) -> Measured:
    print(f"{side}:", file=sys.stderr)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = run(
        side, "crawler.py", start, "--pages", str(pages), "--database", str(database), "--json"
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(digest(database), json.loads(output)["seconds"], cpu)


def compare(start: str, pages: int, rounds: int, database: Path) -> bool:
    """Measure both sides, print the table; False when they did not find the same."""
    print("warming up:", file=sys.stderr)  # or the first crawl would wait for the disk
    crawl("stock", start, pages, database)
    crawls: dict[str, list[Measured]] = {side: [] for side in SIDES}
    for side in in_turns(rounds):
        crawls[side].append(crawl(side, start, pages, database))

    contents = {one.contents for measured in crawls.values() for one in measured}
    if len(contents) != 1:
        print("The sides did NOT find the same:")
        for side, measured in crawls.items():
            for one in measured:
                print(
                    f"  {side}: {one.contents[0]} pages, {one.contents[1]} links, {one.contents[2]}"
                )
        return False
    ((found, links, rows_hash),) = contents

    traffic: dict[str, list[float]] = {side: [] for side in SIDES}
    for side in in_turns(rounds):
        traffic[side].append(float(run(side, "traffic.py", str(found), str(links))))

    seconds = [statistics.median(one.seconds for one in crawls[side]) for side in SIDES]
    cpu = [statistics.median(one.cpu for one in crawls[side]) for side in SIDES]
    alone = [statistics.median(traffic[side]) for side in SIDES]
    print(f"\n{found} pages with {links} links, each side {rounds} times in turns; medians.")
    print(f"Both databases hold the same: sha256 {rows_hash[:16]}...\n")
    print(f"{'':<36}{'stock':>10}{'ropewalk':>10}{'ratio':>9}")
    print(row("crawl, seconds", *seconds))
    print(
        row("crawl, pages per second", found / seconds[0], found / seconds[1], more_is_better=True)
    )
    print(row("crawl, processor seconds", *cpu))
    print(row("threads and queues alone, seconds", *alone))
    print(
        "\nA ratio above 1 means that Ropewalk is better. HTTP, HTML and SQLite are the same code\n"
        "on both sides; the last row is the crawler's thread and queue traffic without them,\n"
        f"which takes {alone[0] / seconds[0]:.0%} of the time of the stock crawl."
    )
    return True


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as name, site(arguments.source, Path(name)) as start:
        database = Path(name, "crawl.sqlite")
        try:
            same = compare(start, arguments.pages, arguments.rounds, database)
            same = pool_demo.compare(start, arguments.rounds) and same
        except subprocess.CalledProcessError as error:
            print(f"demo: {' '.join(map(str, error.cmd))} failed", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
