"""The process `workers lag`: polls Kafka and serves the lag and the page, independently of workers and watchdog."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

import structlog

from workers.fleet.status.collector import StatusCollector
from workers.fleet.timeline.sampler import Sampler
from workers.monitoring.http import Health
from workers.monitoring.http_server import Server
from workers.monitoring.lag_metrics import LagMetrics
from workers.monitoring.lag_poller import LagPoller
from workers.monitoring.pause_metrics import PauseMetrics
from workers.naming import address
from workers.process import NoThreadError, limit_memory
from workers.state.pause_file import pause_file
from workers.state.pause_watch import PauseWatch
from workers.web.fleet_view import FleetView
from workers.web.page import WAITING, application
from workers.web.totals import Totals

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

LONGEST_POLL_SECONDS = 60.0
"""The longest poll of Kafka, with all timeouts of the client. After a longer one the process is unhealthy."""
CHECK_SECONDS = 1.0
SHOWN_ROUTES = 3
"""On top of the page; its table has all."""

log = structlog.get_logger()


def serve(settings: Settings, paths: StatePaths) -> None:
    """Serve until SIGTERM or SIGINT, or the end of supervisord.

    Args: paths: of the tree whose fleet it is.

    Raises:
        UnavailableError: the port is taken.
    """
    stop_event, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_event.set())
    # It reads records too: a decompression bomb must fail one poll, and not take the memory of the machine.
    limit_memory(settings.memory_limit)
    # The client logs every attempt to connect, for hours; LagPoller logs once that Kafka is unavailable.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    health = Health(LONGEST_POLL_SECONDS + settings.lag_interval)
    lag = LagPoller(settings, health.iterated)
    metrics = LagMetrics(settings.group, settings.topic, lag.current, lambda: lag.last_success, settings.route_table)
    pauses = PauseWatch(pause_file(paths.state_dir, settings.group))
    PauseMetrics(metrics.registry, lag.current, pauses)
    about = {**named_by(settings), "group": settings.group, "sink": "MongoDB"}
    timeline = Sampler(settings, paths, lag)
    fleet = FleetView(
        lag,
        lambda: StatusCollector(settings, paths, kafka=lag.look),
        timeline,
        totals=Totals(settings),
        about=about,
    )
    app = application(settings.metrics_host, metrics.registry, health, fleet)
    server = Server(
        settings.metrics_host, settings.lag_port, app, "the page", "WORKERS_LAG_PORT", waiting=WAITING
    ).start()
    log.info("serving", pid=os.getpid(), page=f"http://{address(settings.metrics_host, server.port)}/")
    lag.start()
    is_sampling = _begins(timeline)
    # Ends with its parent: an orphan would keep the port that the next fleet needs.
    while not stop_event.wait(CHECK_SECONDS) and os.getppid() == parent:
        fleet.close_if_idle()
        is_sampling = is_sampling or _begins(timeline, again=True)
    server.close()
    fleet.close_if_idle(0)
    timeline.stop()
    lag.stop()
    log.info("stopped")


def named_by(settings: Settings) -> dict[str, str]:
    """What is read, and where it goes: the topic and the collection; of several, the routes and the database."""
    routes = settings.route_table
    if not routes.has_several_topics:
        topic = routes.topics[0]
        return {"topic": topic, "target": f"{settings.database}.{routes.routes[0].collection_of(topic)}"}
    labels = [route.label for route in routes.routes]
    more = f" and {len(labels) - SHOWN_ROUTES} more routes" if len(labels) > SHOWN_ROUTES else ""
    return {"topic": ", ".join(labels[:SHOWN_ROUTES]) + more, "target": settings.database}


def _begins(timeline: Sampler, *, again: bool = False) -> bool:
    """Whether there is a thread for it. Lag and metrics are served without it."""
    try:
        timeline.start()
    except NoThreadError as error:
        if not again:
            log.warning("there is no timeline yet; its thread is tried again each second", error=str(error))
        return False
    return True
