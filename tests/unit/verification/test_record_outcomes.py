"""The outcome of single records: as `verify` counts them, with what is stored beside them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from workers.identity import OffsetRange, second_id
from workers.kafka.partition_offsets import PartitionOffsets
from workers.settings import load
from workers.sinks.base import DeadLetter
from workers.verification.record_outcomes import record_outcomes

EPOCH = 7
ID = TOPIC.document_id(0, 12)
SECOND_ID = second_id(ID, EPOCH)
RECORD = FakeRecord(0, 12, b'{"n": 12}', leader_epoch=EPOCH)
OFFSETS = PartitionOffsets(start=10, end=20, committed=15)
REUSED = OFFSETS._replace(reused=[OffsetRange(12, 15)])


class FakeStore:
    """Documents and dead letters, by id."""

    def __init__(self, documents: dict[str, Any], letters: dict[str, DeadLetter]) -> None:
        self._documents, self._letters = documents, letters

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        return {"_id": document_id, **value}

    def equal(self, stored: Any, document: Any) -> bool:
        return bool(stored == document)

    def documents(self, ids: list[str]) -> dict[str, Any]:
        return {each: {"_id": each, **self._documents[each]} for each in ids if each in self._documents}

    def dead_letters(self, ids: list[str]) -> dict[str, str]:
        letters = self._letters
        return {each: letters[each].reason for each in ids if each in letters and not letters[each].replayed_at}

    def find(self, chosen: Any) -> list[DeadLetter]:
        return [self._letters[each] for each in chosen.ids if each in self._letters]


def letter(letter_id: str, reason: str = "not_json", **facts: Any) -> DeadLetter:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    return DeadLetter(letter_id, reason, "e", "numtest", 0, 12, now, None, b"x", 1, "ab", [], "worker_00", now, **facts)


def outcome(documents=None, letters=(), offsets=OFFSETS, record=RECORD):
    store: Any = FakeStore(documents or {}, {each.id: each for each in letters})
    (found,) = record_outcomes(load(), TOPIC, store, store, [(tp(0), record)], {tp(0): offsets})
    return found


@pytest.mark.parametrize(
    ("documents", "letters", "offsets", "word"),
    [
        ({ID: {"n": 12}}, [], OFFSETS, "stored"),
        ({}, [letter(ID)], OFFSETS, "dead_lettered"),
        ({}, [], OFFSETS, "missing"),
        ({}, [], OFFSETS._replace(committed=12), "pending"),
        ({}, [], OFFSETS._replace(committed=None), "pending"),
        ({ID: {"n": 12}}, [letter(ID)], OFFSETS, "twice"),
        ({ID: {"n": 12}}, [letter(ID, replayed_at=datetime.now(UTC))], OFFSETS, "stored"),
        ({ID: {"n": 13}}, [], OFFSETS, "conflicting"),
        ({ID: {"n": 13}}, [letter(ID, "conflict")], OFFSETS, "conflicting"),
    ],
)
def test_each_record_has_the_outcome_that_verify_would_count(documents, letters, offsets, word):
    found = outcome(documents, letters, offsets)

    assert (found.outcome, found.id, found.partition, found.offset) == (word, ID, tp(0), 12)
    assert (found.document is not None, found.letter is not None) == (bool(documents), bool(letters))
    assert (found.expected == {"_id": ID, "n": 12}) == (word == "conflicting")


def test_a_tombstone_that_was_ignored_is_told_as_that():
    assert outcome(record=RECORD._replace(value=None)).outcome == "ignored"


def test_where_an_offset_was_used_twice_both_documents_are_told_apart():
    found = outcome({ID: {"n": 1}, SECOND_ID: {"n": 12}}, offsets=REUSED)

    assert (found.outcome, found.id) == ("stored", SECOND_ID)
    assert (found.document, found.replaced) == ({"_id": SECOND_ID, "n": 12}, {"_id": ID, "n": 1})
    assert found.expected is None


def test_before_the_second_record_is_stored_the_first_ones_document_is_not_its():
    found = outcome({ID: {"n": 1}}, offsets=REUSED._replace(committed=12))

    assert (found.outcome, found.document, found.replaced) == ("pending", None, {"_id": ID, "n": 1})


def test_several_records_are_told_in_their_order():
    store: Any = FakeStore({ID: {"n": 12}}, {})
    records = [(tp(0), RECORD._replace(offset=11)), (tp(0), RECORD), (tp(0), RECORD._replace(offset=16))]
    found = record_outcomes(load(), TOPIC, store, store, records, {tp(0): OFFSETS})

    assert [(each.offset, each.outcome) for each in found] == [(11, "missing"), (12, "stored"), (16, "pending")]
