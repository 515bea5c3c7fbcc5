"""Writes var/run/targets.json: what Prometheus scrapes, which is every process that deploy/supervisord.conf names.

Whether a process runs makes no difference: one that crashed stays listed, so that `up` is 0 and somebody is told. Only
a smaller `numprocs` takes a worker away. Its label is its slot, never a pid, so that its series go on after a restart.
`make demo` and `make prometheus` run this; Prometheus sees the new file at once.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

from supervisor.options import ServerOptions

from workers.errors import BadConfigurationError
from workers.naming import address
from workers.settings import PREFIX, load

TREE = Path(__file__).absolute().parents[2]
WORKER = "run"
OTHERS = {"lag": "lag", "watchdog": "watchdog", "audit": "auditor"}
"""The commands of the fleet's other programs; their jobs, which are the beginnings of the names of their ports' settings."""

APP = "kafka-mongo-workers"
"""The label `app`, which our jobs and our alerts have and no others: rules and dashboards ask for it."""

EVERY_ADDRESS = ("", "0.0.0.0", "::")


def main() -> int:
    try:
        found = write()
    except ValueError as error:
        print(f"targets: {error}", file=sys.stderr)
        return 78
    print(f"Prometheus scrapes {', '.join(found)}")
    return 0


def write(tree: Path = TREE) -> list[str]:
    """Write the file of this tree, whole or not at all.

    Returns:
        The addresses that stand in it.

    Raises:
        ValueError: supervisord.conf or a setting is wrong; with the reason.
    """
    found = targets(tree)
    path = tree / "var/run/targets.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    new.replace(path)
    return [address for each in found for address in each["targets"]]


def targets(tree: Path = TREE) -> list[dict[str, Any]]:
    """In the form of Prometheus' file_sd."""
    options = ServerOptions()
    # What supervisord says of a mistake stands in a SystemExit's traceback otherwise.
    options.usage = _raise
    options.realize(["-c", str(tree / "deploy/supervisord.conf")])
    processes = [process for group in options.process_group_configs for process in group.process_configs]
    return [target for process in processes if (target := _target(tree, process))]


def _target(tree: Path, process: Any) -> dict[str, Any] | None:
    command = process.command.rpartition(" ")[2]
    if command not in (WORKER, *OTHERS):
        return None
    own = {name.removeprefix(PREFIX).lower(): value for name, value in process.environment.items() if PREFIX in name}
    try:
        settings = load(tree, **own)
    except BadConfigurationError as error:
        raise ValueError("; ".join(error.problems)) from error
    if command == WORKER:
        port, labels = settings.metrics_port, {"job": "workers", "worker": process.name}
        port = port and port + settings.slot
    else:
        job = OTHERS[command]
        port, labels = getattr(settings, f"{job}_port"), {"job": job}
    if not port:
        raise ValueError(f"{process.name} serves its metrics on a port that nobody knows: set WORKERS_METRICS_PORT")
    # Where it listens on all addresses, it is asked on this machine's own.
    host = "127.0.0.1" if settings.metrics_host in EVERY_ADDRESS else settings.metrics_host
    labels |= {"app": APP, "group": settings.group, "host": socket.gethostname()}
    return {"targets": [address(host, port)], "labels": labels}


def _raise(problem: str) -> None:
    raise ValueError(problem)


if __name__ == "__main__":
    sys.exit(main())
