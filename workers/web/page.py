"""The HTTP application of `workers lag`: the page of the fleet, its JSON, metrics and health."""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from prometheus_client import make_wsgi_app

from workers.process import NoThreadError

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
"""Without a request for so long, the status is not collected any more."""
CACHE_SECONDS = 0.4
"""One answer serves all requests for so long: many open pages cost no more than one."""
FIRST_STATUS_SECONDS = 1.0
"""The longest wait of the first request for the services to answer."""


class FleetView:
    """The data of the page. The status is collected only while the page is requested. Thread-safe."""

    def __init__(self, lag: LagPoller, new_collector: Callable[[], StatusCollector]) -> None:
        """Args: new_collector: called at the first request, and at the first after an idle time."""
        self._lag, self._new_collector = lag, new_collector
        self._collector: StatusCollector | None = None
        self._lock = threading.Lock()
        self._answered, self._answer = -IDLE_SECONDS, b""

    def as_json(self) -> bytes:
        """Everything that the page shows."""
        with self._lock:
            if time.monotonic() - self._answered > CACHE_SECONDS:
                self._answer = json.dumps(self._as_dict(), allow_nan=False).encode()
                self._answered = time.monotonic()
            return self._answer

    def close_if_idle(self, idle: float = IDLE_SECONDS) -> None:
        """Stop the collector, if there was no request for so many seconds."""
        with self._lock:
            if self._collector and time.monotonic() - self._answered >= idle:
                self._collector.close()
                self._collector = None

    def _as_dict(self) -> dict[str, Any]:
        if self._collector is None:
            collector = self._new_collector()
            # If there is no thread for one of its pollers, the others end again: the next request tries anew.
            with ExitStack() as undo:
                undo.callback(collector.close)
                collector.start()
                undo.pop_all()
            self._collector = collector
            self._collector.wait(FIRST_STATUS_SECONDS)
        snapshot = self._lag.current()
        partitions = snapshot.partitions if snapshot else None
        status = self._collector.collect().as_dict()
        return {
            "status": status,
            "audit": status.get("audit"),
            "partitions": None
            if partitions is None
            else [tp._asdict() | asdict(part) for tp, part in sorted(partitions.items())],
            "points": [point and point._asdict() for point in self._lag.points()],
            "interval": self._lag.interval,
        }


def application(
    host: str, registry: CollectorRegistry, health: Health, fleet: FleetView
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """The WSGI application. Args: host: the address on which it is served."""
    metrics = make_wsgi_app(registry)
    folder = files("workers.web") / "static"
    assets = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in ASSETS.items()}
    known = ", ".join([*assets, "/fleet.json", "/metrics", "/healthz"])

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]

        def answer(status: str, body: bytes, kind: str = TEXT) -> Iterable[bytes]:
            start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *HEADERS])
            return [] if method == "HEAD" else [body]

        if not is_allowed_host(host, environ.get("HTTP_HOST", "")):
            return answer("403 Forbidden", b"open this page by the IP address of this machine, or as localhost\n")
        if method not in ("GET", "HEAD"):
            return answer("405 Method Not Allowed", b"only GET and HEAD are allowed\n")
        if path in assets:
            return answer("200 OK", *assets[path])
        if path == "/metrics":
            pages: Iterable[bytes] = metrics(environ, start_response)
            return pages
        if path == "/fleet.json":
            try:
                return answer("200 OK", fleet.as_json(), JSON)
            except NoThreadError as error:
                return answer("503 Service Unavailable", f"{error}\n".encode())
        if path == "/healthz":
            problem = health.liveness_problem()
            return answer("503 Service Unavailable" if problem else "200 OK", f"{problem or 'ok'}\n".encode())
        return answer("404 Not Found", f"no such page; there are {known}\n".encode())

    return app


def is_allowed_host(served: str, host: str) -> bool:
    """Whether a request with this Host header is answered. Args: served: the address on which this server listens.

    On the loopback interface only addresses and localhost are. Another name may be that of a foreign web page that
    resolves to 127.0.0.1 to read what is served here (DNS rebinding). On a network any name is allowed.
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
