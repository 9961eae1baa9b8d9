"""The crawl: threads that pass pages, links and rows on to each other through queues.

    frontier --> fetchers --> fetched --> parsers --> links --> scout --> rows --> writer
     (URLs)                   (pages)                 (one by one)        (one by one)

The main thread puts the URLs into the frontier, level by level: first the start page, then all
that it links to, then all that those link to. The scout collects the URLs of the next level. So
which pages are crawled does not depend on which thread was faster.

A URL counts as done (`task_done`) when the last link of its page has gone through the scout: when
`frontier.join()` returns, the next level is complete.

On Ctrl-C `stopping` is set: fetchers and parsers then drop what they get instead of working on it,
and what they found before goes its way into the database. When a stage fails, `failed` is set too,
and all stages drop what they get. So nobody stays blocked on a full queue, and the crawl ends.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from web import site_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Row
    from web import Contents, Page

T = TypeVar("T")

GRACE = 2.0  # seconds for a fetch that is under way when the crawl is stopped


@dataclass
class Counts:
    pages: int = 0
    links: int = 0
    errors: int = 0
    waiting: int = 0


class Crawl:
    """One crawl of one site, with its threads and queues."""

    def __init__(
        self,
        fetch: Callable[[str], Page],
        parse: Callable[[Page], Contents],
        write: Callable[[Row], None],
        *,
        fetchers: int = 8,
        parsers: int = 2,
        in_flight: int = 4,
    ) -> None:
        """`fetch`, `parse` and `write` do the work of their stages, in the threads of the stage.

        At most `in_flight` fetches are under way at once, however many fetchers there are.
        """
        self._fetch, self._parse, self._write = fetch, parse, write
        self._frontier: queue.Queue[str | None] = queue.Queue()
        self._fetched: queue.Queue[Page | None] = queue.Queue(maxsize=100)
        self._links: queue.Queue[tuple[str, str] | None] = queue.Queue(maxsize=5000)
        self._rows: queue.Queue[Row | None] = queue.Queue(maxsize=5000)

        self._in_flight = threading.BoundedSemaphore(in_flight)
        self._counts_lock = threading.Lock()
        self._counts = Counts()
        self._found: set[str] = set()  # the scout's; main looks when nothing is on its way
        self._site = ""
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._failure: Exception | None = None

        stopping, failed = self._stopping, self._failed
        # Daemons: a fetch that hangs must not keep the process from ending after Ctrl-C.
        self._fetchers = [
            self._stage("fetcher", self._frontier, self._fetch_one, self._drop_page, stopping)
            for _ in range(fetchers)
        ]
        self._parsers = [
            self._stage("parser", self._fetched, self._parse_one, self._drop_page, stopping)
            for _ in range(parsers)
        ]
        self._scout = self._stage("scout", self._links, self._scout_one, self._drop_link, failed)
        self._writer = self._stage("writer", self._rows, self._write, self._drop_row, failed)

    def run(self, start: str, pages: int) -> None:
        """Crawl from `start`, its site only, at most that many pages.

        Raises what a stage failed with. On KeyboardInterrupt (or anything else that a signal
        handler raises here) what was found so far is still written.
        """
        self._site = site_of(start) + "/"
        threads = [*self._fetchers, *self._parsers, self._scout, self._writer]
        for thread in threads:
            thread.start()
        try:
            self._crawl_levels(start, pages)
        except BaseException:
            self._stopping.set()
            raise
        finally:
            self._end_stages()
        if self._failure:
            raise self._failure

    def counts(self) -> Counts:
        with self._counts_lock:
            return replace(self._counts, waiting=self._frontier.qsize())

    def _crawl_levels(self, start: str, pages: int) -> None:
        seen = {start}
        level = [start]
        while level and not self._failed.is_set():
            pages -= len(level)
            for url in level:
                self._frontier.put(url)
            self._frontier.join()
            level = sorted(self._found - seen)[:pages]
            self._found.clear()
            seen.update(level)

    def _end_stages(self) -> None:
        """End the stages in the order of the pipeline, each when the one before it has ended."""
        for _ in self._fetchers:
            self._frontier.put(None)
        deadline = time.monotonic() + GRACE
        for thread in self._fetchers:
            thread.join(max(0.0, deadline - time.monotonic()))
        for _ in self._parsers:
            self._fetched.put(None)
        for thread in self._parsers:
            thread.join()
        self._links.put(None)
        self._scout.join()
        self._rows.put(None)
        self._writer.join()

    # What runs in the threads.

    def _stage(
        self,
        name: str,
        source: queue.Queue[T | None],
        handle: Callable[[T], None],
        drop: Callable[[T], None],
        dropping: threading.Event,
    ) -> threading.Thread:
        """A thread that handles items until it gets the end marker, None.

        Once the event `dropping` is set, it drops them instead.
        """

        def run() -> None:
            while (item := source.get()) is not None:
                if dropping.is_set():
                    drop(item)
                    continue
                try:
                    handle(item)
                except Exception as error:  # whatever it is: it ends the crawl, and main raises it
                    self._failure = self._failure or error
                    self._failed.set()
                    self._stopping.set()
                    drop(item)

        return threading.Thread(target=run, name=name, daemon=True)

    def _fetch_one(self, url: str) -> None:
        with self._in_flight:
            page = self._fetch(url)
        self._fetched.put(page)

    def _parse_one(self, page: Page) -> None:
        contents = self._parse(page)
        with self._counts_lock:
            self._counts.pages += 1
            self._counts.errors += bool(contents.error)
        self._rows.put(("pages", (page.url, page.status, contents.title, contents.error)))
        for link in contents.links:
            self._links.put((page.url, link))
        self._links.put((page.url, ""))  # the page is done

    def _scout_one(self, link: tuple[str, str]) -> None:
        _, target = link
        if not target:
            self._frontier.task_done()
            return
        with self._counts_lock:
            self._counts.links += 1
        if target.startswith(self._site):
            self._found.add(target)
        self._rows.put(("links", link))

    def _drop_page(self, _page: str | Page) -> None:
        self._frontier.task_done()

    def _drop_row(self, row: Row) -> None:
        pass

    def _drop_link(self, link: tuple[str, str]) -> None:
        if not link[1]:
            self._frontier.task_done()
