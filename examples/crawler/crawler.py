"""A crawler: follows the links of a site, and writes titles and links into an SQLite database.

    python crawler.py http://127.0.0.1:8000/index.html
    python crawler.py some/folder --pages 500 --database docs.sqlite

A folder is served on loopback by a process of the crawler's own. Other hosts than this one are
refused unless --allow-remote is given; then their robots.txt is obeyed.

Exit code: 0 when the crawl came to its end, 1 when it failed, 2 for wrong arguments, 130 after
Ctrl-C; what was found up to then is in the database.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from pipeline import Crawl
from serve import serving
from store import Store
from web import Fetcher, Page, absolute, parse, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Crawl a site; write titles and links to SQLite.")
    parser.add_argument("start", help="URL of the first page, or a folder with an index.html")
    parser.add_argument("--database", type=Path, default=Path("crawl.sqlite"), metavar="FILE")
    parser.add_argument(
        "--pages", type=positive, default=1500, help="at most so many (%(default)s)"
    )
    parser.add_argument("--fetchers", type=positive, default=8, help="threads (%(default)s)")
    parser.add_argument("--parsers", type=positive, default=2, help="threads (%(default)s)")
    parser.add_argument(
        "--in-flight", type=positive, default=4, help="fetches at the same time (%(default)s)"
    )
    parser.add_argument("--allow-remote", action="store_true", help="other hosts than this one too")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    return parser.parse_args()


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def start_url(start: str, *, allow_remote: bool) -> Iterator[str]:
    """The URL to start from; serves the folder while in the `with` block, if it is one."""
    if Path(start).is_dir():
        with serving(Path(start)) as address:
            yield f"{address}/index.html"
        return
    site_of(start)  # ValueError when it is no URL either
    if not is_loopback(start) and not allow_remote:
        raise ValueError(f"{start} is not on this machine; --allow-remote permits that")
    yield absolute(start, start)


def obeying_robots_txt(site: str, fetch: Callable[[str], Page]) -> Callable[[str], Page]:
    robots = RobotFileParser(f"{site}/robots.txt")
    robots.read()

    def fetch_if_allowed(url: str) -> Page:
        if robots.can_fetch("example-crawler", url):
            return fetch(url)
        return Page(url, error="forbidden by robots.txt")

    return fetch_if_allowed


@contextlib.contextmanager
def progress(crawl: Crawl) -> Iterator[None]:
    """Show the progress on stderr: one line that is redrawn on a terminal, else one each second."""
    terminal = sys.stderr.isatty()
    over = threading.Event()

    def show() -> None:
        counts = crawl.counts()
        line = f"{counts.pages} pages, {counts.links} links, {counts.errors} errors"
        line += f", {counts.waiting} waiting"
        print(f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    def show_again_and_again() -> None:
        while not over.wait(0.1 if terminal else 1.0):
            show()

    thread = threading.Thread(target=show_again_and_again, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        show()
        if terminal:
            print(file=sys.stderr)


def crawl_into(database: Path, start: str, arguments: argparse.Namespace) -> bool:
    """Crawl and print the summary; False when Ctrl-C ended it."""
    fetch: Callable[[str], Page] = Fetcher(site_of(start)).fetch
    if not is_loopback(start):
        fetch = obeying_robots_txt(site_of(start), fetch)
    complete = True
    with contextlib.closing(Store(database)) as store:
        crawl = Crawl(
            fetch,
            parse,
            store.write,
            fetchers=arguments.fetchers,
            parsers=arguments.parsers,
            in_flight=arguments.in_flight,
        )
        begin = time.perf_counter()
        try:
            with progress(crawl):
                crawl.run(start, arguments.pages)
        except KeyboardInterrupt:
            complete = False
        seconds = time.perf_counter() - begin
    counts = crawl.counts()
    if counts.pages == 1 and counts.errors == 1:
        raise OSError(f"the start page {start} cannot be had: {first_error(database)}")
    summary: dict[str, object] = {
        "pages": counts.pages,
        "links": counts.links,
        "errors": counts.errors,
        "seconds": round(seconds, 3),
        "complete": complete,
    }
    print_summary(summary, as_json=arguments.json)
    return complete


def first_error(database: Path) -> str:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        status, error = connection.execute("SELECT status, error FROM pages").fetchone()
    return f"{status} {error}" if status else str(error)


def print_summary(summary: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary))
    else:
        if not summary.pop("complete"):
            print("interrupted; what was found so far:")
        print(", ".join(f"{name}: {value}" for name, value in summary.items()))


def main() -> int:
    arguments = parse_arguments()
    try:
        with start_url(arguments.start, allow_remote=arguments.allow_remote) as start:
            complete = crawl_into(arguments.database, start, arguments)
    except (OSError, ValueError, sqlite3.Error) as error:
        print(f"crawler: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        complete = False
    return 0 if complete else 130


if __name__ == "__main__":
    sys.exit(main())
