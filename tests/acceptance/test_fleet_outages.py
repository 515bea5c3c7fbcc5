"""A service is away: at the start, or in the middle. Workers wait, say so, stay in the group, and go on by themselves."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, progress
from tests.support.user import acknowledged

pytestmark = pytest.mark.acceptance

SMALL_BATCHES = {"WORKERS_MAX_POLL_RECORDS": "50"}


def test_a_fleet_that_is_started_before_its_services_waits_for_each(stack: EmbeddedStack) -> None:
    for program in ("kafka", "ferretdb"):
        stack.stop_program(program)
    try:
        with Fleet(stack) as fleet:
            pids = wait_for_each(fleet, "waiting for MongoDB")
            assert [fleet.page(slot, "/healthz")[0] for slot in fleet.slots()] == [200] * 4
            assert [fleet.page(slot, "/readyz")[0] for slot in fleet.slots()] == [503] * 4
            stack.start_program("ferretdb")
            assert wait_for_each(fleet, "waiting for Kafka") == pids
            stack.start_program("kafka")
            wait_until(lambda: "there is no topic" in fleet.logs(), 30, "they wait for the topic")
            wait_until(lambda: status_says_only_that_the_topic_is_missing(fleet), 30, "status says so")
            assert doctor(fleet, 1) == {"topic.exists": f"there is no topic {fleet.topic} yet"}
            fleet.produce("--count", "600")
            fleet.wait_committed()
            assert exactly_once(fleet) == set(range(600))
            assert fleet.verify().code == 0
            assert [fleet.pid(slot) for slot in fleet.slots()] == pids
            wait_until(
                lambda: all(fleet.page(slot, "/readyz")[0] == 200 for slot in fleet.slots()), 30, "all are ready"
            )
            assert doctor(fleet, 0) == {}
    finally:
        for program in ("kafka", "ferretdb"):
            if stack.pid(program) is None:
                stack.start_program(program)


def status_says_only_that_the_topic_is_missing(fleet: Fleet) -> bool:
    ran = fleet.command("status", "--json", "--tree", str(fleet.tree))
    status = json.loads(ran.stdout)
    return status["problems"] == [f"there is no topic {fleet.topic} yet; `workers doctor` says how to make it"] and {
        each["text"] for each in status["slots"]
    } == {"waiting for the topic"}


def doctor(fleet: Fleet, code: int) -> dict[str, str]:
    """What is wrong, or not known, by check. Args: code: the exit code that it must have."""
    ran = fleet.command("doctor", "--json", "--tree", str(fleet.tree))
    report = json.loads(ran.stdout)
    found = [each for section in report["sections"] for each in section["findings"]]
    assert (ran.returncode, report["exit_code"], ran.stderr) == (code, code, ""), report
    told = {each["check"]: each["text"] for each in found}
    assert "served by this fleet" in told["machine.ports"]
    assert "4 of 4 workers, auditor running, lag running, watchdog running" in told["fleet.supervisord"]
    return {each["check"]: each["text"] for each in found if each["mark"] in ("wrong", "unknown")}


def test_a_database_that_is_away_is_waited_for_in_the_group(stack: EmbeddedStack) -> None:
    fleet = Fleet(stack, {**SMALL_BATCHES, "WORKERS_WRITE_TIMEOUT": "2"})
    # This test stops its workers for a while, and the watchdog would kill them for that.
    fleet.local_d("unwatched", "[eventlistener:watchdog]\nautostart=false\n")
    with fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        members, pids = fleet.kafka.members(), [fleet.pid(slot) for slot in fleet.slots()]
        producing = fleet.producing("--count", "6000", "--interval", "0.0002")
        wait_until(lambda: progress(fleet) >= 2_000, 60, "it is under load")
        stack.stop_program("ferretdb")
        try:
            fleet.produce("--start", "6000", "--count", "6000")
            wait_until(
                lambda: all(fleet.total("workers_write_retries_total", [slot]) >= 2 for slot in fleet.slots()),
                60,
                "each worker has tried, and again",
            )
            acknowledged(producing)
            committed = fleet.kafka.committed()
            # The database comes back to workers that cannot write yet: what is in it is what it had.
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
        finally:
            stack.start_program("ferretdb")
        try:
            stored = {tuple(map(int, document.split("/")[1:])) for document in fleet.documents()}
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        lost = {(p, offset) for p, end in committed.items() for offset in range(end)} - stored
        assert lost == set(), "committed, and not in the database"
        assert sum(committed.values()) < 12_000, "void: everything was done before the database went away"

        fleet.wait_committed()
        assert exactly_once(fleet) == set(range(12_000))
        assert fleet.dead_letters() == []
        assert fleet.verify().code == 0
        assert (fleet.kafka.members(), [fleet.pid(slot) for slot in fleet.slots()]) == (members, pids)
        for slot in fleet.slots():
            begins = fleet.log(slot).index("the database is unavailable; retrying with backoff, nothing is committed")
            assert fleet.log(slot).index("the database is available again") > begins


def test_a_broker_that_is_killed_or_stopped_is_waited_for_and_nothing_is_lost(stack: EmbeddedStack) -> None:
    with Fleet(stack, SMALL_BATCHES) as fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        pids = [fleet.pid(slot) for slot in fleet.slots()]
        producing = fleet.producing("--count", "1000000", "--interval", "0.001")
        for number in (signal.SIGKILL, signal.SIGTERM):
            before = progress(fleet)
            wait_until(lambda done=before: progress(fleet) >= done + 1_000, 90, "it is under load")
            ended = stack.kill("kafka", number)
            fleet.kafka.close()
            wait_until(lambda old=ended: stack.pid("kafka") not in (None, old), 60, "Kafka is restarted")
            stack.wait_ready(["kafka"])
        producing.send_signal(signal.SIGINT)
        count = acknowledged(producing)["acknowledged"]
        fleet.wait_committed(90)
        assert exactly_once(fleet) == set(range(count))
        assert fleet.dead_letters() == []
        assert fleet.verify().code == 0
        fleet.wait_assigned(6, 60)
        assert [fleet.pid(slot) for slot in fleet.slots()] == pids


def wait_for_each(fleet: Fleet, words: str) -> list[int | None]:
    """Until every worker has said so, and still runs; returns their pids."""
    wait_until(lambda: all(words in fleet.log(slot) for slot in range(4)), 30, words)
    wait_until(lambda: all(fleet.info(slot)["statename"] == "RUNNING" for slot in fleet.slots()), 10, "all run")
    return [fleet.pid(slot) for slot in fleet.slots()]
