"""Metadata: a function of the record, the same by the plain and by the strict way, within the sizes that are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.batches import TOPIC, Encoding
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.decoding import open_decoder
from workers.formats import keys
from workers.formats.json import Json
from workers.formats.limits import Limits
from workers.formats.plain_json import PLAIN_BYTES
from workers.pipeline.decoder import Decoder
from workers.pipeline.metadata import LATEST, Metadata
from workers.settings import Settings
from workers.sinks.base import EPOCH
from workers.sinks.mongodb.dead_letters import from_document, to_document
from workers.sinks.mongodb.encoding import as_raw, documents_equal
from workers.types import Insert, PartitionBatch, Reject, RejectReason

PREFIX = TOPIC.partition_prefix(3)
ALL = ("place", "timestamp", "key", "headers")
ZONED: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
HEADERS = st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple)  # fmt: skip
TIMES = st.integers(0, 2**41) | st.sampled_from(
    [-1, -2, -999_500, 0, 999, 1000, LATEST - 1, LATEST, LATEST + 500, 17_375_593_506_363, 2**63 - 1, -(2**63)]
)
RECORDS = st.builds(
    lambda value, time, key, headers: FakeRecord(3, 0, value, time, key, headers),
    st.sampled_from([b'{"a": 1}', b'{"a": "\\n"}', b'{"_kafka": 1}', b"x", None]),
    TIMES,
    st.none() | st.binary(max_size=9) | st.sampled_from([b"1", b'{"a": [1]}', b'"\\ud800"']),
    HEADERS,
)


def decoder(*parts: str, key_format: str = "bytes") -> Decoder:
    return open_decoder(Settings(metadata=parts, key_format=key_format), Encoding(), Limits())


def stored(decoder_: Decoder, record: FakeRecord) -> dict[str, Any]:
    insert = decoder_.decode(f"{PREFIX}{record.offset}", record)
    assert isinstance(insert, Insert)
    return bson.decode(insert.document.raw, ZONED)


RECORD = FakeRecord(
    3, 42, b'{"a": 1}', 1_700_000_000_123, b"42", (("trace", b"\x01"), ("trace", None), ("\\xff", b"\xff"))
)


def test_it_stands_in_one_field_behind_the_others_in_one_order() -> None:
    found = stored(decoder("headers", "key", "timestamp", "place", key_format="json"), RECORD)

    assert list(found) == ["_id", "a", "_kafka"]
    assert list(found["_kafka"].items()) == [
        ("place", {"topic": "numtest", "partition": 3, "offset": 42}),
        ("timestamp", datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)),
        ("key", 42),
        ("headers", [{"k": "trace", "v": b"\x01"}, {"k": "trace", "v": None}, {"k": "\\xff", "v": b"\xff"}]),
    ]
    assert stored(decoder(), RECORD) == {"_id": f"{PREFIX}42", "a": 1}
    assert stored(decoder("key"), RECORD)["_kafka"] == {"key": b"42"}
    assert stored(decoder("key"), RECORD._replace(key=None))["_kafka"] == {"key": None}
    assert stored(decoder("headers"), RECORD._replace(headers=()))["_kafka"] == {"headers": []}


@pytest.mark.parametrize("time", [-1, -2, LATEST, 2**63 - 1])
def test_a_time_that_is_none_is_null(time: int) -> None:
    assert stored(decoder("timestamp"), RECORD._replace(timestamp=time))["_kafka"] == {"timestamp": None}


@given(st.integers(0, LATEST - 1))
def test_every_time_is_exact(time: int) -> None:
    found = stored(decoder("timestamp"), RECORD._replace(timestamp=time))["_kafka"]["timestamp"]
    assert (found - EPOCH) // timedelta(milliseconds=1) == time
    assert found.microsecond % 1000 == 0


def test_a_value_with_the_field_is_a_reject_in_both_ways() -> None:
    records = [RECORD, RECORD._replace(offset=43, value=b'{"_kafka": 1}'), RECORD._replace(offset=44)]
    part = PartitionBatch(TOPIC, 42, 45)

    decoder("place").decode_into(part, PREFIX, ListedRecords(records))

    (reject,) = part.rejects
    assert (reject.id, reject.reason) == (f"{PREFIX}43", RejectReason.RESERVED_FIELD)
    assert "_kafka" in reject.error
    assert [each.record.offset for each in part.operations] == [42, 44]
    assert stored(decoder(), records[1])["_kafka"] == 1


@given(st.lists(RECORDS, max_size=8), st.sets(st.sampled_from(ALL)), st.sampled_from(["bytes", "text", "json"]))
def test_a_batch_is_what_its_records_are_one_by_one(found: list[FakeRecord], parts: set[str], key_format: str) -> None:
    records = [record._replace(offset=7 * number) for number, record in enumerate(found)]
    decodes, part = decoder(*parts, key_format=key_format), PartitionBatch(TOPIC, 0, 100)

    decodes.decode_into(part, PREFIX, ListedRecords(records))

    alone = [decodes.decode(f"{PREFIX}{each.offset}", each) for each in records]
    assert part.rejects == [each for each in alone if isinstance(each, Reject)]
    inserts = [each for each in alone if isinstance(each, Insert)]
    assert [as_raw(each.document).raw for each in part.operations] == [as_raw(each.document).raw for each in inserts]
    # What is told of their size is no less than it is.
    without = [decoder().decode(each.id, each.record) for each in inserts]
    more = [len(one.document.raw) - len(other.document.raw) for one, other in zip(inserts, without, strict=True) if isinstance(other, Insert)]  # fmt: skip
    assert sum(more) <= part.operations.other_bytes
    assert bool(part.operations.other_bytes) == (bool(parts) and bool(records))


def test_policies_are_for_values_and_not_for_keys() -> None:
    """A key with a decimal number would be one that the driver cannot encode, in the plain way."""
    decodes = open_decoder(
        Settings(metadata=("key",), key_format="json", decimals="decimal128", field_names="escape"),
        Encoding(),
        Limits(),
    )
    records = [RECORD._replace(key=b"1.5"), RECORD._replace(offset=43, key=b'{"a.b": 1}')]
    part = PartitionBatch(TOPIC, 42, 44)

    decodes.decode_into(part, PREFIX, ListedRecords(records))

    assert [bson.decode(as_raw(each.document).raw)["_kafka"]["key"] for each in part.operations] == [1.5, b'{"a.b": 1}']


def test_what_is_large_besides_the_value_does_not_take_the_plain_way() -> None:
    """The plain way is for what is far below every limit of a server."""
    large, small = RECORD._replace(key=b"x" * (9 << 20)), RECORD._replace(offset=43)
    metadata = Metadata(["key"], "_kafka", keys.as_bytes)
    found: list[dict[str, Any]] = [{}, {}]

    others, most = metadata.add_plain(ListedRecords([large, small]), found, [])

    assert (others, most > 9 << 20) == ([0], True)
    insert = decoder("key").decode("x", RECORD._replace(key=b"x" * (17 << 20)))
    assert isinstance(insert, Reject)
    assert insert.reason == RejectReason.TOO_LARGE
    assert PLAIN_BYTES < 9 << 20


def test_of_a_record_that_is_left_out_no_key_is_decoded() -> None:
    """`verify` leaves out what was not stored: it may kill who decodes it."""
    seen: list[bytes] = []
    metadata = Metadata(["key"], "_kafka", lambda key: seen.append(key) or key)  # type: ignore[func-returns-value]
    decodes = Decoder(Json(), Encoding(), Limits(), metadata=metadata)

    decodes.decode_plain(PREFIX, ListedRecords([RECORD, RECORD._replace(offset=43, key=b"poison")]), [b"{}", None])

    assert seen == [b"42"]


@given(RECORDS)
@example(RECORD._replace(timestamp=138_459_887_966_671))
def test_a_replay_of_a_dead_letter_makes_the_same_document(record: FakeRecord) -> None:
    good = record._replace(value=b'{"a": 1}')
    kept = to_document(Reject("x", RejectReason.CONFLICT, "", good), "worker_00", EPOCH)
    replayed = from_document(bson.decode(bson.encode(kept), ZONED)).record

    one, other = (decoder(*ALL).decode("x", each) for each in (good, replayed))
    assert isinstance(one, Insert)
    assert isinstance(other, Insert)
    assert one.document.raw == other.document.raw


@pytest.mark.parametrize(
    ("before", "now", "equal"),
    [
        ({"a": 1}, {"a": 1, "_kafka": {"key": 1}}, True),
        ({"a": 1, "_kafka": {"key": 1, "headers": []}}, {"a": 1, "_kafka": {"key": 1, "timestamp": 5}}, True),
        ({"a": 1, "_kafka": {"key": 2}}, {"a": 1, "_kafka": {"key": 1}}, False),
        ({"a": 1, "_kafka": {"key": 1}}, {"a": 1, "_kafka": {"key": b"1"}}, False),
        ({"a": 2}, {"a": 1, "_kafka": {"key": 1}}, False),
        ({"a": 1, "b": 1}, {"a": 1, "_kafka": {"key": 1}}, False),
        ({"a": 1, "_kafka": 5}, {"a": 1, "_kafka": {"key": 1}}, False),
    ],
)
def test_a_document_from_before_the_metadata_was_switched_on_is_the_same(before: Any, now: Any, equal: bool) -> None:
    one, other = (RawBSONDocument(bson.encode(each)) for each in (before, now))

    assert documents_equal(one, other, "_kafka") is equal
    assert not documents_equal(one, other), "without the setting the field is one as any other"


@pytest.mark.parametrize("times", [[-999_500], [-1_000_000, 5], [LATEST - 1, LATEST, LATEST + 999], [999, -1]])
def test_a_date_does_not_depend_on_the_records_beside_it(times):
    records = [FakeRecord(3, offset, b"{}", time) for offset, time in enumerate(times)]
    together, _ = decoder("timestamp").decode_plain(PREFIX, ListedRecords(records), [b"{}"] * len(times))
    alone = [decoder("timestamp").decode(f"{PREFIX}{each.offset}", each) for each in records]

    assert [as_raw(each).raw for each in together] == [each.document.raw for each in alone if isinstance(each, Insert)]
