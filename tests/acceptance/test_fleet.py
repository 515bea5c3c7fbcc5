"""The promise, on the real thing: supervisord, workers, Kafka, a database. Nothing lost, nothing twice, whatever is killed."""

from __future__ import annotations

import hashlib
import json
import signal

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet, seeded
from tests.support.fleet_checks import exactly_once, member, progress
from tests.support.user import acknowledged

pytestmark = pytest.mark.acceptance

COUNTS = [20_000, pytest.param(50_000, marks=pytest.mark.slow)]
"""Between two kills, some or all workers, are 6,000 numbers."""
SMALL_BATCHES = {"WORKERS_MAX_POLL_RECORDS": "50"}
"""So that the numbers last, and a kill finds the worker at every step of its turn."""
TAKEOVER_SECONDS = 15
"""Half of the session timeout: who owns a dead worker's partitions by then was not waiting for it."""


@pytest.mark.parametrize("count", COUNTS)
def test_every_number_is_stored_once_whatever_is_killed(stack: EmbeddedStack, count: int) -> None:
    chance = seeded()
    # They are killed more often than a fleet is in earnest; the brake is another test's matter.
    with Fleet(stack, {**SMALL_BATCHES, "WORKERS_HEALTHY_AFTER": "0.1"}) as fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        producing = fleet.producing("--count", str(count), "--interval", "0.0001")
        for killed, done in enumerate(range(4_000, count, 6_000)):
            wait_until(lambda goal=done: progress(fleet) >= goal, 90, f"{done} are committed")
            everybody = killed % 3 != 0
            for slot in fleet.slots() if everybody else [chance.choice(fleet.slots())]:
                fleet.kill(slot)
        assert acknowledged(producing)["acknowledged"] == count
        fleet.wait_committed()

        assert exactly_once(fleet) == set(range(count))
        assert fleet.dead_letters() == []
        verdict = fleet.verify()
        assert (verdict.code, verdict.report["accounted"]) == (0, True)
        assert (verdict.total("kafka"), verdict.total("stored"), verdict.total("pending")) == (count, count, 0)

        # Else the kills did not bite, and this run says nothing.
        if not fleet.redelivered():
            pytest.skip("void: no kill of this run fell between a write and its commit")
        assert fleet.evicted(), "void: nobody found a dead member in the group"
        assert fleet.logs().count("partitions revoked") > len(fleet.slots()), "void: no rebalance"


def test_a_killed_worker_is_followed_by_one_that_takes_over_its_partitions(running_fleet: Fleet) -> None:
    fleet = running_fleet
    for slot in (0, 2):
        dead = member(fleet, slot)
        old = fleet.kill(slot)
        fleet.wait_restarted(slot, old)
        wait_until(
            lambda gone=dead: gone not in fleet.kafka.members() and fleet.kafka.owned() == list(range(6)),
            TAKEOVER_SECONDS,
            "the dead member is out, and its partitions are owned",
        )
        fleet.wait_assigned(6, TAKEOVER_SECONDS)
        assert member(fleet, slot)
        wait_until(lambda gone=dead: gone.split()[1] in fleet.evicted(), TAKEOVER_SECONDS, "it was evicted")


def test_a_worker_that_is_told_to_stop_finishes_its_batch_and_leaves_the_group(running_fleet: Fleet) -> None:
    fleet = running_fleet
    before = progress(fleet)
    producing = fleet.producing("--count", "12000", "--interval", "0.0001")
    wait_until(lambda: progress(fleet) >= before + 3_000, 60, "it is under load")
    leaving = member(fleet, 1)
    old = fleet.kill(1, signal.SIGTERM)
    wait_until(
        lambda: "exited: worker_01 (exit status 0; expected)" in fleet.said(), TAKEOVER_SECONDS, "it ended with 0"
    )
    wait_until(lambda: leaving not in fleet.kafka.members(), TAKEOVER_SECONDS, "it has left the group")
    fleet.wait_restarted(1, old)
    fleet.wait_assigned(6)
    acknowledged(producing)
    fleet.wait_committed()

    assert fleet.log(1).count("event=started") == 1, "it was started again, and once"
    assert "event=stopped" in fleet.log(1)
    assert "took over from the predecessor" not in fleet.log(1)
    assert fleet.redelivered() == 0
    assert exactly_once(fleet) == set(range(12_000))


def test_a_record_that_cannot_be_stored_is_put_aside_whole_and_its_neighbours_are_stored(running_fleet: Fleet) -> None:
    poison = {
        b"not json": "not_json",
        b"\xff\xfe": "not_utf8",
        b"[1, 2]": "not_an_object",
        b'{"_id": 7}': "reserved_field",
        b'{"number": 18446744073709551616}': "integer_out_of_range",
        b'{"$where": 1}': "bad_field_name",
        b"": "empty",
    }
    lines = []
    for number, bad in enumerate(poison):
        lines += [b'{"number": %d}' % number, bad]
    fleet = running_fleet
    sent = fleet.command("produce", "--from", "-", "--json", input=b"\n".join([*lines, b""]), text=False)
    assert json.loads(sent.stdout)["acknowledged"] == len(lines)
    fleet.wait_committed()

    assert sorted(fleet.documents().values()) == list(range(len(poison)))
    letters = fleet.dead_letters()
    assert {letter["value"]: letter["reason"] for letter in letters} == poison
    for letter in letters:
        assert letter["value_sha256"] == hashlib.sha256(letter["value"]).hexdigest()
        assert fleet.kafka.values()[letter["partition"], letter["offset"]] == letter["value"]
        assert letter["error"]
    verdict = fleet.verify()
    assert (verdict.code, verdict.total("dead_lettered"), verdict.total("stored")) == (0, len(poison), len(poison))

    pids = [fleet.pid(slot) for slot in fleet.slots()]
    fleet.produce("--start", "100", "--count", "50")
    fleet.wait_committed()
    assert set(range(100, 150)) < set(fleet.documents().values())
    assert [fleet.pid(slot) for slot in fleet.slots()] == pids
