"""Batches of records, read as the client reads them, and header keys that it cannot read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from tests.support.embedded import EmbeddedStack
from tests.support.plain_workers import PlainWorkers
from workers.kafka.fast_records import install


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
ATTRIBUTES_AT = 22
"""Where a batch says in its second byte of attributes what its timestamps are."""


def built(codec: int, records: Sequence[tuple[int, bytes | None, bytes | None, Sequence[Any]]]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1 << 16)
    for number, (time, key, value, headers) in enumerate(records):
        # Offsets with gaps, as compaction leaves them.
        builder.append(number * 70, time, key, value, list(headers))
    return bytes(builder.build())


def read(raw: bytes, iterate: Callable[[Any], Iterator[Any]]) -> list[tuple[Any, ...]]:
    """All that a consumer asks of each record."""
    return [
        (
            r.size_in_bytes,
            r.offset,
            r.timestamp,
            r.timestamp_type,
            r.key,
            r.value,
            r.headers,
            r.checksum,
            r.validate_crc(),
        )
        for r in iterate(DefaultRecordBatch(raw))
    ]


def whole(batch: Any) -> Iterator[Any]:
    """The client's own way: `__iter__` returns the batch itself."""
    batch._maybe_uncompress()
    while batch._next_record_index < batch.records_count:
        yield next(batch)
    with suppress(StopIteration):
        next(batch)


@given(st.sampled_from([0, 1, 2, 3, 4]), RECORDS, st.booleans())
def test_a_batch_is_read_as_the_client_reads_it(codec: int, records: list[Any], append_time: bool) -> None:
    install()
    raw = bytearray(built(codec, records))
    raw[ATTRIBUTES_AT] |= APPEND_TIME if append_time else 0

    assert read(bytes(raw), iter) == read(bytes(raw), whole)


@given(RECORDS, st.data())
def test_what_is_broken_is_an_error_or_what_the_client_makes_of_it(records: list[Any], data: st.DataObject) -> None:
    """Beyond the checksum, which is checked before: no endless loop, and no other error than the client's."""
    install()
    raw = bytearray(built(0, records))
    place = data.draw(st.integers(61, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))

    try:
        expected = read(bytes(raw), whole)
    except (CorruptRecordError, UnicodeDecodeError):
        with suppress(CorruptRecordError):
            read(bytes(raw), iter)
    else:
        assert read(bytes(raw), iter) == expected


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_header_keys_that_are_not_utf8_are_shown_with_escapes(codec: int) -> None:
    install()
    records = [(1, None, b"%d" % n * 200, [(RawKey("x"), b"1"), ("caf\xe9", b"2")]) for n in range(3)]

    found = list(DefaultRecordBatch(built(codec, records)))

    assert [record.value for record in found] == [b"%d" % number * 200 for number in range(3)]
    assert [record.headers for record in found] == [[("\\xff\\xfekey", b"1"), ("caf\xe9", b"2")]] * 3


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
