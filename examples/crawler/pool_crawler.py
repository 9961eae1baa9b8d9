"""A crawler on a thread pool: list pages lead to detail pages, as in a shop or a newspaper.

    python pool_crawler.py http://127.0.0.1:8000/index.html --threads 10
    python pool_crawler.py http://127.0.0.1:8000/index.html --way nested

The start page's links are the list pages, and theirs the detail pages. There are three ways:

    map        first all lists (Executor.map), and when the last one is there, all details
    completed  the details of each list as soon as it is there (as_completed)
    nested     the task that fetched a list submits the tasks for its details itself

All find the same. Only sites on this machine are crawled. Exit code: 0 when all was fetched, 1
when the start page cannot be had, 2 for wrong arguments, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from crawler import is_loopback, positive
from web import Contents, Fetcher, parse, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass
class Found:
    """The pages that were fetched, by their URL."""

    lists: dict[str, Contents] = field(default_factory=dict)
    details: dict[str, Contents] = field(default_factory=dict)

    def digest(self) -> str:
        """A hash of all that was found, in whatever order."""
        rows = hashlib.sha256()
        for kind in (self.lists, self.details):
            for url, contents in sorted(kind.items()):
                path = url.removeprefix(site_of(url))
                rows.update(repr((path, contents.title, len(contents.links))).encode())
        return rows.hexdigest()


class Crawl:
    """One crawl of one site with one pool."""

    def __init__(
        self, get: Callable[[str], Contents], start: str, pool: ThreadPoolExecutor, per_list: int
    ) -> None:
        """`get` gives a page's contents; of each list, at most `per_list` links are followed."""
        self.found = Found()
        self._get = get
        self._site = site_of(start)
        self._pool = pool
        self._per_list = per_list
        self._seen = {start}
        self._lock = threading.Lock()

    def by_map(self, lists: list[str]) -> None:
        self._begin(lists)
        for url, contents in zip(lists, self._pool.map(self._get, lists), strict=True):
            self.found.lists[url] = contents
        details = [url for contents in self.found.lists.values() for url in self._new(contents)]
        self.found.details.update(zip(details, self._pool.map(self._get, details), strict=True))

    def by_completed(self, lists: list[str]) -> None:
        self._begin(lists)
        urls = {self._pool.submit(self._get, url): url for url in lists}
        details: dict[Future[Contents], str] = {}
        for future in as_completed(urls):
            self.found.lists[urls[future]] = future.result()
            for url in self._new(future.result()):
                details[self._pool.submit(self._get, url)] = url
        for future in as_completed(details):
            self.found.details[details[future]] = future.result()

    def by_nested(self, lists: list[str]) -> None:
        self._begin(lists)

        def list_page(url: str) -> tuple[Contents, dict[str, Future[Contents]]]:
            contents = self._get(url)
            return contents, {new: self._pool.submit(self._get, new) for new in self._new(contents)}

        pages = {url: self._pool.submit(list_page, url) for url in lists}
        for url, future in pages.items():
            contents, details = future.result()
            self.found.lists[url] = contents
            for detail, page in details.items():
                self.found.details[detail] = page.result()

    def _begin(self, lists: Iterable[str]) -> None:
        self._seen.update(lists)

    def _new(self, contents: Contents) -> list[str]:
        """The first links of a list page; those that no list had before."""
        own = (url for url in dict.fromkeys(contents.links) if url.startswith(self._site + "/"))
        with self._lock:
            new = [url for url in islice(own, self._per_list) if url not in self._seen]
            self._seen.update(new)
            return new


WAYS = {"map": Crawl.by_map, "completed": Crawl.by_completed, "nested": Crawl.by_nested}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Crawl lists and details with a thread pool.")
    parser.add_argument("start", help="URL of the page that links to the lists")
    parser.add_argument("--way", choices=WAYS, default="completed", help="(%(default)s)")
    parser.add_argument("--threads", type=positive, default=10, help="(%(default)s)")
    parser.add_argument("--lists", type=positive, default=20, help="at most so many (%(default)s)")
    parser.add_argument(
        "--details", type=positive, default=10, help="at most so many a list (%(default)s)"
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="let each page take so much longer, as over a network (%(default)s)",
    )
    return parser.parse_args()


def lists_on(start: str, contents: Contents, most: int) -> Iterator[str]:
    site = site_of(start)
    others = (url for url in dict.fromkeys(contents.links) if url.startswith(site + "/"))
    return islice((url for url in others if url != start), most)


def main() -> int:
    arguments = parse_arguments()
    start: str = arguments.start
    try:
        site = site_of(start)
        if not is_loopback(start):
            raise ValueError(f"{start} is not on this machine")
    except ValueError as error:
        print(f"pool_crawler: {error}", file=sys.stderr)
        return 2
    fetch = Fetcher(site).fetch

    def get(url: str) -> Contents:
        time.sleep(arguments.latency)
        return parse(fetch(url))

    first = get(start)
    if first.error:
        print(f"pool_crawler: {start} cannot be had: {first.error}", file=sys.stderr)
        return 1
    lists = list(lists_on(start, first, arguments.lists))
    begin = time.perf_counter()
    with ThreadPoolExecutor(arguments.threads) as pool:
        crawl = Crawl(get, start, pool, arguments.details)
        try:
            WAYS[arguments.way](crawl, lists)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            return 130
    summary = {
        "lists": len(crawl.found.lists),
        "details": len(crawl.found.details),
        "seconds": round(time.perf_counter() - begin, 3),
        "digest": crawl.found.digest(),
    }
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
