"""The real page, its real server, and an invented fleet behind it: for moments that no real fleet can be held in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any, Self
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry

from tests.support.page_scenes import SCENES, Scene
from workers.monitoring.http import Health
from workers.monitoring.http_server import Server
from workers.web.page import application


class NoFleet:
    """Nothing is asked of it: see `PageServer`."""


class PageServer:
    """Serves the page. `scene` may be changed while it runs; `close` and `start` are a server that is away for a while."""

    def __init__(self, scene: Scene = SCENES["calm"], clock: Callable[[], float] = time.time) -> None:
        self.scene, self.clock = scene, clock
        self.asked: list[str] = []
        """Paths and queries, in their order."""
        self.refuses: dict[str, str] = {}
        """By path: the status with which it is refused."""
        self._port = 0
        self._page = application("127.0.0.1", CollectorRegistry(), Health(1e9), NoFleet())  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        self._server = Server("127.0.0.1", self._port, self._app, "the page", "WORKERS_LAG_PORT").start()
        self._port = self._server.port

    def close(self) -> None:
        self._server.close()

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")

        def answer(status: str, kind: str, body: bytes) -> Iterable[bytes]:
            start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
            return [body]

        self.asked.append(f"{path}?{query}" if query else path)
        if path in self.refuses:
            return answer(self.refuses[path], "text/plain", b"refused by the test\nand a second line")
        if path in ("/fleet.json", "/timeline.json"):
            seconds = int(parse_qs(query).get("seconds", ["120"])[0])
            answers = self.scene(self.clock(), seconds)
            return answer("200 OK", "application/json", json.dumps(answers[path == "/timeline.json"]).encode())
        return self._page(environ, start_response)
