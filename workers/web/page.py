"""The HTTP application of `workers lag`: the page of the fleet, its JSON, metrics and health."""

from __future__ import annotations

import ipaddress
from importlib.resources import files
from typing import TYPE_CHECKING

from prometheus_client import make_wsgi_app

from workers.process import NoThreadError
from workers.web.documents import PREFIX, Documents
from workers.web.query import BadQueryError, seconds_asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client import CollectorRegistry

    from workers.monitoring.http import Health
    from workers.web.fleet_view import FleetView

HTML = "text/html; charset=utf-8"
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
"""Of the files in web/static/ that are served by their names."""
WAITING = ("/fleet.json", "/timeline.json")
"""Their answers take a while, or wait for something: the server makes them on a thread of their own."""
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


def application(
    host: str, registry: CollectorRegistry, health: Health, fleet: FleetView
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """The WSGI application. Args: host: the address on which it is served."""
    metrics = make_wsgi_app(registry)
    folder = files("workers.web") / "static"
    assets = {"/": ((folder / "fleet.html").read_bytes(), HTML)} | {
        f"/{file.name}": (file.read_bytes(), kind)
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if (kind := KINDS.get(file.name[file.name.rfind(".") :]))
    }
    documents = Documents()
    known = f"/, /fleet.json, /timeline.json, /metrics, /healthz, {PREFIX}"

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
        if path in WAITING:
            try:
                if path == "/fleet.json":
                    return answer("200 OK", fleet.as_json(), JSON)
                return answer("200 OK", fleet.timeline_as_json(seconds_asked(environ.get("QUERY_STRING", ""))), JSON)
            except NoThreadError as error:
                return answer("503 Service Unavailable", f"{error}\n".encode())
            except BadQueryError as error:
                return answer("400 Bad Request", f"{error}\n".encode())
        if path == "/healthz":
            problem = health.liveness_problem()
            return answer("503 Service Unavailable" if problem else "200 OK", f"{problem or 'ok'}\n".encode())
        if (document := documents.page(path)) is not None:
            return answer("200 OK", document, HTML)
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
