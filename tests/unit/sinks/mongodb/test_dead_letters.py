"""A dead letter explains a record and can replay it: raw bytes, bounded, with what they were."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import bson
import pytest
from bson.codec_options import CodecOptions

from tests.support.batches import TOPIC
from tests.support.fake_broker import FakeRecord
from workers.sinks.mongodb.dead_letters import KEPT_HEADER_BYTES, KEPT_VALUE_BYTES, from_document, to_document
from workers.types import Reject, RejectReason

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def letter(record: FakeRecord):
    reject = Reject(
        TOPIC.document_id(record.partition, record.offset), RejectReason.NOT_UTF8, "byte 0 is not UTF-8", record
    )
    return to_document(reject, "worker_02", NOW)


def test_it_holds_all_that_is_needed_to_explain_and_replay():
    record = FakeRecord(3, 42, b"\xff\xfe", 1_700_000_000_123, b"\x00key", (("h", b"\xff"), ("none", None)))

    kept = letter(record)

    assert kept == {
        "_id": "numtest-08b40071/3/42",
        "reason": "not_utf8",
        "error": "byte 0 is not UTF-8",
        "topic": "numtest",
        "partition": 3,
        "offset": 42,
        "timestamp": datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC),
        "key": b"\x00key",
        "value": b"\xff\xfe",
        "value_bytes": 2,
        "value_sha256": hashlib.sha256(b"\xff\xfe").hexdigest(),
        "headers": [{"key": "h", "value": b"\xff"}, {"key": "none", "value": None}],
        "worker": "worker_02",
        "rejected_at": NOW,
        "attempts": 1,
    }
    read = from_document(bson.decode(bson.encode(kept), CodecOptions(tz_aware=True)))
    assert read.record == (record.topic, 3, 42, 1_700_000_000_123, record.key, record.value, [*record.headers])
    assert (read.id, read.reason, read.rejected_at) == (kept["_id"], "not_utf8", NOW)


def test_a_tombstone_has_no_value_and_no_hash():
    kept = letter(FakeRecord(0, 0, None))

    assert (kept["value"], kept["value_bytes"], kept["value_sha256"]) == (None, None, None)


@pytest.mark.parametrize("timestamp", [-1, 2**62, -(2**62)])
def test_a_timestamp_that_is_none_is_none(timestamp):
    assert letter(FakeRecord(0, 0, b"", timestamp))["timestamp"] is None


def test_however_large_the_record_its_dead_letter_fits_into_a_document():
    value = b"v" * (KEPT_VALUE_BYTES + 1)
    headers = tuple((f"header-{n}", b"h" * 100) for n in range(10_000))

    kept = letter(FakeRecord(0, 0, value, key=b"k" * 1_000_000, headers=headers))

    assert len(bson.encode(kept)) < 16 * 1024 * 1024
    assert kept["value"] == value[:KEPT_VALUE_BYTES]
    assert (kept["value_bytes"], kept["value_sha256"]) == (len(value), hashlib.sha256(value).hexdigest())
    assert len(kept["key"]) == KEPT_HEADER_BYTES
    assert 400 < len(kept["headers"]) < 1_000
