"""One HTTP request, whole in memory, to the bytes of its answer: parsed by the standard library, answered by WSGI."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler

import structlog

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

EXPENSIVE_SECONDS = 0.005
"""Of processor time. The metrics of an ordinary worker take less."""
REUSE_FACTOR = 5
"""An answer is given again for so many times as long as it took to make."""
MOST_RECENT = 4
TOO_LARGE = b"HTTP/1.0 431 Request Header Fields Too Large\r\n\r\n"


def is_complete(head: bytes | bytearray) -> bool:
    """Whether these bytes have the request line and all headers. What follows, a body or more requests, is not read."""
    return b"\r\n\r\n" in head or b"\n\n" in head


def path_of(head: bytes | bytearray) -> str:
    """The path that is asked for, without its query; empty if this is no request."""
    # As the standard library reads it: else a client could have an answer that waits made where none may.
    words = head.partition(b"\n")[0].decode("latin-1").split()
    path = unquote(words[1].partition("?")[0], "latin-1") if len(words) > 1 else ""
    return f"/{path.lstrip('/')}" if path.startswith("/") else path


class HttpAnswers:
    """The answers of one application. An expensive one is given again, for a moment, to the same request: many clients
    that ask for a large page cost little more than one.
    """

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        """Args: environ: what is the same in all requests: `SERVER_NAME` and so on."""
        self._app, self._environ = app, environ
        self._recent: dict[bytes, tuple[float, bytes]] = {}
        """By request: until when its answer is given again, and the answer."""

    def to(self, client: str, request: bytes) -> bytes:
        """The bytes to send. Args: client: its address."""
        now, began = time.monotonic(), time.thread_time()
        until, content = self._recent.get(request, (0.0, b""))
        if now < until:
            return content
        content = answer(self._app, self._environ, client, request)
        if (cost := time.thread_time() - began) > EXPENSIVE_SECONDS:
            if len(self._recent) >= MOST_RECENT:
                self._recent.clear()
            self._recent[request] = time.monotonic() + REUSE_FACTOR * cost, content
        return content


def answer(app: WSGIApplication, environ: WSGIEnvironment, client: str, head: bytes) -> bytes:
    """The bytes to send. Never raises: what the application raises is logged, and answered with 500.

    Args:
        environ: what is the same in all requests: `SERVER_NAME` and so on.
        client: the address of the client.
        head: the request line and the headers.
    """
    answered = io.BytesIO()
    try:
        _Exchange((head, answered), (client, 0), _Application(app, environ))  # type: ignore[arg-type] # no socket
    except Exception as error:  # noqa: BLE001 memory that ran out, or a request on which the parser fails
        log.warning("a request over HTTP could not be answered", error=f"{type(error).__name__}: {error}")
        return b"HTTP/1.0 500 Internal Server Error\r\n\r\n"
    sent = answered.getvalue()
    return sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head.startswith(b"HEAD ") else sent


class _Application:
    """What `WSGIRequestHandler` asks of its server."""

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        self._app = app
        self.base_environ = environ

    def get_app(self) -> WSGIApplication:
        return self._app


class _Exchange(WSGIRequestHandler):
    """The standard library's handler, on memory in place of a socket: it never waits for a client."""

    server: Any

    def setup(self) -> None:
        head, answered = self.request
        self.rfile, self.wfile = io.BufferedReader(io.BytesIO(head)), answered

    def handle(self) -> None:
        self.raw_requestline = self.rfile.readline()
        if not self.parse_request():
            # It has written the error.
            return
        problems = io.StringIO()
        handler = ServerHandler(self.rfile, self.wfile, problems, self.get_environ(), multithread=False)  # type: ignore[arg-type]
        handler.request_handler = self  # type: ignore[attr-defined]
        handler.run(self.server.get_app())
        if problems.getvalue():
            log.error("an answer over HTTP failed", error=problems.getvalue())

    def finish(self) -> None: ...

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: scrapes are too frequent."""
