"""A service is away: at the start, or in the middle. Workers wait, say so, stay in the group, and go on by themselves."""

from __future__ import annotations

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
            fleet.produce("--count", "600")
            fleet.wait_committed()
            assert exactly_once(fleet) == set(range(600))
            assert fleet.verify().code == 0
            assert [fleet.pid(slot) for slot in fleet.slots()] == pids
            wait_until(
                lambda: all(fleet.page(slot, "/readyz")[0] == 200 for slot in fleet.slots()), 30, "all are ready"
            )
    finally:
        for program in ("kafka", "ferretdb"):
            if stack.pid(program) is None:
                stack.start_program(program)


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
