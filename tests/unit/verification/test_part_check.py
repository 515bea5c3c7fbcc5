"""A topic in parts, in one pass over each side: it finds what looking up every record finds, and looks up next to nothing."""

from __future__ import annotations

import pytest

from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.support.verify_sides import Sides, Store, document_of, random_sides
from workers.identity import OffsetRange
from workers.kafka.left_out import LeftOut, Skip
from workers.kafka.partition_offsets import PartitionOffsets
from workers.verification.segments import Part, plan


def parts_of(sides: Sides, most: int, *, by_index: bool) -> list[Part]:
    ranges = {partition: OffsetRange(each.start, each.end) for partition, each in sides.offsets.items()}
    return plan(TOPIC, ranges, most, by_index=by_index)


@pytest.mark.parametrize("most", [2, 40, 10_000])
@pytest.mark.parametrize("by_index", [False, True])
def test_it_reports_what_looking_up_every_record_reports(by_index: bool, most: int) -> None:
    for seed in range(120 if most > 2 else 10):
        expected = random_sides(seed).by_look_ups()
        sides = random_sides(seed)

        found = sides.in_parts(parts_of(sides, most, by_index=by_index))

        assert found == expected, f"seed {seed}"


@pytest.fixture
def sides() -> Sides:
    """1,000 records, all stored and committed."""
    log = [FakeRecord(0, offset, b'{"number": %d}' % offset) for offset in range(1_000)]
    stored = {TOPIC.document_id(0, record.offset): document_of(record) for record in log}
    return Sides({tp(0): PartitionOffsets(0, 1_000, 1_000)}, {tp(0): log}, Store(stored))


def report(sides: Sides) -> tuple[dict[str, int], dict[str, list[int]]]:
    found, _ = sides.in_parts(parts_of(sides, 10_000, by_index=True))
    return found[tp(0)]


def test_what_is_in_order_is_not_looked_up(sides: Sides) -> None:
    assert report(sides) == ({"kafka": 1_000, "stored": 1_000}, {})
    assert sides.store.looked_up == 0
    assert +sides.progress == {"records": 1_000, "documents": 1_000}


def test_of_a_few_faults_only_they_are_looked_up(sides: Sides) -> None:
    del sides.store.documents_by_id[TOPIC.document_id(0, 7)]
    sides.store.documents_by_id[TOPIC.document_id(0, 8)] = document_of(sides.log[tp(0)][9])
    sides.store.letters[TOPIC.document_id(0, 9)] = "not_json"

    counts, offsets = report(sides)

    assert offsets == {"missing": [7], "conflicting": [8], "twice": [9]}
    assert counts["stored"] == 997
    # Each under its second id, too.
    assert sides.store.looked_up == 6


def test_a_document_that_is_stored_while_the_documents_are_read_is_found(sides: Sides) -> None:
    late = TOPIC.document_id(0, 7)
    document = sides.store.documents_by_id.pop(late)
    sides.store.on_scan = lambda: sides.store.documents_by_id.setdefault(late, document)

    assert report(sides) == ({"kafka": 1_000, "stored": 1_000}, {})


def test_of_records_that_are_not_committed_only_those_with_a_document_are_looked_up(sides: Sides) -> None:
    """And none is decoded before: one that is yet to be read may kill who decodes it."""
    sides.offsets = {tp(0): PartitionOffsets(0, 1_000, 400)}
    for offset in range(403, 1_000):
        del sides.store.documents_by_id[TOPIC.document_id(0, offset)]
    sides.store.documents_by_id[TOPIC.document_id(0, 402)] = document_of(sides.log[tp(0)][9])
    sides.store.letters[TOPIC.document_id(0, 403)] = "not_json"

    counts, offsets = report(sides)

    assert counts == {"kafka": 1_000, "stored": 402, "conflicting": 1, "dead_lettered": 1, "pending": 596}
    assert offsets == {"conflicting": [402]}
    # 400 to 403, and 402 under its second id.
    assert sides.store.looked_up == 5


