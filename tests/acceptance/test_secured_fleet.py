"""A whole fleet on a Kafka with TLS, logins and rights: each program has exactly the rights that docs/security.md names."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, wait_healthy
from tests.support.secured_kafka import PASSWORD, SecuredKafka
from tests.support.user import Services

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PARTITIONS = 4
SECONDS = 10.0
"""Within which a reason must be there."""
CONF = """
[program:worker]
numprocs=2
[program:lag]
environment=WORKERS_STATE_DIR="{tree}/var/run",WORKERS_SASL_USERNAME="visitor"
[eventlistener:watchdog]
environment=WORKERS_STATE_DIR="{tree}/var/run",WORKERS_EVENTS_FILE="{tree}/var/log/events.jsonl",WORKERS_SASL_USERNAME="watchdog"
"""


class SecuredFleet(Fleet):
    """The fleet logs in as `worker`, its watchdog as `watchdog`, its `lag` as `visitor`."""

    def __init__(self, kafka: SecuredKafka, mongodb_uri: str) -> None:
        login = {
            "WORKERS_BOOTSTRAP_SERVERS": kafka.address("LOGIN"),
            "WORKERS_SECURITY_PROTOCOL": "SASL_SSL",
            "WORKERS_SASL_MECHANISM": "SCRAM-SHA-512",
            "WORKERS_SASL_USERNAME": "worker",
            "WORKERS_SASL_PASSWORD": PASSWORD,
            "WORKERS_SSL_CAFILE": str(kafka.authority.file),
        }
        super().__init__(Services(kafka.address("ADMIN"), mongodb_uri), login)
        self.secured = kafka
        self.local_d("logins", CONF.format(tree=self.tree))
        topic, group = ("topic", self.topic), ("group", self.group)
        kafka.grant("worker", (*topic, "READ"), (*group, "READ"))
        kafka.grant("watchdog", (*topic, "READ"), (*group, "READ"))
        kafka.grant("visitor", (*topic, "DESCRIBE"), (*group, "DESCRIBE"))
        kafka.grant("writer", (*topic, "WRITE"))
        kafka.grant("looker", (*topic, "WRITE"), (*group, "DESCRIBE"))
        kafka.grant("prover", (*topic, "READ"), (*group, "DESCRIBE"))

    def run_as(self, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.command(*arguments, env={"WORKERS_SASL_USERNAME": user})

    def watchdog_log(self) -> str:
        return (self.tree / "var/log/watchdog.log").read_text()

    def stop_and_kill(self, slot: int) -> str:
        """As by an operator who stops it, and kills it before it has left the group. Returns its name."""
        name = f"worker:worker_{slot:02d}"
        self.supervisor("signalProcess", name, "STOP")
        self.supervisor("stopProcess", name, False)
        self.kill(slot, signal.SIGKILL)
        return name


@pytest.fixture(scope="module")
def fleet(stack: EmbeddedStack) -> Iterator[SecuredFleet]:
    with SecuredKafka() as kafka:
        found = SecuredFleet(kafka, stack.mongodb_uri)
        found.kafka.create(PARTITIONS)
        with found:
            wait_healthy(found)
            yield found


def test_it_stores_recovers_restarts_and_is_proven(fleet: SecuredFleet) -> None:
    produced = fleet.run_as("writer", "produce", "--count", "600")
    assert produced.returncode == 0, produced.stderr
    fleet.wait_committed()

    # The watchdog has the right to remove the dead member. After the session timeout there would be none to remove.
    stopped = fleet.stop_and_kill(0)
    try:
        wait_until(lambda: happened(fleet, "evicted"), 30, "the watchdog evicts it")
    finally:
        fleet.supervisor("startProcess", stopped)
    fleet.wait_restarted(1, fleet.kill(1))
    wait_healthy(fleet)

    restarted = fleet.run_as("visitor", "restart")
    assert restarted.returncode == 0, restarted.stderr
    assert restarted.stdout.splitlines()[-1].startswith("restarted 2 slots in ")
    wait_healthy(fleet)
    status = fleet.run_as("visitor", "status", "--json")
    assert json.loads(status.stdout)["healthy"], status.stdout

    verified = fleet.run_as("prover", "verify", "--json")
    assert verified.returncode == 0, verified.stdout
    peeked = fleet.run_as("prover", "peek", "--json", "--last", "2")
    assert (peeked.returncode, peeked.stdout.count('"outcome": "stored"')) == (0, 2), peeked.stderr
    assert exactly_once(fleet) == set(range(600))
    said = fleet.logs() + fleet.watchdog_log() + (fleet.tree / "var/log/lag.log").read_text()
    lacking = [line for line in said.splitlines() if "not authorized" in line]
    # With DESCRIBE only, `workers lag` knows all but the age of the oldest records.
    assert [line for line in lacking if "cannot read the timestamps of the oldest records" not in line] == []
    assert "Traceback" not in said
    assert PASSWORD not in said


def test_a_watchdog_without_a_right_does_all_else(fleet: SecuredFleet) -> None:
    group, other = ("group", fleet.group), fleet.pid(1)
    before, taken_over = len(fleet.watchdog_log()), happened(fleet, "taken_over")
    fleet.secured.revoke("watchdog", *group, "READ")
    fleet.secured.grant("watchdog", (*group, "DESCRIBE"))
    try:
        stopped = fleet.stop_and_kill(0)
        wait_until(
            lambda: "not authorized to remove a dead member from the group" in fleet.watchdog_log()[before:],
            SECONDS,
            "the watchdog says what it lacks",
        )
        # At the end of the session: some checks later.
        wait_until(lambda: happened(fleet, "taken_over") > taken_over, 30, "the other worker takes over")
    finally:
        fleet.secured.grant("watchdog", (*group, "READ"))
    fleet.supervisor("startProcess", stopped)
    wait_healthy(fleet)

    said = fleet.watchdog_log()[before:]
    assert "(Kafka's right READ on the group, for User:watchdog)" in said
    assert said.count("lacks a right of Kafka") == 1, said
    assert fleet.pid(1) == other


DRILL = ("chaos", "--seconds", "6", "--rate", "200", "--allow")
LACKING = {
    "restart, topic": (("restart",), "stranger", "describe the topic"),
    "restart, group": (("restart",), "writer", "describe the group"),
    "drill, group": (DRILL, "writer", "describe the group"),
    "drill, READ": (DRILL, "looker", "read the topic"),
    "drill, WRITE": (DRILL, "prover", "write to the topic"),
}


@pytest.mark.parametrize("name", LACKING)
def test_without_a_right_a_restart_stops_and_a_drill_breaks_nothing(fleet: SecuredFleet, name: str) -> None:
    arguments, user, said = LACKING[name]
    where = [fleet.environment["WORKERS_BOOTSTRAP_SERVERS"]] if arguments is DRILL else []
    pids, started = [fleet.pid(slot) for slot in fleet.slots()], time.monotonic()

    ran = fleet.run_as(user, *arguments, *where)

    assert time.monotonic() - started < SECONDS
    assert ran.returncode == 69, ran.stdout + ran.stderr
    assert f"not authorized to {said} " in ran.stderr
    assert f"for User:{user})" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [fleet.pid(slot) for slot in fleet.slots()] == pids


def test_a_drill_on_a_kafka_of_somebody_else_kills_workers_only_and_proves_what_it_sent(fleet: SecuredFleet) -> None:
    servers = fleet.environment["WORKERS_BOOTSTRAP_SERVERS"]
    fleet.secured.grant("prover", ("topic", fleet.topic, "WRITE"))
    try:
        refused = fleet.run_as("prover", "chaos", "--seconds", "5")
        ran = fleet.run_as("prover", *DRILL, servers, "--json", "--seed", "1")
    finally:
        fleet.secured.revoke("prover", "topic", fleet.topic, "WRITE")

    assert (refused.returncode, len(refused.stderr.splitlines())) == (64, 1)
    assert f"--allow {servers}" in refused.stderr
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads(ran.stdout)
    assert report["passed"]
    assert all("worker" in kind for kind in report["faults"])
    assert fleet.run_as("prover", "verify", "--wait", "20").returncode == 0


def happened(fleet: SecuredFleet, event: str) -> int:
    return sum(each["event"] == event for each in fleet.events())
