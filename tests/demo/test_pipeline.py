"""The pipeline alone: a stage that fails ends the crawl instead of blocking it."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.examples.programs import EXAMPLES, RUNNERS, run_under

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = EXAMPLES / "crawler"

# A crawl of 100 pages with 2,000 links each, in which one stage fails; much more than the queues
# between the stages hold.
PROGRAM = """
    import sys
    sys.path.insert(0, {folder!r})
    from pipeline import Crawl
    from web import Contents, Page

    SITE = "http://localhost"
    LINKS = [f"{{SITE}}/{{number}}" for number in range(2000)]

    def fetch(url):
        if "fetch" == {failing!r} and url.endswith("/10"):
            raise RuntimeError("fetch fails")
        return Page(url)

    def parse(page):
        if "parse" == {failing!r} and page.url.endswith("/10"):
            raise RuntimeError("parse fails")
        return Contents(links=LINKS)

    def write(row):
        if "write" == {failing!r} and len(seen) == 5000:
            raise RuntimeError("write fails")
        seen.append(row)

    seen = []
    crawl = Crawl(fetch, parse, write)
    try:
        crawl.run(SITE, 100)
    except RuntimeError as error:
        print(error)
    else:
        print(crawl.counts(), len(seen))
"""


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("failing", ["fetch", "parse", "write"])
def test_a_stage_that_fails_ends_the_crawl(runner: str, failing: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).format(folder=str(FOLDER), failing=failing))
    outcome = run_under(runner, program)
    assert outcome.errors == ""
    assert outcome.lines == [f"{failing} fails"]
    assert outcome.code == 0


@pytest.mark.parametrize("runner", RUNNERS)
def test_without_a_failure_everything_arrives(runner: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).format(folder=str(FOLDER), failing="none"))
    outcome = run_under(runner, program)
    assert outcome.errors == ""
    assert outcome.lines == ["Counts(pages=100, links=200000, errors=0, waiting=0) 200100"]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(("pages", "links"), [(1, 0), (10, 9), (40, 1003)])
def test_the_traffic_alone_passes_all_pages_and_links(runner: str, pages: int, links: int) -> None:
    # It asserts itself that as many came through as it was told.
    outcome = run_under(runner, FOLDER / "traffic.py", str(pages), str(links))
    assert outcome.errors == ""
    assert re.fullmatch(r"\d+\.\d{3}", outcome.lines[0])
