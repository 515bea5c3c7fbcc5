"""The collection as its owner made it, or changed it: what a worker refuses, puts aside, and what `verify` then says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers

pytestmark = pytest.mark.integration


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.kafka.create(1)
        yield workers


def test_a_capped_collection_is_refused(workers: PlainWorkers) -> None:
    workers.numtest.database.create_collection("numtest", capped=True, size=1 << 20)
    workers.numbers(0, 0, 5)
    assert workers.start().wait(30) == 78
    assert "WORKERS_COLLECTION=numtest is capped" in workers.log()
    assert "Traceback" not in workers.log()
    assert (workers.contents(), workers.kafka.committed()) == (([], []), {})


@pytest.mark.slow
def test_a_unique_index_of_the_users_own_makes_dead_letters_and_takes_nothing_away(workers: PlainWorkers) -> None:
    workers.numtest.create_index("number", unique=True)
    workers.numbers(0, 0, 10)
    workers.numbers(0, 5, 10)
    workers.start()
    workers.wait_committed({0: 20})
    documents, letters = workers.contents()
    assert sorted(document["number"] for document in documents) == list(range(15))
    assert sorted(letter["offset"] for letter in letters) == list(range(10, 15))
    assert {letter["reason"] for letter in letters} == {"duplicate_key"}
    assert workers.total("workers_dead_letters_total", reason="duplicate_key") == 5
    verdict = workers.verify()
    assert (verdict.code, verdict.total("stored"), verdict.total("dead_lettered")) == (0, 15, 5)

    workers.numtest.drop_index("number_1")
    replayed = workers.command("dead-letters", "replay", "--reason", "duplicate_key")
    assert (replayed.returncode, replayed.stdout) == (0, "5 are stored, 0 fail again\n")
    assert (workers.numtest.count_documents({}), workers.verify().code) == (20, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"$set": {"number": 8}},
        {"$set": {"number": 7.0}},
        {"$set": {"number": "7"}},
        {"$set": {"seen": True}},
        {"$unset": {"number": ""}},
    ],
    ids=["value", "type", "text", "more", "less"],
)
def test_a_document_that_was_changed_by_hand_is_conflicting(workers: PlainWorkers, change: dict) -> None:
    workers.numbers(0, 0, 10)
    workers.start()
    workers.wait_committed({0: 10})
    assert workers.numtest.update_one({"number": 7}, change).modified_count == 1
    verdict = workers.verify()
    assert (verdict.code, verdict.report["accounted"]) == (1, False)
    assert verdict.report["partitions"][0]["offsets"] == {"conflicting": [7]}
    told = workers.command("verify")
    assert (told.returncode, "conflicting in partition 0: offsets 7" in told.stdout) == (1, True)


def test_a_unique_index_on_the_dead_letters_is_waited_for_and_loses_none(workers: PlainWorkers) -> None:
    letters = workers.numtest.database["numtest_dead_letters"]
    letters.create_index("reason", unique=True)
    workers.send(0, b"no", b"nor this")
    workers.start()
    wait_until(lambda: "a unique index of numtest_dead_letters" in workers.log(), 30, "the worker says what to do")
    assert workers.kafka.committed() == {}

    letters.drop_index("reason_1")
    workers.wait_committed({0: 2})
    assert sorted(letter["offset"] for letter in workers.contents()[1]) == [0, 1]


def test_dead_letters_in_a_capped_collection_are_refused(workers: PlainWorkers) -> None:
    workers.numtest.database.create_collection("numtest_dead_letters", capped=True, size=1 << 20)
    assert workers.start().wait(30) == 78
    assert "numtest_dead_letters, the collection of its dead letters, is capped" in workers.log()


def test_a_document_in_the_place_of_a_record_to_come_is_kept_and_the_record_is_put_aside(workers: PlainWorkers) -> None:
    workers.numbers(0, 0, 1)
    workers.start()
    workers.wait_committed({0: 1})
    prefix = next(iter(workers.documents())).rpartition("/")[0]
    stranger = {"_id": f"{prefix}/2", "number": "a stranger's"}
    workers.numtest.insert_one(stranger)
    workers.numbers(0, 1, 3)
    workers.wait_committed({0: 4})
    assert workers.numtest.find_one({"_id": stranger["_id"]}) == stranger
    (letter,) = workers.contents()[1]
    assert (letter["reason"], letter["value"]) == ("conflict", b'{"number": 2}')
    verdict = workers.verify()
    assert (verdict.code, verdict.report["partitions"][0]["offsets"]) == (1, {"conflicting": [2]})
