"""The HTTP server of a process: `/metrics`, `/healthz` (its loop iterates), `/readyz` (it can process records now)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, make_wsgi_app

from workers.errors import SinkUnavailableError
from workers.monitoring.http_server import Server
from workers.pipeline.observer import NullObserver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

PING_SHARED_SECONDS = 0.5
"""One ping of the sink answers all `/readyz` that wait, and those that come so soon after it."""


class Health(NullObserver):
    """Liveness and readiness of this process. As an observer it detects a loop that does not iterate."""

    def __init__(self, max_iteration_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: max_iteration_seconds: the longest iteration of a loop that is alive."""
        self._max_iteration_seconds = max_iteration_seconds
        self._clock = clock
        self._last_iteration = clock()
        self.connected: Callable[[], bool] = lambda: False
        self.ping: Callable[[], None] | None = None
        self.degraded: Callable[[], str | None] = lambda: None
        """What this process does without, although it works: told by `/readyz`, which stays 200."""
        self._pinged_at: float | None = None
        self._ping_problem: str | None = None

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
        return self._ping() or self.liveness_problem()

    def _ping(self) -> str | None:
        """Why the sink cannot be used; None: it can. Called on one thread."""
        if self.ping and (self._pinged_at is None or self._clock() - self._pinged_at >= PING_SHARED_SECONDS):
            try:
                self.ping()
                self._ping_problem = None
            except SinkUnavailableError as error:
                self._ping_problem = f"MongoDB: {error}"
            # Read again: a ping that was not answered took seconds.
            self._pinged_at = self._clock()
        return self._ping_problem


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
            if problem is None and path == "/readyz" and (without := health.degraded()):
                problem = f"ok, but {without}"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{problem or 'ok'}\n".encode(errors="backslashreplace")]

        super().__init__(host, port, app, "metrics", setting, waiting={"/readyz"})
