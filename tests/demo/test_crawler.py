"""The crawler finds the same on the stdlib and on Ropewalk, whatever is wrong on a site."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import sqlite3
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.demo.conftest import Answer, page
from tests.examples.programs import EXAMPLES, RUNNERS, environment, run_under, start_under

if TYPE_CHECKING:
    from pathlib import Path

    from tests.demo.conftest import Site
    from tests.examples.programs import Outcome

CRAWLER = EXAMPLES / "crawler" / "crawler.py"


@pytest.fixture(params=list(RUNNERS))
def runner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "crawl.sqlite"


def crawl(runner: str, start: str, database: Path, *options: str) -> Outcome:
    return run_under(runner, CRAWLER, start, "--database", str(database), *options)


def rows(database: Path, query: str) -> list[tuple[str | int, ...]]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def pages_in(database: Path) -> dict[str, tuple[str | int, ...]]:
    """Path -> status, title, error."""
    found = rows(database, "SELECT url, status, title, error FROM pages")
    return {"/" + str(url).split("/", 3)[3]: (*rest,) for url, *rest in found}


def test_every_page_and_link_of_a_site(runner: str, good_site: Site, database: Path) -> None:
    outcome = crawl(runner, f"{good_site.address}/index.html", database, "--json")
    assert outcome.code == 0, outcome.errors
    summary = json.loads(outcome.lines[-1])
    assert summary.pop("seconds") > 0
    assert summary == {"pages": 31, "links": 120, "errors": 0, "complete": True}

    assert pages_in(database) == {
        "/index.html": (200, "Start", ""),
        **{f"/page{number}.html": (200, f"Page {number}", "") for number in range(30)},
    }
    at = good_site.address
    expected = [(f"{at}/index.html", f"{at}/page{number}.html") for number in range(30)]
    for number in range(30):
        targets = (f"page{(number - 1) % 30}", f"page{(number + 1) % 30}", "index")
        expected += [(f"{at}/page{number}.html", f"{at}/{target}.html") for target in targets]
    assert sorted(rows(database, "SELECT source, target FROM links")) == sorted(expected)
    # Each page was fetched once, however many links lead to it.
    assert sorted(good_site.requests) == sorted({*good_site.requests})


@pytest.mark.parametrize("threads", [1, 12])
def test_what_is_crawled_does_not_depend_on_the_threads(
    runner: str, good_site: Site, database: Path, threads: int
) -> None:
    options = ("--fetchers", str(threads), "--parsers", str(threads), "--pages", "11")
    outcome = crawl(runner, f"{good_site.address}/index.html", database, *options)
    assert outcome.code == 0, outcome.errors
    names = sorted(f"/page{number}.html" for number in range(30))
    assert set(pages_in(database)) == {"/index.html", *names[:10]}


def test_what_is_wrong_on_a_site_is_written_down(runner: str, site: Site, database: Path) -> None:
    site.answers |= {
        "/index.html": page(
            "Start",
            "gone.html",
            "picture.png",
            "moved.html",
            "dropped.html",
            "charset.html",
            "malformed.html",
            "untitled.html",
            "failing.html",
            "mailto:someone@example.com",
            "http://192.0.2.1/elsewhere.html",
            "http://[nonsense",
        ),
        "/picture.png": Answer("no HTML", headers={"Content-Type": "image/png"}),
        "/moved.html": Answer(status=301, headers={"Location": "/target.html"}),
        "/target.html": page("Target"),
        "/dropped.html": lambda: None,
        "/charset.html": Answer(
            "<title>caf\u00e9</title>", headers={"Content-Type": "text/html; charset=no-such"}
        ),
        "/malformed.html": Answer('<title>Broken</title></a b><a href="/last.html"<<p></ <![x'),
        "/last.html": page(" Last\n  one "),
        "/untitled.html": Answer("<p>nothing"),
        "/failing.html": Answer(status=500),
    }
    outcome = crawl(runner, f"{site.address}/index.html", database)
    assert outcome.code == 0, outcome.errors
    found = pages_in(database)
    status, title, error = found.pop("/dropped.html")
    assert (status, title) == (0, "")
    assert str(error).startswith("RemoteDisconnected")
    status, title, _ = found.pop("/malformed.html")
    assert (status, title) == (200, "Broken")
    found.pop("/last.html", None)  # whether html.parser sees this link differs with its version
    assert found == {
        "/index.html": (200, "Start", ""),
        "/gone.html": (404, "", "Not Found"),
        "/picture.png": (200, "", "not HTML but image/png"),
        "/moved.html": (301, "", ""),
        "/target.html": (200, "Target", ""),
        "/charset.html": (200, "caf\u00e9", ""),
        "/untitled.html": (200, "", ""),
        "/failing.html": (500, "", "Internal Server Error"),
    }
    targets = {target for (target,) in rows(database, "SELECT target FROM links")}
    assert "http://192.0.2.1/elsewhere.html" in targets
    assert not any("mailto" in str(target) or "[" in str(target) for target in targets)


def test_ctrl_c_ends_the_crawl_with_a_summary(runner: str, site: Site, database: Path) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        may_answer.wait(60)

    site.answers["/index.html"] = page("Start", "hanging.html")
    site.answers["/hanging.html"] = hang
    start = f"{site.address}/index.html"
    try:
        with start_under(runner, CRAWLER, start, "--database", str(database)) as crawler:
            assert asked.wait(30)
            crawler.send_signal(signal.SIGINT)
            # The page that hangs would take ten seconds to time out, and the server a minute.
            output, errors = crawler.communicate(timeout=8)
    finally:
        may_answer.set()
    assert crawler.returncode == 130, errors
    assert "Traceback" not in errors
    interrupted, summary = output.splitlines()
    assert interrupted == "interrupted; what was found so far:"
    assert summary.startswith("pages: 1, links: 1, errors: 0, seconds: ")
    assert pages_in(database) == {"/index.html": (200, "Start", "")}


def test_a_folder_is_served_by_the_crawler(runner: str, tmp_path: Path, database: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text('<title>Start</title><a href="a%20b.html">x</a>')
    (folder / "a b.html").write_text("<title>A B</title>")
    outcome = crawl(runner, str(folder), database)
    assert outcome.code == 0, outcome.errors
    assert pages_in(database) == {
        "/index.html": (200, "Start", ""),
        "/a%20b.html": (200, "A B", ""),
    }


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("http://192.0.2.1/", "is not on this machine; --allow-remote permits that"),
        ("ftp://127.0.0.1/", "not an http or https URL"),
        ("no/such/folder", "not an http or https URL"),
        ("http://127.0.0.1:1/", "cannot be had: ConnectionRefusedError"),
    ],
)
def test_a_start_that_cannot_be_is_an_error(
    runner: str, database: Path, start: str, words: str
) -> None:
    outcome = crawl(runner, start, database)
    assert outcome.code == 1
    assert words in outcome.errors
    assert "Traceback" not in outcome.errors


def test_a_start_page_that_is_not_there_is_an_error(
    runner: str, site: Site, database: Path
) -> None:
    outcome = crawl(runner, f"{site.address}/nothing.html", database)
    assert outcome.code == 1
    assert "cannot be had: 404 Not Found" in outcome.errors


def test_a_database_that_cannot_be_written_is_an_error(
    runner: str, good_site: Site, tmp_path: Path
) -> None:
    outcome = crawl(runner, f"{good_site.address}/index.html", tmp_path / "no" / "x.sqlite")
    assert outcome.code == 1
    assert "unable to open database file" in outcome.errors


def test_wrong_arguments_are_told(runner: str, database: Path) -> None:
    outcome = crawl(runner, "http://127.0.0.1/", database, "--pages", "0")
    assert outcome.code == 2
    assert "--pages" in outcome.errors


ROBOTS = """
import sys
sys.path.insert(0, {folder!r})
from crawler import obeying_robots_txt
from web import Fetcher

