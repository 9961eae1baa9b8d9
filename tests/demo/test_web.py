"""What the crawler sees in a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples.programs import EXAMPLES

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    # As the crawler finds it: the first entry of its path is its own folder.
    monkeypatch.syspath_prepend(EXAMPLES / "crawler")
    import web

    return web


@pytest.mark.parametrize(
    ("href", "link"),
    [
        ("b.html", "http://host/folder/b.html"),
        (" b.html#part ", "http://host/folder/b.html"),
        ("../b.html", "http://host/b.html"),
        ("/b.html?x=1", "http://host/b.html?x=1"),
        ("?x=1", "http://host/folder/page.html?x=1"),
        ("//other/b.html", "http://other/b.html"),
        ("https://other", "https://other/"),
        ("#part", None),
        ("", None),
        ("mailto:a@b", None),
        ("javascript:void(0)", None),
        ("http://[1", None),
    ],
)
def test_a_link_is_absolute_and_without_fragment(
    web: ModuleType, href: str, link: str | None
) -> None:
    page = web.Page("http://host/folder/page.html", 200, f'<a href="{href}">x</a>')
    assert web.parse(page).links == ([] if link is None else [link])


def test_links_are_relative_to_the_base_if_there_is_one(web: ModuleType) -> None:
    html = '<base href="/other/"><a href="b.html">x</a><base href="/ignored/">'
    page = web.Page("http://host/folder/page.html", 200, html)
    assert web.parse(page).links == ["http://host/other/b.html"]


def test_the_title_is_the_first_one_in_one_line(web: ModuleType) -> None:
    html = "<title>\n  A &amp; B\n  C</title><svg><title>not this</title></svg>"
    assert web.parse(web.Page("http://host/", 200, html)).title == "A & B C"


@pytest.mark.parametrize("url", ["ftp://host/x", "nothing", "http:///x", "/path"])
def test_what_is_no_http_url_has_no_site(web: ModuleType, url: str) -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        web.site_of(url)


def test_a_site_is_scheme_and_host(web: ModuleType) -> None:
    assert web.site_of("http://host:80/folder/x?y") == "http://host:80"
