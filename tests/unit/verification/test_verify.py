"""The proof, with Kafka and the database as lists: every kind of damage is named, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.errors import NotFoundError, UnavailableError
from workers.identity import OffsetRange, second_id
from workers.kafka.first_records import FirstRecords
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.topics import Topic
from workers.settings import load
from workers.sinks.id_range import EVERY_ID, IdRange
from workers.types import Truncation
from workers.verification import checker, comparison, part_check, verify_parts, whole_topic
from workers.verification import verify as verification
from workers.verification.comparison import MAX_DISTANCE
from workers.verification.report import PartitionReport, VerifyReport
from workers.verification.verify import verify

SPAN = PartitionOffsets(start=10, end=20, committed=15)
NEW = 7
"""The leader epoch of all records."""
TRUNCATED = SPAN._replace(committed=25, truncation=Truncation(25, 12, 5, NEW), reused=[OffsetRange(12, 30)])
"""25 were committed of a log that is another one from 12 on."""


class Situation:
    """Partition 0, in which Kafka holds offsets 10 to 19, the group is done up to 15, and all of that is stored."""

    def __init__(self, *, many_dead_letters: bool) -> None:
        self.topic: Topic | None = Topic(TOPIC, [tp(0)])
        self.span = SPAN
        self.later: PartitionOffsets | None = None
        """What the partition looks like when everything was read; as before where it says nothing."""
        self.kafka = list(range(10, 20))
        self.documents = {offset: b'{"n": %d}' % offset for offset in range(10, 15)}
        self.dead_letters: dict[int, str] = {}
        self.tombstones: set[int] = set()
        self.many_dead_letters = many_dead_letters
        self.other_ids: list[object] = []
        self.beside: dict[int, bytes] = {}
        """Documents under the second ids of records of `NEW`, by offset."""
        self.compacts = False
        self.asked = 0

    def value(self, offset: int) -> bytes | None:
        return None if offset in self.tombstones else b'{"n": %d}' % offset

    def account(self) -> PartitionReport:
        (found,) = verify(load()).partitions
        return found

    def records(
        self, _settings: object, ranges: dict[Any, tuple[int, int]], _options: object = None
    ) -> Iterator[tuple[Any, list[FakeRecord]]]:
        first, end = ranges[tp(0)]
        inside = [
            FakeRecord(0, offset, self.value(offset), leader_epoch=NEW)
            for offset in self.kafka
            if first <= offset < end
        ]
        yield tp(0), inside[:3]
        yield tp(0), inside[3:]


@pytest.fixture(
    params=[(False, False), (True, True)], ids=["few dead letters, all at once", "many dead letters, ranges by index"]
)
def now(request, monkeypatch) -> Situation:
    many_dead_letters, by_index = request.param
    situation = Situation(many_dead_letters=many_dead_letters)
    if many_dead_letters:
        monkeypatch.setattr(part_check, "MOST_DEAD_LETTERS", 0)
    monkeypatch.setattr(whole_topic, "OFFSETS_BY_INDEX", 3)
    monkeypatch.setattr(verify_parts, "MOST_PROCESSES", 1)

    class FakeAdmin(_Context):
        def topic(self, _name: str) -> Topic | None:
            return situation.topic

        def partition_offsets(self, _topic: Topic, _group: str) -> dict[Any, PartitionOffsets]:
            situation.asked += 1
            return {tp(0): situation.later if situation.asked > 1 and situation.later else situation.span}

        def compacts(self, _topic: str) -> bool:
            return situation.compacts

    class FakeStored(_Context):
        def connect(self) -> None: ...

        def close(self) -> None: ...

        def encode(self, document_id: str, value: dict[str, Any]) -> Any:
            return {"_id": document_id, **value}

        def equal(self, stored: Any, document: Any) -> bool:
            return bool(stored == document)

        def documents(self, ids: list[str]) -> dict[str, Any]:
            stored = {TOPIC.document_id(0, offset): value for offset, value in situation.documents.items()}
            stored |= {
                second_id(TOPIC.document_id(0, offset), NEW): value for offset, value in situation.beside.items()
            }
            return {key: {"_id": key, **json.loads(value)} for key, value in stored.items() if key in ids}

        def dead_letters(self, ids: list[str]) -> dict[str, str]:
            letters = {TOPIC.document_id(0, offset): reason for offset, reason in situation.dead_letters.items()}
            return {key: reason for key, reason in letters.items() if key in ids}

        def all_dead_letters(self, _limit: int) -> dict[str, str] | None:
            if situation.many_dead_letters:
                return None
            return {TOPIC.document_id(0, offset): reason for offset, reason in situation.dead_letters.items()}

        def encode_plain(self, prefix: str, offsets: Any, values: Any) -> list[Any]:
            return [self.encode(f"{prefix}{offset}", value) for offset, value in zip(offsets, values, strict=True)]

        def content(self, document: dict[str, Any]) -> bytes:
            return json.dumps(document).encode()

        def finds_ranges(self) -> bool:
            return by_index

        def scan(self, ids: IdRange, _most: int) -> Iterator[list[tuple[object, bytes]]]:
            stored = [TOPIC.document_id(0, offset) for offset in situation.documents]
            stored += [second_id(TOPIC.document_id(0, offset), NEW) for offset in situation.beside]
            documents = self.documents(stored)
            others = [each for each in situation.other_ids if is_inside(each, ids)]
            yield [(each, self.content(documents[each])) for each in stored if is_inside(each, ids)]
            yield [(each, b"{}") for each in others]

        def scan_dead_letters(self, ids: IdRange) -> Iterator[list[tuple[object, str | None]]]:
            letters = {TOPIC.document_id(0, offset): reason for offset, reason in situation.dead_letters.items()}
            yield [(each, reason) for each, reason in letters.items() if is_inside(each, ids)]

        def scan_ids(self, ids: IdRange | None) -> Iterator[list[object]]:
            yield (
                [each for each in situation.other_ids if not isinstance(each, str)]
                if ids is None
                else [each for batch in self.scan(ids, 1) for each, _ in batch]
            )
            if ids is not None:
                yield [each for batch in self.scan_dead_letters(ids) for each, _ in batch]

    monkeypatch.setattr(verification, "Admin", FakeAdmin)
    monkeypatch.setattr(verification, "open_reader", FakeStored)
    monkeypatch.setattr(comparison, "read_log", situation.records)
    monkeypatch.setattr(checker, "LogReader", lambda *_: LogOf(situation))
    return situation


class LogOf:
    def __init__(self, situation: Situation) -> None:
        self._situation = situation

    def read(self, ranges: dict[Any, tuple[int, int]]) -> Iterator[tuple[Any, list[FakeRecord]]]:
        return ((p, ListedRecords(records)) for p, records in self._situation.records(None, ranges) if records)

    def close(self) -> None: ...


def is_inside(document_id: object, ids: IdRange) -> bool:
    if ids == EVERY_ID:
        return True
    return isinstance(document_id, str) and (ids.first or "") <= document_id < (ids.end or "\U0010ffff")


class _Context:
    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_partition_in_order(now):
    del now.documents[12]
    now.dead_letters[12] = "not_json"

    found = now.account()

    assert +found.counts == {"kafka": 10, "stored": 4, "dead_lettered": 1, "pending": 5, "expired": 10}
    assert found.offsets == {}
    assert found.accounted


def test_a_record_below_the_commit_that_is_nowhere_is_missing(now):
    del now.documents[11], now.documents[13]

    found = now.account()

    assert (found.counts["missing"], found.offsets) == (2, {"missing": [11, 13]})
    assert not found.accounted


@pytest.mark.parametrize("on_tombstone", ["dead_letter", "ignore"])
def test_a_committed_tombstone_is_ignored_or_a_dead_letter_whatever_the_setting_says_now(
    now, monkeypatch, on_tombstone
):
    """It may have said something else when the record was read."""
    monkeypatch.setenv("WORKERS_ON_TOMBSTONE", on_tombstone)
    now.tombstones = {11, 12, 13, 17}
    del now.documents[11], now.documents[12], now.documents[13]
    now.dead_letters[12] = "tombstone"

    found = now.account()

    assert +found.counts == {
        "kafka": 10,
        "stored": 2,
        "ignored": 2,
        "dead_lettered": 1,
        "pending": 5,
        "expired": 10,
    }
    assert found.accounted


def test_a_document_in_the_place_of_a_tombstone_is_conflicting(now):
    now.tombstones = {11}

    assert now.account().offsets == {"conflicting": [11]}


def test_a_record_above_the_commit_that_is_nowhere_is_pending(now):
    now.documents[17] = b'{"n": 17}'

    found = now.account()

    assert (found.counts["missing"], found.counts["pending"], found.counts["stored"]) == (0, 4, 6)
    assert found.accounted


def test_a_record_in_both_collections_is_there_twice(now):
    now.dead_letters[11] = "not_json"

    found = now.account()

    assert (found.counts["twice"], found.offsets) == (1, {"twice": [11]})
    assert not found.accounted


def test_another_content_under_a_records_id_is_conflicting(now):
    now.documents[11] = b'{"n": 12}'
    now.documents[12] = b'{"n": 12, "more": 1}'

    found = now.account()

    assert (found.counts["conflicting"], found.offsets) == (2, {"conflicting": [11, 12]})
    assert not found.accounted


@pytest.mark.parametrize("offset", [16, 20, 25, 400])
def test_a_document_where_kafka_holds_no_record_is_unexpected(now, offset):
    """In a gap of the log, or beyond its end."""
    now.kafka.remove(16)
    now.documents[offset] = b"{}"

    found = now.account()

    assert (found.counts["unexpected"], found.offsets) == (1, {"unexpected": [offset]})
    assert not found.accounted


def test_offsets_without_a_record_are_not_missing(now):
    """Compaction and transaction markers."""
    now.kafka = [10, 14, 15, 19]
    now.documents = {10: b'{"n": 10}', 14: b'{"n": 14}'}

    found = now.account()

    assert (found.counts["missing"], found.counts["kafka"], found.counts["pending"]) == (0, 4, 2)
    assert found.accounted


def test_documents_of_records_that_compaction_removed_are_no_strangers(now):
    now.compacts = True
    now.kafka = [12, 14, 15, 19]
    now.dead_letters[16] = "not_json"
    now.documents[20] = b"{}"

    found = now.account()

    assert (found.counts["compacted"], found.offsets) == (4, {"unexpected": [20]})
    del now.documents[20]
    assert now.account().accounted


def test_records_that_retention_removed_unread_are_expired_and_those_read_before_are_not(now):
    now.documents |= dict.fromkeys(range(4), b"{}")
    now.dead_letters[4] = "not_json"

    found = now.account()

    assert found.counts["expired"] == 5
    assert found.accounted


def test_without_a_commit_everything_is_pending(now):
    now.span = PartitionOffsets(10, 20, None)
    now.documents.clear()

    found = now.account()

    assert (found.counts["pending"], found.counts["missing"]) == (10, 0)
    assert found.accounted


def test_what_the_fleet_stores_while_verify_looks_is_not_judged(now):
    """The log grew to 30 meanwhile, and the fleet stored what came."""
    now.documents = {offset: b'{"n": %d}' % offset for offset in range(10, 30)}
    now.later = PartitionOffsets(10, 30, 30)

    found = now.account()

    assert found.accounted
    assert found.counts["stored"] == 10


def test_documents_of_records_that_retention_removes_while_verify_looks_are_not_unexpected(now):
    now.kafka = list(range(14, 20))
    now.later = PartitionOffsets(14, 20, 15)

    assert now.account().accounted


@pytest.mark.parametrize(
    "foreign",
    [
        7,
        None,
        {"a": 1},
        "",
        "numtest-ffffffff/0/11",
        f"{TOPIC.prefix}0/11/2",
        f"{TOPIC.prefix}0/011",
        f"{TOPIC.prefix}0/-1",
        f"{TOPIC.prefix}0/\u0661",
        f"{TOPIC.prefix}7/11",
        f"x{TOPIC.prefix}0/11",
    ],
)
def test_an_id_of_no_partition_of_this_topic_is_foreign(now, foreign):
    now.other_ids.append(foreign)

    found = verify(load())

    assert found.foreign == 1
    assert found.accounted


def test_of_a_drill_only_what_it_sent_is_looked_at(now):
    """From offset 13 on. What is missing, twice or strange before does not count, and is not even asked for."""
    del now.documents[11]
    now.dead_letters[12] = "not_json"
    now.other_ids.append("foreign")
    now.kafka.remove(16)
    now.documents[16] = b"{}"
    read: list[int] = []

    found = verify(
        load(), from_offsets={tp(0): 13}, on_records=lambda _partition, records: read.extend(r.offset for r in records)
    )

    (account,) = found.partitions
    assert +account.counts == {"kafka": 6, "stored": 2, "pending": 4, "unexpected": 1}
    assert account.offsets == {"unexpected": [16]}
    assert read == [13, 14, 15, 17, 18, 19]
    assert found.foreign is None


def test_an_offset_too_far_for_a_bitmap_is_unexpected(now):
    now.other_ids.append(TOPIC.document_id(0, 20 + MAX_DISTANCE + 1))

    assert now.account().counts["unexpected"] == 1


def test_before_a_worker_ran_a_truncated_log_is_one_event_and_its_records_are_pending(now):
    now.span = TRUNCATED
    now.documents |= {offset: b'{"n": %d}' % (100 + offset) for offset in range(12, 25)}

    report = verify(load())
    found = now.account()

    assert +found.counts == {"kafka": 10, "stored": 2, "pending": 8, "replaced": 13, "expired": 10}
    assert report.truncated == [(tp(0), 25, 12)]
    assert report.as_dict()["truncated"] == [{"topic": "numtest", "partition": 0, "committed": 25, "divergence": 12}]
    assert report.accounted


@pytest.mark.parametrize("reused", [[OffsetRange(12, 30)], []], ids=["by its commit", "by its documents"])
def test_records_that_took_the_place_of_others_are_stored_beside_them(now, reused):
    now.span = SPAN._replace(committed=20, reused=reused)
    now.documents |= {offset: b'{"n": %d}' % (100 + offset) for offset in range(12, 20)}
    now.beside = {offset: b'{"n": %d}' % offset for offset in range(12, 20)}

    found = now.account()

    assert +found.counts == {"kafka": 10, "stored": 10, "replaced": 8, "expired": 10}
    assert found.accounted


def test_what_the_log_held_where_it_holds_nothing_now_is_replaced_too(now):
    now.span = SPAN._replace(committed=14, reused=[OffsetRange(12, 30)])
    now.kafka = [10, 11, 13]
    now.documents = {offset: b'{"n": %d}' % offset for offset in (10, 11, 12, 13, 22)}

    assert +now.account().counts == {"kafka": 3, "stored": 3, "replaced": 2, "expired": 10}


def test_a_dead_letter_of_a_record_that_was_replaced_is_not_the_second_one_of_its_offset(now):
    now.span = SPAN._replace(reused=[OffsetRange(12, 30)])
    now.dead_letters[13] = "not_json"

    found = now.account()

    assert (found.counts["stored"], found.counts["replaced"], found.counts["twice"]) == (5, 1, 0)


def test_a_record_under_both_its_ids_is_there_twice(now):
    now.span = SPAN._replace(reused=[OffsetRange(12, 30)])
    now.beside = {13: b'{"n": 13}'}

    assert (now.account().counts["twice"], now.account().accounted) == (1, False)


def test_truncation_explains_no_damage(now):
    """Committed, and another content: it is no more in order than anywhere else. And a lost record is lost."""
    now.span = SPAN._replace(reused=[OffsetRange(12, 30)])
    now.documents[13] = b'{"n": 113}'
    del now.documents[14]
    now.other_ids.append(second_id(TOPIC.document_id(0, 11), NEW + 1))

    found = now.account()

    assert (found.counts["conflicting"], found.counts["missing"], found.counts["unexpected"]) == (1, 1, 1)


def test_what_is_behind_an_open_transaction_is_counted_and_neither_missing_nor_pending(now, monkeypatch):
    """Offsets 20 to 24, of which 22 is a marker; the fleet has stored 20 meanwhile: the transaction ended."""
    monkeypatch.setattr(FirstRecords, "times", lambda *_: {tp(0): 1.0})
    now.span = PartitionOffsets(10, 20, 15, unstable=5)
    now.kafka += [20, 21, 23, 24]
    now.documents[20] = b'{"n": 20}'
    now.later = PartitionOffsets(10, 25, 21)

    report = verify(load())
    (found,) = report.partitions
    assert (found.counts["unstable"], found.counts["kafka"], found.counts["pending"]) == (4, 10, 5)
    assert (report.accounted, report.open_transactions[tp(0)].source) == (True, "record")
    assert report.as_dict()["open_transactions"][0]["first_offset"] == 20
    assert "unstable" in report.as_dict()["partitions"][0]


def test_nothing_is_claimed_where_it_could_not_look(now, monkeypatch):
    def broken(*_: object) -> Iterator[Any]:
        yield tp(0), []
        raise UnavailableError("Kafka stopped answering")

    monkeypatch.setattr(now, "records", broken)
    with pytest.raises(UnavailableError):
        verify(load())

    now.topic = None
    with pytest.raises(NotFoundError):
        verify(load())


def test_the_verdict_is_good_only_if_every_partition_is():
    good, bad = PartitionReport(tp(0)), PartitionReport(tp(1))
    good.add("stored", 1)
    bad.add("missing", 4)

    assert VerifyReport("numtest", "counters", [good]).accounted
    verdict = VerifyReport("numtest", "counters", [good, bad])
    assert not verdict.accounted
    assert verdict.total("stored") == 1
    assert verdict.as_dict()["accounted"] is False
    assert verdict.as_dict()["partitions"][1]["offsets"] == {"missing": [4]}
    assert verdict.as_dict()["partitions"][1]["topic"] == "numtest"
    assert verdict.as_dict()["partitions"][1]["partition"] == 1
