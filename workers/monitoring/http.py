"""The HTTP side of a worker: `/metrics`, `/healthz` (the loop is alive), `/readyz` (it can do its work now)."""

from __future__ import annotations

import errno
import threading
import time
from typing import TYPE_CHECKING
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
    """What is known about this process. It is an observer, so that a loop that stands still is seen as such."""

    def __init__(self, max_iteration_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: max_iteration_seconds: seconds that one turn of the loop may take and still be called alive."""
        self._max_iteration_seconds = max_iteration_seconds
        self._clock = clock
        self._last_turn = clock()
        self.connected: Callable[[], bool] = lambda: False
        self.ping: Callable[[], None] | None = None

    def iterated(self) -> None:
        self._last_turn = self._clock()

    def alive(self) -> str | None:
        """None, or why this process is not alive."""
        age = self._clock() - self._last_turn
        return f"the loop has not turned for {age:.0f} s" if age > self._max_iteration_seconds else None

    def ready(self) -> str | None:
        """None, or why this process cannot do its work now."""
        if not self.connected():
            return "not in the consumer group yet"
        try:
            if self.ping:
                self.ping()
        except SinkUnavailableError as error:
            return f"MongoDB: {error}"
        return self.alive()


class Server:
    """Serves an application on a thread of its own."""

    def __init__(self, host: str, port: int, app: WSGIApplication, what: str, setting: str) -> None:
        """Bind.

        Args:
            what: is served, and setting: the variable that has its port, for the message.

        Raises:
            UnavailableError: the port is taken.
        """
        try:
            self._server = make_server(host, port, app, ThreadingWSGIServer, handler_class=_Quiet)
        except OSError as error:
            holder = port_holder(port) if error.errno == errno.EADDRINUSE else None
            raise UnavailableError(
                f"cannot serve {what} on {host}:{port}: {error.strerror}{f' by {holder}' if holder else ''}. "
                f"Another fleet? Set {setting} to another port, or stop what has this one"
            ) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.1], name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving, and give the port free."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class HealthServer(Server):
    """Serves one process's metrics and health."""

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health: Health, setting: str = "WORKERS_METRICS_PORT"
    ) -> None:
        """Bind. Args: setting: the variable that has the port.

        Raises:
            UnavailableError: the port is taken.
        """
        metrics = make_wsgi_app(registry)

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path in ("/metrics", "/"):
                pages: Iterable[bytes] = metrics(environ, start_response)
                return pages
            check = {"/healthz": health.alive, "/readyz": health.ready}.get(path)
            problem = check() if check else "no such page: /metrics, /healthz, /readyz"
            status = "200 OK" if problem is None else "503 Service Unavailable" if check else "404 Not Found"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{problem or 'ok'}\n".encode()]

        super().__init__(host, port, app, "metrics", setting)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape is no event."""
