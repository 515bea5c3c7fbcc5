"""Batches of records, read as the client reads them, and header keys that it cannot read."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka import KafkaConsumer
from kafka import TopicPartition as ClientPartition
from kafka.consumer.fetcher import IsolationLevel
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c, encode_varint

from tests.support.embedded import EmbeddedStack
from tests.support.plain_workers import PlainWorkers
from workers.kafka.fetched_records import FetchedRecords, install
from workers.kafka.record_batch import DECODED_TOGETHER, decode


class RawKey(str):
    """What a client in another language sends."""

    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfekey"


HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=200)), max_size=3)
RECORDS = st.lists(
    st.tuples(st.integers(0, 2**40), st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=200), HEADERS),
    min_size=1,
    max_size=5,
)
APPEND_TIME = 8
CONTROL = 32
CRC_AT, ATTRIBUTES_AT = 17, 22
"""Where a batch says in its second byte of attributes what its timestamps are."""


LAST_OFFSET_AT, COUNT_AT, RECORDS_AT = 23, 57, 61
"""Where a batch says the delta of its last offset, and how many records it has; and where these begin."""


def built(codec: int, records: Sequence[tuple[int, bytes | None, bytes | None, Sequence[Any]]], step: int) -> bytes:
    """Args: step: between offsets; more than 1: as compaction leaves them."""
    builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1 << 16)
    for number, (time, key, value, headers) in enumerate(records):
        builder.append(number * step, time, key, value, list(headers))
    return bytes(builder.build())


def read(raw: bytes) -> list[tuple[Any, ...]]:
    """All that is asked of each record."""
    return [
        (offset, value, timestamp, key, list(headers))
        for some in decode(DefaultRecordBatch(raw))
        for offset, value, timestamp, key, headers in zip(
            some.offsets, some.values, some.timestamps(), some.keys(), some.headers(), strict=True
        )
    ]


def whole(raw: bytes) -> list[tuple[Any, ...]]:
    """The client's own way."""
    return [(r.offset, r.value, r.timestamp, r.key, r.headers) for r in DefaultRecordBatch(raw)]


@given(st.sampled_from([0, 1, 2, 3, 4]), RECORDS, st.sampled_from([1, 70]), st.booleans())
def test_a_batch_is_read_as_the_client_reads_it(codec: int, records: list[Any], step: int, append_time: bool) -> None:
    raw = bytearray(built(codec, records, step))
    raw[ATTRIBUTES_AT] |= APPEND_TIME if append_time else 0

    assert read(bytes(raw)) == whole(bytes(raw))


@given(RECORDS, st.data())
def test_what_is_broken_is_an_error_or_what_the_client_makes_of_it(records: list[Any], data: st.DataObject) -> None:
    """Beyond the checksum, which is checked before: no endless loop, and no other error than the client's."""
    raw = bytearray(built(0, records, 1))
    place = data.draw(st.integers(LAST_OFFSET_AT, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))

    only_a_key = False
    try:
        expected = whole(bytes(raw))
    except CorruptRecordError as error:
        # Of a header's key that is not UTF-8, which is shown with escapes here.
        expected, only_a_key = None, "UnicodeDecodeError" in str(error)
    try:
        found = read(bytes(raw))
    except CorruptRecordError:
        # The client believes offsets in any order, and beyond the batch.
        offsets = [each[0] for each in expected or ()]
        last = int.from_bytes(raw[LAST_OFFSET_AT : LAST_OFFSET_AT + 4], "big", signed=True)
        assert not offsets or offsets != sorted(set(offsets)) or offsets[0] < 0 or offsets[-1] > last
    else:
        assert only_a_key or found == expected


def test_header_keys_that_are_not_utf8_are_shown_with_escapes() -> None:
    for codec in range(5):
        records = [(1, None, b"%d" % n * 200, [(RawKey("x"), b"1"), ("caf\xe9", b"2")]) for n in range(3)]

        found = read(built(codec, records, 1))

        assert [each[1] for each in found] == [b"%d" % number * 200 for number in range(3)]
        assert [each[-1] for each in found] == [[("\\xff\\xfekey", b"1"), ("caf\xe9", b"2")]] * 3