def test_a_record_that_is_not_committed_and_removed_before_it_is_looked_up_is_pending(sides: Sides) -> None:
    sides.offsets = {tp(0): PartitionOffsets(0, 1_000, 999)}
    sides.store.on_scan = sides.log[tp(0)].clear

    assert report(sides) == ({"kafka": 1_000, "stored": 999, "pending": 1}, {})


def test_a_lost_record_is_missing_also_when_kafka_removes_it_before_it_is_looked_up(sides: Sides) -> None:
    """Neither the records nor the log can be asked a second time. What was read of them is enough."""
    log, store = sides.log[tp(0)], sides.store
    del store.documents_by_id[TOPIC.document_id(0, 7)]
    store.documents_by_id[TOPIC.document_id(0, 8)] = document_of(log[9])
    late = store.documents_by_id.pop(TOPIC.document_id(0, 9))

    def remove() -> None:
        log.clear()
        store.documents_by_id[TOPIC.document_id(0, 9)] = late

    store.on_scan = remove

    counts, offsets = report(sides)

    assert offsets == {"missing": [7], "conflicting": [8]}
    assert counts["stored"] == 998


def test_a_document_that_comes_twice_in_a_scan_is_counted_once(sides: Sides) -> None:
    scan = sides.store.scan
    sides.store.scan = lambda ids, most: [*scan(ids, most), *scan(ids, most)]  # type: ignore[method-assign]

    assert report(sides) == ({"kafka": 1_000, "stored": 1_000}, {})


@pytest.mark.parametrize(
    ("size", "more", "most"),
    [(40_000, b"", 104), (40_000, b"\\n", 104), (400_000, b"", 10), (7_000_000, b"", 1)],
    ids=["plain", "not plain", "larger than what is plain", "larger than a fetch"],
)
def test_fetches_are_small_where_documents_are_large(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, size: int, more: bytes, most: int
) -> None:
    sides.log[tp(0)] = [FakeRecord(0, 0, b'{"text": "%s%s"}' % (b"x" * size, more))]
    sides.store.documents_by_id = {}
    asked: list[int] = []
    monkeypatch.setattr(sides.store, "scan", lambda _ids, most: asked.append(most) or [])

    report(sides)

    assert asked == [most]


def test_what_is_not_decoded_says_nothing_about_the_size_of_documents(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides.offsets = {tp(0): PartitionOffsets(0, 1_000, 0)}
    asked: list[int] = []
    monkeypatch.setattr(sides.store, "scan", lambda _ids, most: asked.append(most) or [])

    report(sides)

    assert asked == [500]


def test_nothing_is_verified_twice_and_nothing_left_out(sides: Sides) -> None:
    """The parts of a plan may be verified in any order, each by another process."""
    parts = parts_of(sides, 100, by_index=True)
    results = [sides.check(part) for part in reversed(parts)]

    assert len(parts) > 10
    assert sum(each.counts["stored"] for result in results for each in result.reports.values()) == 1_000


def test_what_is_left_out_on_purpose_is_neither_decoded_nor_looked_up_and_what_is_stored_of_it_counts(
    sides: Sides,
) -> None:
    left_out = LeftOut(300, "latest", (Skip(500, 600, 0, "ada@host", "a test"),))
    sides.offsets = {tp(0): PartitionOffsets(0, 1_000, 1_000, left_out=left_out)}
    for offset in (*range(290), *range(502, 601)):
        del sides.store.documents_by_id[TOPIC.document_id(0, offset)]

    counts, offsets = report(sides)

    # By an earlier group, before the start; and one is missing where it was to be read.
    assert counts == {"kafka": 1_000, "before_start": 290, "skipped": 98, "stored": 611, "missing": 1}
    assert offsets == {"missing": [600]}
    # The twelve that are stored all the same, and the one that is missing, which has two ids.
    assert sides.store.looked_up == 14
