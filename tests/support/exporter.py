"""Somebody else's metrics, for tests: pages of Prometheus' text, on a port of their own.

with Exporter({"/one": lambda: "up_for_seconds 3"}) as exporter:
    exporter.target("/one", job="one")
"""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

Pages = Mapping[str, Callable[[], str]]


class Exporter:
    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def __enter__(self) -> Self:
        pages = self._pages

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = pages[self.path]().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """pytest shows what the tests say, and not each scrape."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def target(self, path: str, **labels: str) -> dict[str, Any]:
        """In the form of Prometheus' file_sd."""
        host, port = self._server.server_address[:2]
        return {"targets": [f"{host!s}:{port}"], "labels": {"__metrics_path__": path, **labels}}


def with_value(text: str, value: float) -> str:
    """The same series, all of this value."""
    return re.sub(r"(?m)^((?!#)\S+?(?:{.*})?) \S+$", rf"\1 {value:.0f}", text)
