"""`workers verify` finds damage that was done by hand, and names the place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.support.embedded import EmbeddedStack
from tests.support.fleet import Fleet
from tests.support.user import Verdict

pytestmark = pytest.mark.acceptance

COUNT = 600


@pytest.fixture(scope="module")
def done(stack: EmbeddedStack) -> Iterator[Fleet]:
    """A fleet that has stored everything, and is off."""
    with Fleet(stack) as fleet:
        fleet.produce("--count", str(COUNT))
        fleet.wait_committed()
        fleet.stop()
        yield fleet


@pytest.fixture
def documents(done: Fleet) -> Iterator[Collection[dict[str, Any]]]:
    """What is in the database, put back afterwards as it was."""
    with MongoClient(done.mongodb_uri) as client:
        collection = client[done.database].numtest
        before = list(collection.find())
        yield collection
        collection.delete_many({})
        collection.insert_many(before)
        client[done.database].numtest_dead_letters.delete_many({})


def found(verdict: Verdict) -> dict[str, dict[int, list[int]]]:
    """What is wrong, by its word and its partition: the offsets."""
    wrong: dict[str, dict[int, list[int]]] = {}
    for partition in verdict.report["partitions"]:
        for word, offsets in partition["offsets"].items():
            wrong.setdefault(word, {})[partition["partition"]] = offsets
    return wrong


def test_everything_in_its_place_is_told_as_such(done: Fleet) -> None:
    verdict = done.verify()
    assert (verdict.code, found(verdict), verdict.total("stored")) == (0, {}, COUNT)
    told = done.command("verify")
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "every record is accounted for")


def test_a_document_that_is_gone_is_missing(done: Fleet, documents: Collection[dict[str, Any]]) -> None:
    document = documents.find_one({"number": 41})
    partition, offset = place(document)
    documents.delete_one({"_id": document["_id"]})
    verdict = done.verify()
    assert (verdict.code, found(verdict)) == (1, {"missing": {partition: [offset]}})
    told = done.command("verify")
    assert told.returncode == 1
    assert f"missing in partition {partition}: offsets {offset}" in told.stdout
    assert told.stdout.splitlines()[-1] == "not every record is accounted for"


def test_a_gap_and_a_stranger_do_not_cancel_out(done: Fleet, documents: Collection[dict[str, Any]]) -> None:
    """Counts would be equal; sets are not."""
    document = documents.find_one({"number": 17})
    partition, offset = place(document)
    prefix = document["_id"].split("/")[0]
    end = done.kafka.ends()[partition]
    documents.delete_one({"_id": document["_id"]})
    documents.insert_one({"_id": f"{prefix}/{partition}/{end + 5}", "number": 17})
    verdict = done.verify()
    assert verdict.code == 1
    assert found(verdict) == {"missing": {partition: [offset]}, "unexpected": {partition: [end + 5]}}


def test_a_record_that_is_stored_and_a_dead_letter_is_twice(done: Fleet, documents: Collection[dict[str, Any]]) -> None:
    document = documents.find_one({"number": 99})
    partition, offset = place(document)
    documents.database.numtest_dead_letters.insert_one({"_id": document["_id"], "reason": "not_json"})
    verdict = done.verify()
    assert (verdict.code, found(verdict)) == (1, {"twice": {partition: [offset]}})


def test_a_document_of_another_topic_is_no_fault(done: Fleet, documents: Collection[dict[str, Any]]) -> None:
    documents.insert_one({"_id": "other-00000000/0/0", "number": 1})
    verdict = done.verify()
    assert (verdict.code, verdict.report["foreign"]) == (0, 1)


@pytest.mark.slow
def test_what_the_fleet_has_yet_to_read_is_pending_and_no_fault_unless_waited_for(stack: EmbeddedStack) -> None:
    fleet = Fleet(stack)
    try:
        fleet.produce("--count", "50")
        verdict = fleet.verify()
        assert (verdict.code, verdict.total("pending"), verdict.total("stored")) == (0, 50, 0)
        told = fleet.command("verify", "--wait", "0.1")
        assert (told.returncode, told.stdout.splitlines()[-2:]) == (
            1,
            [
                f"the group {fleet.group} has committed nothing in {fleet.topic}: is WORKERS_GROUP right?",
                "every record is accounted for; 50 are pending",
            ],
        )
        fleet.start()
        waited = fleet.verify("--wait", "60")
        assert (waited.code, waited.total("pending"), waited.total("stored")) == (0, 0, 50)
        assert "committed nothing" not in fleet.command("verify").stdout
        # A group by another name: nothing is pending, since all of it is stored, and it says so.
        other = fleet.command("verify", env={"WORKERS_GROUP": "nobody"})
        assert (other.returncode, "the group nobody has committed nothing" in other.stdout) == (0, True)
    finally:
        fleet.remove()


def place(document: dict[str, Any] | None) -> tuple[int, int]:
    assert document is not None
    _, partition, offset = document["_id"].split("/")
    return int(partition), int(offset)
