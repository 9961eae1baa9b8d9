"""Getting pages over HTTP, and finding title and links in them."""

import functools
import http.client
import threading
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import ClassVar
from urllib.parse import urljoin, urlsplit

LARGEST_PAGE = 8_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What came of fetching a URL; `status` is 0 and `error` is set when there was no answer."""

    url: str
    status: int = 0
    html: str = ""
    location: str = ""
    error: str = ""


@dataclass(slots=True)
class Contents:
    title: str = ""
    links: list[str] = field(default_factory=list)
    error: str = ""


class Fetcher:
    """Fetches pages of one site. Each thread that fetches keeps a connection of its own open."""

    CONNECTIONS: ClassVar[dict[str, type[http.client.HTTPConnection]]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }

    def __init__(self, site: str, timeout: float = 10.0) -> None:
        """`site` is scheme and host, as in http://127.0.0.1:8000; `timeout` is in seconds."""
        parts = urlsplit(site)
        self._connection_type = self.CONNECTIONS[parts.scheme]
        self._netloc = parts.netloc
        self._timeout = timeout
        self._mine = threading.local()

    def fetch(self, url: str) -> Page:
        """Never raises for what the site does wrong: that is in the page's status and error."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            try:
                return self._get(url, path)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # A server may close a connection that was kept open: once more, with a new one.
                self._close()
                return self._get(url, path)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._close()
            return Page(url, error=f"{type(error).__name__}: {error}")

    def _get(self, url: str, path: str) -> Page:
        connection = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._connection_type(self._netloc, timeout=self._timeout)
            self._mine.connection = connection
        connection.request("GET", path, headers={"User-Agent": "example-crawler"})
        response = connection.getresponse()
        body = response.read(LARGEST_PAGE + 1)
        if len(body) > LARGEST_PAGE:
            self._close()
            return Page(url, response.status, error=f"larger than {LARGEST_PAGE} bytes")
        if 300 <= response.status < 400:
            return Page(url, response.status, location=response.headers.get("Location", ""))
        if response.status != 200:
            return Page(url, response.status, error=response.reason)
        kind = response.headers.get_content_type()
        if kind != "text/html":
            return Page(url, response.status, error=f"not HTML but {kind}")
        return Page(url, response.status, decode(body, response.headers.get_content_charset()))

    def _close(self) -> None:
        connection = self._mine.__dict__.pop("connection", None)
        if connection is not None:
            connection.close()


def decode(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or "utf-8", errors="replace")
    except LookupError:  # the server names a charset that does not exist
        return body.decode("utf-8", errors="replace")


class _TitleAndLinks(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.hrefs: list[str] = []
        self.title: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "base"):
            for name, value in attrs:
                if name == "href" and value:
                    if tag == "a":
                        self.hrefs.append(value)
                    else:
                        self.base = self.base or value
        elif tag == "title":
            self._in_title = not self.title

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)


def parse(page: Page) -> Contents:
    """Title of a page, and its links to other pages: absolute, without fragment, in order."""
    contents = Contents(error=page.error)
    parser = _TitleAndLinks()
    try:
        parser.feed(page.html)
        parser.close()
    except (AssertionError, ValueError) as error:  # what html.parser cannot make sense of
        contents.error = f"malformed: {error}"
    contents.title = " ".join("".join(parser.title).split())
    if page.location:
        parser.hrefs.append(page.location)
    base = absolute(page.url, parser.base) or page.url
    folder = base[: base.rfind("/") + 1]
    for href in parser.hrefs:
        path = href.partition("#")[0].strip()
        if path and (link := absolute(base if path[0] == "?" else folder, path)):
            contents.links.append(link)
    return contents


@functools.lru_cache(maxsize=10_000)
def absolute(base: str, href: str) -> str:
    """The URL that `href` on a page of the folder `base` leads to; "" when that is not http.

    Cached: the pages of a folder have many links in common.
    """
    try:
        url = urljoin(base, href)
    except ValueError:  # such as http://[1
        return ""
    if not url.startswith(("http://", "https://")):
        return ""
    return url + "/" if url.count("/") == 2 else url


def site_of(url: str) -> str:
    """Scheme and host, in which all URLs of a site agree; ValueError for what is not http."""
    parts = urlsplit(url)
    if parts.scheme not in Fetcher.CONNECTIONS or not parts.hostname:
        raise ValueError(f"not an http or https URL: {url}")
    return f"{parts.scheme}://{parts.netloc}"
