"""`workers lag`: serves the lag of the group, and the page of the fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lag(tree: Annotated[Path, typer.Option(help="The checkout whose fleet it is.")] = Path()) -> None:
    """Serve the lag of the group: metrics for Prometheus, and a page of the fleet. supervisord runs it.

    It works without any live worker, and reports when Kafka is unavailable.

    Example: WORKERS_LAG_PORT=9790 workers lag, then http://127.0.0.1:9790/
    """
    from workers.monitoring import logs as log
    from workers.settings import load_all
    from workers.web.server import serve

    settings, _, paths = load_all(tree)
    log.configure(settings, "lag")
    serve(settings, paths)
