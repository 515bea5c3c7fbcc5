"""The page of the fleet, and the numbers below it: what `workers lag` serves."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from prometheus_client import make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client import CollectorRegistry

    from workers.fleet.status.collector import StatusCollector
    from workers.monitoring.http import Health
    from workers.monitoring.lag_poller import LagPoller

ASSETS = {
    "/": ("fleet.html", "text/html; charset=utf-8"),
    "/fleet.css": ("fleet.css", "text/css; charset=utf-8"),
    "/fleet.js": ("fleet.js", "text/javascript; charset=utf-8"),
}
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
HEADERS = [
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
IDLE_SECONDS = 15.0
"""Without a reader, nobody but Kafka is asked any more."""
FRESH_SECONDS = 0.4
"""An answer serves all readers for so long: many open pages cost no more than one."""
FIRST_ANSWER_SECONDS = 1.0


class Fleet:
    """The fleet for the page. supervisord and the services are asked only while somebody reads it."""

    def __init__(self, watch: LagPoller, survey: Callable[[], StatusCollector]) -> None:
        """Args: survey: makes one, when the first reader comes."""
        self._watch, self._make = watch, survey
        self._survey: StatusCollector | None = None
        self._lock = threading.Lock()
        self._answered, self._answer = -IDLE_SECONDS, b""

    def as_json(self) -> bytes:
        """Everything that the page shows."""
        with self._lock:
            if time.monotonic() - self._answered > FRESH_SECONDS:
                self._answer = json.dumps(self._as_dict(), allow_nan=False).encode()
                self._answered = time.monotonic()
            return self._answer

    def rest(self, idle: float = IDLE_SECONDS) -> None:
        """Ask nobody any more, if nobody has read for so many seconds."""
        with self._lock:
            if self._survey and time.monotonic() - self._answered >= idle:
                self._survey.close()
                self._survey = None

    def _as_dict(self) -> dict[str, Any]:
        if self._survey is None:
            self._survey = self._make()
            self._survey.start()
            self._survey.wait(FIRST_ANSWER_SECONDS)
        look = self._watch.current()
        partitions = look.partitions if look else None
        return {
            "status": self._survey.collect().as_dict(),
            "partitions": None
            if partitions is None
            else [tp._asdict() | asdict(part) for tp, part in sorted(partitions.items())],
            "points": [point and point._asdict() for point in self._watch.points()],
            "interval": self._watch.interval,
        }


def application(
    host: str, registry: CollectorRegistry, health: Health, fleet: Fleet
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """The pages of `workers lag`. Args: host: where it is served."""
    metrics = make_wsgi_app(registry)
    folder = files("workers.web") / "static"
    assets = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in ASSETS.items()}
    known = ", ".join([*assets, "/fleet.json", "/metrics", "/healthz"])

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]

        def answer(status: str, body: bytes, kind: str = TEXT) -> Iterable[bytes]:
            start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *HEADERS])
            return [] if method == "HEAD" else [body]

        if not is_meant(host, environ.get("HTTP_HOST", "")):
            return answer("403 Forbidden", b"this page is read under the address of this machine, or as localhost\n")
        if method not in ("GET", "HEAD"):
            return answer("405 Method Not Allowed", b"this page is only read\n")
        if path in assets:
            return answer("200 OK", *assets[path])
        if path == "/metrics":
            pages: Iterable[bytes] = metrics(environ, start_response)
            return pages
        if path == "/fleet.json":
            return answer("200 OK", fleet.as_json(), JSON)
        if path == "/healthz":
            problem = health.liveness_problem()
            return answer("503 Service Unavailable" if problem else "200 OK", f"{problem or 'ok'}\n".encode())
        return answer("404 Not Found", f"no such page: {known}\n".encode())

    return app


def is_meant(served: str, host: str) -> bool:
    """Whether this Host header is of somebody who meant this server.

    A foreign web page may have its own name lead to 127.0.0.1 and read what is served there (DNS rebinding); it cannot
    do so with an address, or with localhost. Whoever serves it on a network has other readers, under any name.
    """
    if not _is_loopback(served):
        return True
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name.lower() == "localhost" or _address(name) is not None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
