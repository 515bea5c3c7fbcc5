"""The HTTP server of a process: `/metrics`, `/healthz` (its loop iterates), `/readyz` (it can process records now)."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING, Self
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from workers.errors import SinkUnavailableError, UnavailableError
from workers.pipeline.observer import NullObserver
from workers.state.proc import port_holder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class Health(NullObserver):
    """Liveness and readiness of this process. As an observer it detects a loop that does not iterate."""

    def __init__(self, max_iteration_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: max_iteration_seconds: the longest iteration of a loop that is alive."""
        self._max_iteration_seconds = max_iteration_seconds
        self._clock = clock
        self._last_iteration = clock()
        self.connected: Callable[[], bool] = lambda: False
        self.ping: Callable[[], None] | None = None

    def iterated(self) -> None:
        self._last_iteration = self._clock()

    def liveness_problem(self) -> str | None:
        """Why this process is not alive; None: it is."""
        age = self._clock() - self._last_iteration
        return f"no iteration of the loop for {age:.0f} s" if age > self._max_iteration_seconds else None

    def readiness_problem(self) -> str | None:
        """Why this process cannot process records now; None: it can."""
        if not self.connected():
            return "not in the consumer group yet"
        try:
            if self.ping:
                self.ping()
        except SinkUnavailableError as error:
            return f"MongoDB: {error}"
        return self.liveness_problem()


class Server:
    """Serves a WSGI application on a thread of its own."""

    def __init__(self, host: str, port: int, app: WSGIApplication, what: str, setting: str) -> None:
        """Args:
        what: what is served, for the error message.
        setting: the setting of the port, for the error message.
        """
        self._host, self.port, self._app = host, port, app
        self._what, self._setting = what, setting
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Bind the port and serve; `port` is then the one that was bound, also where 0 was asked for.

        Raises:
            UnavailableError: the port is in use.
        """
        host, port = self._host, self.port
        try:
            self._server = make_server(host, port, self._app, ThreadingWSGIServer, handler_class=_Quiet)
        except OSError as error:
            holder = port_holder(port) if error.errno == errno.EADDRINUSE else None
            raise UnavailableError(
                f"cannot serve {self._what} on {host}:{port}: {error.strerror}{f' by {holder}' if holder else ''}. "
                f"Set {self._setting} to another port, or stop the process that has this one: another fleet?"
            ) from error
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.1], name="http", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving, and release the port."""
        if self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class HealthServer(Server):
    """Serves one process's metrics and health."""

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health: Health, setting: str = "WORKERS_METRICS_PORT"
    ) -> None:
        """Args: setting: the setting of the port, for the error message."""
        metrics = make_wsgi_app(registry)

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path in ("/metrics", "/"):
                pages: Iterable[bytes] = metrics(environ, start_response)
                return pages
            check = {"/healthz": health.liveness_problem, "/readyz": health.readiness_problem}.get(path)
            problem = check() if check else "no such page; there are /metrics, /healthz, /readyz"
            status = "200 OK" if problem is None else "503 Service Unavailable" if check else "404 Not Found"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{problem or 'ok'}\n".encode()]

        super().__init__(host, port, app, "metrics", setting)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: scrapes are too frequent."""
