"""Tombstones: a dead letter each, or ignored, and never a record with a value in their place."""

from __future__ import annotations

import pytest

from tests.support.batches import TOPIC, reader, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.types import Batch, Fetched, RejectReason

CHANGES = [b'{"op": "d"}', None, b"", b"null", None]
"""What a change stream sends for a delete, and what only looks like it: an empty value, and JSON's null."""


def read(*values: bytes | None, ignore: bool) -> Batch:
    records = [FakeRecord(0, 10 + offset, value) for offset, value in enumerate(values)]
    return reader(ignore_tombstones=ignore).read(Fetched({TOPIC.name: TOPIC}, {tp(0): ListedRecords(records)}))


def test_a_tombstone_is_a_reject_unless_it_is_to_be_ignored():
    part = read(*CHANGES, ignore=False).partitions[tp(0)]

    assert [reject.record.offset for reject in part.rejects] == [11, 12, 13, 14]
    assert [reject.reason for reject in part.rejects if reject.record.value is None] == [RejectReason.TOMBSTONE] * 2
    assert (part.ignored, part.size, part.next_offset) == (0, 5, 15)


def test_an_ignored_tombstone_leaves_nothing_and_its_neighbours_are_what_they_were():
    part = read(*CHANGES, ignore=True).partitions[tp(0)]

    assert [insert.record.offset for insert in part.operations] == [10]
    assert [(reject.record.offset, reject.reason) for reject in part.rejects] == [
        (12, RejectReason.EMPTY),
        (13, RejectReason.NOT_AN_OBJECT),
    ]
    assert (part.ignored, part.size) == (2, 5)


@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_of_nothing_but_ignored_tombstones_has_its_offsets_to_commit(count):
    batch = read(*[None] * count, ignore=True)

    assert (batch.size, batch.next_offsets) == (count, {tp(0): 10 + count})
