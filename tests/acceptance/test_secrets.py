"""A canary in every secret setting of a whole fleet: on no page, in no log, file or process list, whatever goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import psutil
import pytest
from pydantic import SecretStr

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from workers.settings import PREFIX, Settings

pytestmark = pytest.mark.acceptance

CANARY = "hunter2-do-not-print"
USER = "somebody"
SECRETS = {
    PREFIX + name.upper()
    for name, field in Settings.model_fields.items()
    if SecretStr in (field.annotation, *get_args(field.annotation))
}
PATHS = ("/", "/metrics", "/healthz", "/readyz", "/fleet.json", "/nonsense")
COMMANDS = (("config",), ("config", "--json"), ("status",), ("status", "--json"), ("verify",), ("dead-letters", "list"))
DEAD_MEMBER = "worker_47-b0c21aea-c9ba-406f-af99-c76c2352ab4e\n"
"""Of a slot that nobody has: the watchdog asks Kafka to remove it."""


@pytest.mark.parametrize(
    "trouble",
    [*(pytest.param(trouble, marks=pytest.mark.slow) for trouble in ("none", "the database refuses")), "Kafka refuses"],
)
def test_no_secret_is_told_by_anybody(stack: EmbeddedStack, tmp_path: Path, trouble: str) -> None:
    """The database knows no such user, and the broker speaks no SASL."""
    host = stack.mongodb_uri.removeprefix("mongodb://")
    uri = f"mongodb://{USER}:{CANARY}@{host}/" if trouble == "the database refuses" else f"mongodb://{host}/"
    (tmp_path / "password").write_text(CANARY)
    settings = {
        "WORKERS_MONGODB_URI": f"{uri}?directConnection=true&appname={CANARY}",
        "WORKERS_SECURITY_PROTOCOL": "SASL_PLAINTEXT" if trouble == "Kafka refuses" else "PLAINTEXT",
        "WORKERS_SASL_MECHANISM": "PLAIN",
        "WORKERS_SASL_USERNAME": USER,
        "WORKERS_SASL_PASSWORD_FILE": str(tmp_path / "password"),
        "WORKERS_LOG_LEVEL": "debug",
        "WORKERS_LAG_INTERVAL": "1",
    }
    assert {name.removesuffix("_FILE") for name in settings if CANARY in settings[name] or "_FILE" in name} == SECRETS

    with Fleet(stack, settings) as fleet:
        fleet.kafka.create(2)
        (fleet.tree / f"var/run/{fleet.group}-worker_47.member").write_text(DEAD_MEMBER)
        wait_until(lambda: scrape.page(fleet.watchdog_port, "/healthz")[0] == 200, 30, "the watchdog serves")
        if trouble == "none":
            fleet.wait_assigned(2)
            fleet.produce("--count", "100")
            fleet.wait_committed()
            fleet.wait_restarted(0, fleet.kill(0))
        else:
            wait_until(lambda: has_said_what_is_wrong(fleet, trouble), 60, f"{trouble}, and all say so")
        told = everything(fleet)
        assert sum("process " in where for where in told) == len(
            {"supervisord", "lag", "watchdog", "auditor", *fleet.slots()}
        )
        fleet.stop()
        told |= files(fleet)
    assert told.keys() >= {"worker_00.log", "lag.log", "auditor.log", "watchdog.log", "supervisord.log", "events.jsonl"}
    assert USER not in told[f"port {fleet.lag_port}/fleet.json"]
    assert [where for where, text in told.items() if CANARY in text] == []


def has_said_what_is_wrong(fleet: Fleet, trouble: str) -> bool:
    logs = [fleet.log(slot) for slot in fleet.slots()]
    if trouble == "the database refuses":
        return all("waiting for MongoDB" in log for log in logs)
    others = {
        "lag": "cannot read the lag from Kafka",
        "watchdog": "Kafka is unavailable",
        "auditor": "nothing can be verified now",
    }
    return all("waiting for Kafka" in log for log in logs) and all(
        words in files(fleet).get(f"{name}.log", "") for name, words in others.items()
    )


def everything(fleet: Fleet) -> dict[str, str]:
    """By where it stands: whatever a stranger on this machine could read."""
    told = {f"port {port}{path}": scrape.page(port, path)[1] for port in ports(fleet) for path in PATHS}
    assert scrape.metrics(fleet.lag_port)
    # At the same time: each waits for a while for a service that refuses.
    with ThreadPoolExecutor() as pool:
        asked = {arguments: pool.submit(ask, fleet, *arguments) for arguments in COMMANDS}
        told |= {" ".join(arguments): answer.result() for arguments, answer in asked.items()}
    supervisord = psutil.Process(fleet.supervisord_pid())
    told |= {
        f"process {each.pid}": f"{each.name()} {each.cmdline()}" for each in [supervisord, *supervisord.children()]
    }
    return told | files(fleet)


def ask(fleet: Fleet, *arguments: str) -> str:
    tree = ("--tree", str(fleet.tree)) if arguments[0] == "status" else ()
    ran = fleet.command(*arguments, *tree)
    assert ran.stdout or ran.stderr
    return ran.stdout + ran.stderr


def ports(fleet: Fleet) -> list[int]:
    return [
        *(fleet.metrics_port + slot for slot in fleet.slots()),
        fleet.lag_port,
        fleet.watchdog_port,
        fleet.auditor_port,
    ]


def files(fleet: Fleet) -> dict[str, str]:
    folders = (fleet.tree / "var/log", fleet.tree / "var/run")
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path.name: path.read_bytes().decode(errors="replace") for path in found}
