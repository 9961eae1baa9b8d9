"""A small site on loopback with everything that a crawler meets: also what is wrong on it."""

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest


@dataclass
class Answer:
    body: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/html"})


def page(title: str, *links: str) -> Answer:
    anchors = "".join(f'<a href="{link}">to {link}</a>' for link in links)
    return Answer(f"<html><head><title>{title}</title></head><body>{anchors}</body></html>")


Make = Callable[[], Answer | None]


class Site:
    """Answers by path: with an Answer, or what a function makes. Its None is no answer at all."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Make] = {}
        self.requests: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                site.requests.append(self.path)
                made = site.answers.get(self.path, Answer("gone", status=404))
                answer = made if isinstance(made, Answer) else made()
                if answer is None:
                    self.close_connection = True
                    return
                body = answer.body.encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Site":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def good_site(site: Site) -> Site:
    """Thirty pages: a start page that leads to all, and each leads to its neighbours."""
    names = [f"/page{number}.html" for number in range(30)]
    site.answers["/index.html"] = page("Start", *names)
    for number, name in enumerate(names):
        links = (names[number - 1], names[(number + 1) % 30], "/index.html#top")
        site.answers[name] = page(f"Page {number}", *links)
    return site