def test_a_large_batch_is_decoded_some_at_a_time_and_what_is_before_a_fault_is_there(
    consumers: tuple[KafkaConsumer, KafkaConsumer],
) -> None:
    count = 2 * DECODED_TOGETHER + 7
    raw = built(3, [(number, None, b"%d" % number, []) for number in range(count)], 1)

    assert [len(some) for some in decode(DefaultRecordBatch(raw))] == [DECODED_TOGETHER, DECODED_TOGETHER, 7]
    assert read(raw) == whole(raw)
    found, positions, error = taken(consumers[1], [raw], 0, [900] * 9)
    assert ([*map(len, found)], positions, error) == ([900, 900, 207], [900, 1_800, count], "")

    lying = bytearray(built(0, [(number, None, b"%d" % number, []) for number in range(count)], 1))
    lying[-1] = 1
    lying[CRC_AT : CRC_AT + 4] = calc_crc32c(lying[CRC_AT + 4 :]).to_bytes(4, "big")
    found, positions, error = taken(consumers[1], [bytes(lying)], 0, [900] * 9)
    assert ([*map(len, found)], positions, error) == ([900, 900, 200], [900, 1_800, 2_000], "CorruptRecordError")


def varint(number: int) -> bytes:
    found = bytearray()
    encode_varint(number, found.append)
    return bytes(found)


def begin(raw: bytes, count: int) -> bytes:
    """The header of a batch, with another number of records."""
    return raw[:COUNT_AT] + count.to_bytes(4, "big", signed=True)


LIES = {
    "a record too many": lambda raw: begin(raw, 4) + raw[RECORDS_AT:],
    "a record too few": lambda raw: begin(raw, 2) + raw[RECORDS_AT:],
    "a negative count": lambda raw: begin(raw, -1) + raw[RECORDS_AT:],
    "cut": lambda raw: raw[:-1],
    "bytes behind the last": lambda raw: raw + b"\0",
    "offsets beyond the last": lambda raw: raw[:LAST_OFFSET_AT] + (1).to_bytes(4, "big") + raw[LAST_OFFSET_AT + 4 :],
    "offsets in disorder": lambda raw: begin(raw, 3) + 3 * record(0),
    "a negative offset": lambda raw: begin(raw, 1) + record(-1),
    "headers without end": lambda raw: begin(raw, 1) + record(0, headers=varint(1 << 30)),
    "a negative number of headers": lambda raw: begin(raw, 1) + record(0, headers=varint(-3)),
    "a header without a key": lambda raw: begin(raw, 1) + record(0, headers=b"\x02\x01\x01"),
    "a value beyond the batch": lambda raw: begin(raw, 1) + record(0, length=100),
    "a size that is another": lambda raw: begin(raw, 1) + record(0, size=1),
    "an endless number": lambda raw: begin(raw, 1) + b"\xff" * 40,
}


def record(offset: int, *, length: int = 2, size: int = 0, headers: bytes = b"\0") -> bytes:
    body = b"\0\0" + varint(offset) + b"\x01" + varint(length) + b"{}" + headers
    return varint(len(body) + size) + body


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_batch_that_lies_is_corrupt(lie: Callable[[bytes], bytes]) -> None:
    raw = built(0, [(1, None, b"{}", [])] * 3, 1)
    assert len(read(raw)) == 3

    with pytest.raises(CorruptRecordError):
        read(lie(raw))


Taken = list[list[int]]


def taken(
    consumer: KafkaConsumer,
    batches: Sequence[bytes],
    fetch_offset: int,
    sizes: Sequence[int],
    aborted: Sequence[Any] = (),
) -> tuple[Taken, list[int], str]:
    """The offsets of each `take` of so many records, the position behind it, and the error that ended it."""
    part = consumer._fetcher.PartitionRecords(
        fetch_offset,
        ClientPartition("numtest", 0),
        MemoryRecords(b"".join(batches)),
        isolation_level=IsolationLevel.READ_COMMITTED,
        aborted_transactions=list(aborted),
    )
    found: Taken = []
    positions: list[int] = []
    try:
        for size in sizes:
            if not part:
                break
            records = part.take(size)
            assert len(records) <= size
            got = [offset for each in records for offset in getattr(each, "offsets", None) or [each.offset]]
            assert len(got) == len(records)
            found.append(got)
            positions.append(part.next_fetch_offset)
    except CorruptRecordError as error:
        return found, positions, type(error).__name__
    return found, positions, ""


@pytest.fixture(scope="module")
def consumers() -> Iterator[tuple[KafkaConsumer, KafkaConsumer]]:
    """The client's own, and one that hands batches over."""
    theirs, ours = (KafkaConsumer(bootstrap_servers=[], api_version=(2, 8)) for _ in range(2))
    install(ours)
    yield theirs, ours
    for each in (theirs, ours):
        each.close(autocommit=False)


PRODUCER = 7
Kind = str


