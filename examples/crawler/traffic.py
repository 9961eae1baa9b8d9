"""The threads, queues and locks of a crawl alone: no network, no HTML, no database.

The same pipeline as the crawler's, with the same number of pages and of links, but fetching,
parsing and writing do nothing. Prints how long it took, in seconds. This is the part of a crawl
that the implementation of `threading` and `queue` can make faster or slower.
"""

import sys
import time

from pipeline import Crawl
from store import Row
from web import Contents, Page

SITE = "http://localhost"


def contents_of(pages: int, links: int) -> dict[str, Contents]:
    """That many pages, which lead to each other, with so many links in all."""
    per_page, rest = divmod(links, pages)
    contents = {}
    following = 1
    for number in range(pages):
        count = per_page + (number < rest)
        targets = [f"{SITE}/{n % pages}" for n in range(following, following + count)]
        contents[f"{SITE}/{number}"] = Contents(links=targets)
        following += count
    return contents


def pass_through(pages: int, links: int) -> float:
    """Pass so many pages with so many links through the pipeline; how long it took, in seconds."""
    contents = contents_of(pages, links)

    def parse(page: Page) -> Contents:
        return contents[page.url]

    def write(_row: Row) -> None:
        pass

    crawl = Crawl(Page, parse, write)
    begin = time.perf_counter()
    crawl.run(f"{SITE}/0", pages)
    seconds = time.perf_counter() - begin
    counts = crawl.counts()
    assert (counts.pages, counts.links) == (pages, links)
    return seconds


if __name__ == "__main__":
    print(f"{pass_through(int(sys.argv[1]), int(sys.argv[2])):.3f}")
