"""The demo runs both sides, compares what they found, and prints a table of both."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from tests.demo.conftest import page
from tests.examples.programs import EXAMPLES, run_under

if TYPE_CHECKING:
    from pathlib import Path

    from tests.demo.conftest import Site
    from tests.examples.programs import Outcome

CRAWLER = EXAMPLES / "crawler"


def demo(*arguments: str) -> Outcome:
    return run_under("stock", CRAWLER / "demo.py", *arguments, timeout=100)


def test_the_demo_prints_both_sides(good_site: Site) -> None:
    outcome = demo(f"{good_site.address}/index.html", "--pages", "20", "--rounds", "2")
    assert outcome.code == 0, outcome.errors
    text = "\n".join(outcome.lines)
    assert "20 pages with 87 links, each side 2 times in turns; medians." in text
    assert re.search(r"Both databases hold the same: sha256 [0-9a-f]{16}", text)
    for name in (
        "crawl, seconds",
        "crawl, pages per second",
        "crawl, processor seconds",
        "threads and queues alone, seconds",
        *(rf"completed, {threads} thread\(s\), seconds" for threads in (1, 3, 10, 50)),
        *(rf"{way}, 10 thread\(s\), seconds" for way in ("map", "nested")),
        "the pool alone, microseconds a task",
    ):
        assert re.search(rf"^{name} +\d+\.\d\d +\d+\.\d\d +\d+\.\d\dx$", text, re.MULTILINE), text
    lists = r"^A thread pool: 6 list pages lead to [1-9]\d* detail pages\.$"
    assert re.search(lists, text, re.MULTILINE)
    assert "Each side 1 times in turns, and found the same; medians." in text


def test_the_demo_notices_when_the_sides_find_different_things(site: Site) -> None:
    numbers = itertools.count()
    site.answers["/index.html"] = lambda: page(f"Visit {next(numbers)}")
    outcome = demo(f"{site.address}/index.html", "--rounds", "1")
    assert outcome.code == 1
    assert "The sides did NOT find the same:" in outcome.lines


def test_the_demo_fails_when_a_crawl_fails(site: Site) -> None:
    outcome = demo(f"{site.address}/nothing.html", "--rounds", "1")
    assert outcome.code == 1
    assert "cannot be had: 404 Not Found" in outcome.errors
    assert "Traceback" not in outcome.errors


def test_pydoc_makes_pages_where_no_documentation_is_installed(tmp_path: Path) -> None:
    outcome = run_under("stock", CRAWLER / "corpus.py", str(tmp_path))
    assert outcome.code == 0, outcome.errors
    index = (tmp_path / "index.html").read_text()
    for name in ("queue", "threading", "sqlite3"):
        assert f'<a href="{name}.html">' in index
        title = re.search(r"<title>(.*)</title>", (tmp_path / f"{name}.html").read_text())
        assert title
        assert title[1].endswith(name)
