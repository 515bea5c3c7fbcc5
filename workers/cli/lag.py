"""`workers lag`: serves the lag of the group, and the page of the fleet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.options import Tree
from workers.errors import UnavailableError
from workers.naming import address

if TYPE_CHECKING:
    from workers.settings.paths import StatePaths


def lag(tree: Tree = Path()) -> None:
    """Serve the lag of the group: metrics for Prometheus, and the page of the fleet.

    supervisord runs it. It works without any live worker, and reports when Kafka is unavailable. It prints no lag:
    `workers status` does.

    Example: WORKERS_LAG_PORT=9790 workers lag, then http://127.0.0.1:9790/

    Exit codes: 0 it was asked to stop, 69 its port is taken, 78 a setting is wrong.
    """
    # Not at the top: see `workers.cli`.
    from workers.monitoring import logs as log
    from workers.settings import load_all
    from workers.web.server import serve

    settings, _, paths = load_all(tree)
    log.configure(settings, "lag")
    try:
        serve(settings, paths)
    except UnavailableError as error:
        pid = _running(paths)
        if pid is None:
            raise
        raise UnavailableError(
            f"the fleet of {paths.tree} has its own `workers lag`, pid {pid}, which serves "
            f"http://{address(settings.metrics_host, settings.lag_port)}/; `workers status` shows the lag here"
        ) from error


def _running(paths: StatePaths) -> int | None:
    """The pid of the fleet's own process, if that is another one than this."""
    # Not at the top: see `workers.cli`.
    from workers.fleet.supervisor import SupervisorClient

    try:
        pid = SupervisorClient(paths.supervisord_socket).pids().get("lag")
    except UnavailableError:
        return None
    return pid if pid != os.getpid() else None
