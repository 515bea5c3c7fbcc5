"""Batches as `workers.formats.json_strict.decode_record_batch` makes them, for tests of what comes after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from tests.support.fake_broker import FIRST_ID, FakeRecord
from workers.types import Batch, Document, Reject, RejectReason, TopicIdentity

TOPIC = TopicIdentity("numtest", FIRST_ID)


def document(offset: int, partition: int = 0, **fields: Any) -> Document:
    """One good record, decoded. Its fields may be what no JSON says, a NaN for example."""
    key = TOPIC.document_id(partition, offset)
    return Document(
        key,
        RawBSONDocument(bson.encode({"_id": key, "number": offset, **fields})),
        FakeRecord(partition, offset, b"{}"),
    )


def reject(offset: int, partition: int = 0, value: bytes | None = b"poison") -> Reject:
    key = TOPIC.document_id(partition, offset)
    return Reject(key, RejectReason.NOT_JSON, "not JSON", FakeRecord(partition, offset, value))


def batch_of(*documents: Document, rejects: Sequence[Reject] = ()) -> Batch:
    batch = Batch(TOPIC, 0, list(documents), list(rejects))
    for outcome in sorted([*documents, *rejects], key=lambda outcome: outcome.record.offset):
        batch.first_offsets.setdefault(outcome.record.partition, outcome.record.offset)
        batch.next_offsets[outcome.record.partition] = outcome.record.offset + 1
    return batch
