"""The crawler on a thread pool finds the same in each way, with few and many threads."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.demo.conftest import Answer, Site, page
from tests.examples.programs import EXAMPLES, RUNNERS, run_under, start_under

if TYPE_CHECKING:
    import subprocess

    from tests.examples.programs import Outcome

PROGRAM = EXAMPLES / "crawler" / "pool_crawler.py"


def crawl(runner: str, start: str, *options: str) -> Outcome:
    return run_under(runner, PROGRAM, start, *options)


@pytest.fixture
def shop(site: Site) -> Site:
    """Five lists of six details each; the last detail of a list is the first of the next one."""
    names = [f"/detail{number}.html" for number in range(26)]
    for number in range(5):
        details = names[number * 5 : number * 5 + 6]
        elsewhere = "http://elsewhere.invalid/"
        site.answers[f"/list{number}.html"] = page(f"List {number}", elsewhere, *details)
    for name in names:
        site.answers[name] = page(name, "/index.html")
    lists = [f"/list{number}.html" for number in range(5)]
    site.answers["/index.html"] = page("Shop", *lists, "/index.html")
    return site


@pytest.mark.parametrize("way", ["map", "completed", "nested"])
@pytest.mark.parametrize("runner", RUNNERS)
def test_lists_and_details(runner: str, way: str, shop: Site) -> None:
    found = set()
    for threads in ("1", "3", "50"):
        outcome = crawl(runner, f"{shop.address}/index.html", "--way", way, "--threads", threads)
        assert (outcome.code, outcome.errors) == (0, "")
        summary = json.loads(outcome.lines[-1])
        assert (summary["lists"], summary["details"]) == (5, 26)
        found.add(summary["digest"])
    assert len(found) == 1
    # Nothing was fetched twice in one crawl: the start page, the lists and the details.
    assert len(shop.requests) == 3 * (1 + 5 + 26)


@pytest.mark.parametrize("runner", RUNNERS)
def test_at_most_so_many(runner: str, shop: Site) -> None:
    outcome = crawl(runner, f"{shop.address}/index.html", "--lists", "2", "--details", "3")
    summary = json.loads(outcome.lines[-1])
    assert (summary["lists"], summary["details"]) == (2, 6)


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_cannot_be_had(runner: str, shop: Site) -> None:
    shop.answers["/list3.html"] = Answer("gone", status=404)
    outcome = crawl(runner, f"{shop.address}/index.html")
    summary = json.loads(outcome.lines[-1])
    # Its list brings none; one detail each is on the lists before and after it.
    assert (outcome.code, summary["lists"], summary["details"]) == (0, 5, 22)

    outcome = crawl(runner, f"{shop.address}/nothing.html")
    assert outcome.code == 1
    assert outcome.errors == (
        f"pool_crawler: {shop.address}/nothing.html cannot be had: Not Found\n"
    )
    outcome = crawl(runner, "http://elsewhere.invalid/")
    assert outcome.code == 2
    assert outcome.errors == "pool_crawler: http://elsewhere.invalid/ is not on this machine\n"


@pytest.mark.parametrize("runner", RUNNERS)
def test_ctrl_c_ends_it(runner: str, shop: Site) -> None:
    program: subprocess.Popen[str]
    interruptions = iter([signal.SIGINT])

    def interrupt() -> None:
        # Once: without an answer the crawler asks a second time.
        for number in interruptions:
            program.send_signal(number)

    shop.answers["/list0.html"] = interrupt
    with start_under(
        runner, PROGRAM, f"{shop.address}/index.html", "--threads", "1", "--latency", "0.05"
    ) as program:
        output, errors = program.communicate(timeout=60)
    assert (program.returncode, output, errors) == (130, "", "")
