"""var/run/targets.json: what Prometheus scrapes, which is every process that supervisord.conf and local.d/ name.

Whether a process runs makes no difference: one that crashed stays listed, so that `up` is 0 and somebody is told. Only
a smaller `numprocs` takes a worker away. Its label is its slot, never a pid, so that its series go on after a restart.
Prometheus sees the new file at once.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from typing import TYPE_CHECKING, Any, NoReturn

from supervisor.options import ServerOptions

from workers.errors import BadConfigurationError, NotFoundError
from workers.fleet.start_command import conf_of
from workers.naming import address
from workers.settings import PREFIX, load
from workers.settings.files import shown

if TYPE_CHECKING:
    from pathlib import Path

WORKER = "run"
OTHERS = {"lag": "lag", "watchdog": "watchdog", "audit": "auditor"}
"""The commands of the fleet's other programs; their jobs, which are the beginnings of the names of their ports' settings."""

APP = "kafka-mongo-workers"
"""The label `app`, which our jobs and our alerts have and no others: rules and dashboards ask for it."""


def write_targets(tree: Path) -> list[str]:
    """Write the file of a fleet's folder, whole or not at all.

    Returns:
        The addresses that stand in it.

    Raises:
        NotFoundError: there is no supervisord.conf.
        BadConfigurationError: supervisord.conf or a setting is wrong; with the reason.
        OSError: it cannot be written.
    """
    found = _targets(tree)
    path = tree / "var/run/targets.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    new.replace(path)
    return [address for each in found for address in each["targets"]]


def _targets(tree: Path) -> list[dict[str, Any]]:
    """In the form of Prometheus' file_sd."""
    conf = conf_of(tree)
    if conf is None:
        raise NotFoundError(f"{shown(tree)} has no supervisord.conf; `workers init` writes one")
    options = ServerOptions()
    # What supervisord says of a mistake stands in a SystemExit's traceback otherwise.
    options.usage = _refuse
    options.realize(["-c", str(conf)])
    processes = [process for group in options.process_group_configs for process in group.process_configs]
    return [target for process in processes if (target := _target(tree, process))]


def _target(tree: Path, process: Any) -> dict[str, Any] | None:
    command = process.command.rpartition(" ")[2]
    if command not in (WORKER, *OTHERS):
        return None
    own = {name.removeprefix(PREFIX).lower(): value for name, value in process.environment.items() if PREFIX in name}
    settings = load(tree, **own)
    if command == WORKER:
        field, labels = "metrics_port", {"job": "workers", "worker": process.name}
    else:
        job = OTHERS[command]
        field, labels = f"{job}_port", {"job": job}
    port = getattr(settings, field)
    if not port:
        raise BadConfigurationError(
            [
                f"{process.name} serves its metrics on a port that nobody knows: set {PREFIX}{field.upper()} to its number"
            ]
        )
    port += settings.slot if command == WORKER else 0
    labels |= {"app": APP, "group": settings.group, "host": socket.gethostname()}
    return {"targets": [address(_asked(settings.metrics_host), port)], "labels": labels}


def _asked(host: str) -> str:
    """Where it listens on all addresses, it is asked on this machine's own."""
    try:
        return "127.0.0.1" if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host or "127.0.0.1"


def _refuse(problem: str) -> NoReturn:
    raise BadConfigurationError([problem])