def batch(kind: Kind, first: int, count: int, step: int) -> bytes:
    """Kinds: plain; transactional; abort and commit, the markers of a transaction; old, of format 1; bad, with a wrong checksum."""
    if kind == "old":
        old = LegacyRecordBatchBuilder(1, 0, 1 << 16)
        for number in range(count):
            old.append(first + number * step, 5, b"key", b"{}")
        return bytes(old.build())
    marker = kind in ("abort", "commit")
    builder = DefaultRecordBatchBuilder(2, 0, marker or kind == "transactional", PRODUCER, 0, 0, 1 << 16)
    for number in range(1 if marker else count):
        key = struct.pack(">hh", 0, kind == "commit") if marker else None
        builder.append(number * step, 5, key, struct.pack(">hi", 0, 0) if marker else b"{}", [])
    raw = bytearray(builder.build())
    raw[0:8] = first.to_bytes(8, "big")
    raw[ATTRIBUTES_AT] |= CONTROL if marker else 0
    raw[CRC_AT : CRC_AT + 4] = (calc_crc32c(raw[CRC_AT + 4 :]) ^ (kind == "bad")).to_bytes(4, "big")
    return bytes(raw)


KINDS = st.sampled_from(["plain"] * 4 + ["transactional"] * 3 + ["abort", "commit", "old", "bad"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(KINDS, st.integers(0, 3), st.integers(1, 6), st.integers(1, 3)), max_size=6),
    st.integers(0, 12),
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
    st.booleans(),
)
def test_batches_are_divided_as_the_client_divides_records(
    consumers: tuple[KafkaConsumer, KafkaConsumer],
    layout: list[tuple[Kind, int, int, int]],
    fetch_offset: int,
    sizes: list[int],
    aborts: bool,
) -> None:
    """Whatever a response holds, each `take` has the same offsets, and leaves the same position; so does a bad checksum."""
    batches, offset = [], 0
    for kind, gap, count, step in layout:
        batches.append(batch(kind, offset + gap, count, step))
        offset += gap + (1 if kind in ("abort", "commit") else (count - 1) * step + 1)
    aborted = [SimpleNamespace(first_offset=0, producer_id=PRODUCER)] if aborts else []

    theirs, ours = (taken(each, batches, fetch_offset, sizes * 20, aborted) for each in consumers)

    assert ours == theirs


def test_of_a_batch_that_is_divided_each_record_has_what_is_its_own(
    consumers: tuple[KafkaConsumer, KafkaConsumer],
) -> None:
    raw = built(2, [(number, b"k%d" % number, b"v%d" % number, [("h", b"%d" % number)]) for number in range(10)], 3)
    part = consumers[1]._fetcher.PartitionRecords(
        6, ClientPartition("numtest", 4), MemoryRecords(raw + batch("old", 40, 2, 1))
    )
    records = FetchedRecords([*part.take(3), *part.take(4), *part.take(9)])

    assert [*records.offsets] == [6, 9, 12, 15, 18, 21, 24, 27, 40, 41]
    assert [r.offset for r in records] == [*records.offsets]
    assert [(r.timestamp, r.key, r.value, r.headers) for r in records[:8]] == [
        (number, b"k%d" % number, b"v%d" % number, [("h", b"%d" % number)]) for number in range(2, 10)
    ]
    assert (records[9].key, records[-1].value, records[8].leader_epoch, records[3].partition) == (b"key", b"{}", -1, 4)
    assert [*records[2:5].offsets] == [12, 15, 18]
    assert [r.value for r in records[2:5][1:]] == [b"v5", b"v6"]
    assert (len(records[3:3]), records[3:3].last_epoch, [*records[8:20].values]) == (0, -1, [b"{}", b"{}"])


def test_a_batch_that_begins_before_the_end_of_the_one_before_is_corrupt(
    consumers: tuple[KafkaConsumer, KafkaConsumer],
) -> None:
    batches = [batch("plain", 0, 5, 1), batch("plain", 3, 5, 1)]

    assert taken(consumers[1], batches, 0, [3] * 9) == ([[0, 1, 2], [3, 4]], [3, 5], "CorruptRecordError")


@pytest.mark.integration
def test_a_header_key_that_is_not_utf8_stops_nobody(stack: EmbeddedStack, tmp_path: Path) -> None:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.create(1)
        odd = [(RawKey("x"), b"\x00value"), ("plain", b"")]
        workers.numbers(0, 0, 5)
        workers.send(0, b'{"number": 5}', b"poison", headers=odd)
        workers.numbers(0, 7, 5)
        workers.start()
        workers.wait_committed({0: 12})

        documents, (letter,) = workers.contents()
        assert [each["number"] for each in documents] == sorted([*range(6), *range(7, 12)], key=str)
        assert (letter["reason"], bytes(letter["value"])) == ("not_json", b"poison")
        assert [(each["key"], each["value"]) for each in letter["headers"]] == [
            ("\\xff\\xfekey", b"\x00value"),
            ("plain", b""),
        ]
        assert workers.verify().code == 0
        assert workers.alive()
