"""Batches as the reader makes them, for tests of what comes after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bson

from tests.support.fake_broker import FIRST_ID, FakeRecord
from workers.formats.json import Json
from workers.formats.limits import Limits
from workers.identity import TopicIdentity
from workers.operations import Operations
from workers.pipeline.decoder import Decoder
from workers.pipeline.reader import RecordReader
from workers.sinks.mongodb.encoding import encode, encode_plain
from workers.types import Batch, Insert, PartitionBatch, Reject, RejectReason, TopicPartition, partition_of

TOPIC = TopicIdentity("numtest", FIRST_ID)


def tp(partition: int = 0) -> TopicPartition:
    """A partition of the topic."""
    return TopicPartition(TOPIC.name, partition)


def tps(*partitions: int) -> tuple[TopicPartition, ...]:
    return tuple(map(tp, partitions))


class Encoding:
    """MongoDB's documents."""

    encode = staticmethod(encode)
    encode_plain = staticmethod(encode_plain)


def reader(limits: Limits = Limits(), *, ignore_tombstones: bool = False) -> RecordReader:
    """JSON to MongoDB's documents, as a worker reads."""
    made = decoder(limits, ignore_tombstones=ignore_tombstones)
    return RecordReader(lambda _: made)


def decoder(limits: Limits = Limits(), *, ignore_tombstones: bool = False) -> Decoder:
    return Decoder(Json(), Encoding(), limits, ignore_tombstones=ignore_tombstones)


def document(offset: int, partition: int = 0, **fields: Any) -> Insert:
    """One good record, decoded. Its fields may be what no JSON says, a NaN for example."""
    key = TOPIC.document_id(partition, offset)
    return Insert(key, encode(key, {"number": offset, **fields}), FakeRecord(partition, offset, b"{}"))


def reject(offset: int, partition: int = 0, value: bytes | None = b"poison") -> Reject:
    key = TOPIC.document_id(partition, offset)
    return Reject(key, RejectReason.NOT_JSON, "not JSON", FakeRecord(partition, offset, value))


def batch_of(*documents: Insert, rejects: Sequence[Reject] = ()) -> Batch:
    """As the reader makes it: documents that are plain, and of which an operation is made only for who asks."""
    batch = Batch()
    inserts: dict[TopicPartition, list[Insert]] = {}
    for outcome in sorted([*documents, *rejects], key=lambda outcome: outcome.record.offset):
        offset, partition = outcome.record.offset, partition_of(outcome.record)
        part = batch.partitions.setdefault(partition, PartitionBatch(TOPIC, offset, offset))
        part.next_offset, part.last_epoch = offset + 1, outcome.record.leader_epoch
        if isinstance(outcome, Reject):
            part.rejects.append(outcome)
        else:
            inserts.setdefault(partition, []).append(outcome)
    for partition, some in inserts.items():
        batch.partitions[partition].operations = _operations(some)
    return batch


def _operations(inserts: Sequence[Insert]) -> Operations:
    plain = [bson.decode(each.document.raw) for each in inserts]
    # For their size: a document is not shorter than its value.
    values = [bytes(each.document.raw) for each in inserts]
    return Operations(
        plain, lambda: [each._replace(document=one) for each, one in zip(inserts, plain, strict=True)], values
    )
