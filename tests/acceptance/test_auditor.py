"""The auditor beside a real fleet: it proves what is stored while workers are killed, and finds what is taken away."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
import yaml
from pymongo import MongoClient

from tests.support import scrape
from tests.support.embedded import REPOSITORY, wait_until
from tests.support.fleet import Fleet
from tests.support.user import acknowledged
from workers.state.audit_file import Audit, audit_file, read_audit

pytestmark = pytest.mark.acceptance

RECORDS = 1_500
SECONDS = 60
RULES = REPOSITORY / "deploy/prometheus/rules/audit.yml"


def audit(fleet: Fleet) -> Audit:
    return read_audit(audit_file(fleet.paths.state_dir, fleet.group)) or Audit(0.0)


def proven(fleet: Fleet, since: float) -> Audit:
    """What it says when everything that was written by then is accounted for."""
    return wait_until(
        lambda: (found := audit(fleet)).is_clean and (found.until or 0) > since and found,
        SECONDS,
        f"every record until {since} is accounted for; it says {audit(fleet)}",
    )


def failing(fleet: Fleet, **counts: int) -> Audit:
    def found() -> Audit | None:
        said = audit(fleet)
        return said if {name: getattr(said, name) for name in counts} == counts else None

    return wait_until(found, SECONDS, f"it finds {counts}; it says {audit(fleet)}")


def metric(fleet: Fleet, outcome: str) -> float:
    return scrape.total(scrape.metrics(fleet.auditor_port), "workers_audit_records", outcome=outcome)


def said(fleet: Fleet) -> str:
    return (fleet.tree / "var/log/auditor.log").read_text()


def page(fleet: Fleet) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scrape.page(fleet.lag_port, "/fleet.json")[1])
    return found


def test_it_proves_under_kills_and_finds_what_is_taken_away_until_it_is_given_back(running_fleet: Fleet) -> None:
    fleet = running_fleet
    producing = fleet.producing("--count", str(RECORDS), "--interval", "0.002")
    fleet.wait_restarted(1, fleet.kill(1))
    auditor = fleet.supervisor("getProcessInfo", "auditor")["pid"]
    os.kill(auditor, signal.SIGKILL)
    acknowledged(producing)
    written = time.time()
    found = proven(fleet, written)
    assert (found.problem, found.missing, found.twice, found.unexplained, found.unverified) == (None, 0, 0, 0, 0)
    assert said(fleet).count("going on where the last auditor ended") >= 1
    assert scrape.total(scrape.metrics(fleet.auditor_port), "workers_verified_until_timestamp_seconds") > written
    status = fleet.command("status", "--tree", str(fleet.tree))
    assert "is accounted for" in status.stdout, status.stdout

    before = len(said(fleet))
    with MongoClient(fleet.mongodb_uri) as client:
        numtest = client[fleet.database].numtest
        document = numtest.find_one_and_delete({})
        partition, offset = map(int, document["_id"].split("/")[1:])
        taken = time.time()
        found = failing(fleet, missing=1)
        place = (fleet.topic, partition, offset, "missing")
        assert found.found == (place,)
        assert found.until is not None
        assert found.until < written, "it is not later than the record that is missing"
        assert metric(fleet, "missing") == 1
        (rule,) = [each for each in alerts() if each["alert"] == "RecordsUnaccounted"]
        assert rule["expr"].startswith(
            'workers_audit_records{app="kafka-mongo-workers", outcome=~"missing|twice|unexplained"} > 0'
        )
        (line,) = [each for each in said(fleet)[before:].splitlines() if "level=error" in each]
        assert f"partition={partition} offset={offset}" in line
        assert f"workers peek {fleet.topic}/{partition}/{offset}" in line
        status = fleet.command("status", "--tree", str(fleet.tree), "--json")
        assert status.returncode == 1
        assert "records are not accounted for: 1 missing" in status.stdout
        assert page(fleet)["audit"]["missing"] == 1

        numtest.insert_one({**document, "number": -1})
        failing(fleet, missing=0, unexplained=1)
        numtest.replace_one({"_id": document["_id"]}, document)
        client[fleet.database].numtest_dead_letters.insert_one({"_id": document["_id"], "reason": "not_json"})
        failing(fleet, unexplained=0, twice=1)
        client[fleet.database].numtest_dead_letters.delete_one({"_id": document["_id"]})
    found = proven(fleet, taken)
    assert [metric(fleet, each) for each in ("missing", "twice", "unexplained")] == [0, 0, 0]
    assert said(fleet).count("a record is accounted for again") == 1
    assert found.passed is not None


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({}, "another auditor of the group"),
        ({"WORKERS_GROUP": "others"}, "Set WORKERS_AUDITOR_PORT to another port"),
    ],
)
def test_a_second_auditor_or_a_port_that_is_taken_is_one_line(
    running_fleet: Fleet, group: dict[str, str], said: str
) -> None:
    ran = running_fleet.command("audit", timeout=30, env=group)

    assert ran.returncode == 69
    assert said in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
