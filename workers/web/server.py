"""The process `workers lag`: it looks at Kafka, and serves what it sees, whatever becomes of everybody else."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING

import structlog

from workers.fleet.status.collector import StatusCollector
from workers.monitoring.http import Health, Server
from workers.monitoring.lag_metrics import LagMetrics
from workers.monitoring.lag_poller import LagPoller
from workers.web.page import Fleet, application

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

LONGEST_LOOK = 60.0
"""Seconds that one look may take, with every timeout of the client's, before the process is called dead."""
CHECK_SECONDS = 1.0

log = structlog.get_logger()


def serve(settings: Settings, paths: StatePaths) -> None:
    """Serve until SIGTERM or SIGINT, or the end of supervisord.

    Args: paths: of the tree whose fleet it is.

    Raises:
        UnavailableError: the port is taken.
    """
    over, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    if sys.platform == "linux":
        # It reads the very record that kills a worker: a decompression bomb costs it an answer, and not the machine.
        resource.setrlimit(resource.RLIMIT_DATA, (settings.memory_limit << 20, settings.memory_limit << 20))
    # The client tells of every attempt to connect, for hours; that Kafka is away is told here, once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    health = Health(LONGEST_LOOK + settings.lag_interval)
    watch = LagPoller(settings, health.iterated)
    metrics = LagMetrics(settings.group, settings.topic, watch.current, lambda: watch.last_success)
    fleet = Fleet(watch, lambda: StatusCollector(settings, paths))
    app = application(settings.metrics_host, metrics.registry, health, fleet)
    server = Server(settings.metrics_host, settings.lag_port, app, "the page", "WORKERS_LAG_PORT")
    log.info("serving", pid=os.getpid(), page=f"http://{settings.metrics_host}:{server.port}/")
    watch.start()
    # An orphan would keep the port from the next fleet's.
    while not over.wait(CHECK_SECONDS) and os.getppid() == parent:
        fleet.rest()
    server.close()
    fleet.rest(0)
    watch.stop()
    log.info("stopped")
