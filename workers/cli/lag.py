"""`workers lag`: what supervisord runs beside the workers, for Prometheus and for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lag(tree: Annotated[Path, typer.Option(help="The checkout whose fleet it is.")] = Path()) -> None:
    """Serve how far the fleet is behind: metrics for Prometheus, and a page for people. supervisord runs it.

    It goes on when every worker is dead, and says so when Kafka is.

    Example: WORKERS_LAG_PORT=9790 workers lag, then http://127.0.0.1:9790/
    """
    from workers.monitoring import logs as log
    from workers.settings import load_all
    from workers.web.server import serve

    settings, _, paths = load_all(tree)
    log.configure(settings, "lag")
    serve(settings, paths)