fetch = obeying_robots_txt({site!r}, Fetcher({site!r}).fetch)
for name in ("page1.html", "private/page.html"):
    page = fetch({site!r} + "/" + name)
    print(page.status, page.error)
"""


def test_robots_txt_is_obeyed(runner: str, good_site: Site, tmp_path: Path) -> None:
    good_site.answers["/robots.txt"] = Answer("User-agent: *\nDisallow: /private/\n")
    good_site.answers["/private/page.html"] = page("Private")
    program = tmp_path / "program.py"
    program.write_text(ROBOTS.format(folder=str(CRAWLER.parent), site=good_site.address))
    outcome = run_under(runner, program)
    assert outcome.errors == ""
    assert outcome.lines == ["200 ", "0 forbidden by robots.txt"]
    assert "/private/page.html" not in good_site.requests


def test_progress_ends_with_what_was_done(runner: str, good_site: Site, database: Path) -> None:
    outcome = crawl(runner, f"{good_site.address}/index.html", database)
    assert outcome.errors.splitlines()[-1] == "31 pages, 120 links, 0 errors, 0 waiting"
    assert "\r" not in outcome.errors


def test_progress_is_redrawn_on_a_terminal(runner: str, good_site: Site, database: Path) -> None:
    ours, terminal = pty.openpty()
    start = f"{good_site.address}/index.html"
    command = [*RUNNERS[runner], str(CRAWLER), start, "--database", str(database)]
    try:
        subprocess.run(command, stderr=terminal, timeout=60, check=True, env=environment())
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(terminal)
        os.close(ours)
    assert "\r\x1b[K31 pages, 120 links, 0 errors, 0 waiting\r\n" in shown
    assert shown.count("\n") == 1
