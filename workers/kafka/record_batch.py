"""Decodes Kafka's record batches: https://kafka.apache.org/documentation/#recordbatch

In place of the client's decoder, for three reasons. A batch is read as columns, and not as an object for each record; nearly
all integers of the format are one byte long, and those are read without a function call. And a header's key is a string to the
protocol, but brokers accept any bytes: the client decodes keys as UTF-8 and raises out of every `poll` that meets another one,
so that one such record would stop its partition; here the other bytes are escaped.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.errors import CorruptRecordError
from kafka.record.util import decode_varint

from workers.kafka.compat_batches import batch_content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ONE_BYTE = 128
DECODED_TOGETHER = 1_000
"""Records."""
SHORT = tuple((byte >> 1) ^ -(byte & 1) for byte in range(ONE_BYTE))
"""The integers that are one byte long, by that byte, in zigzag encoding: 0, -1, 1, -2."""


class Details(NamedTuple):
    """What a record has besides its offset and its value."""

    timestamp: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class DecodedRecords:
    """The offsets and the values of consecutive records of a batch; and, for who asks, the rest of them."""

    def __init__(self, header: _Header, begin: int, offsets: Sequence[int], values: Sequence[bytes | None]) -> None:
        """Args: begin: the index of the first of them in the content."""
        self.offsets, self.values = offsets, values
        self.leader_epoch = header.leader_epoch
        self._header, self._begin = header, begin
        self._details: Sequence[Details] | None = None

    def __len__(self) -> int:
        """The client asks what has passed through it for its size."""
        return len(self.values)

    def details(self, index: int) -> Details:
        """Of one record: those of all of them are decoded at the first question, and kept."""
        if self._details is None:
            self._details = [*self._decode_details()]
        return self._details[index]

    def _decode_details(self) -> Iterator[Details]:
        content, at, header = self._header.content, self._begin, self._header
        # It was decoded before, so that nothing is checked here.
        for _ in self.values:
            _, at = decode_varint(content, at)
            _, at = decode_varint(content, at)
            timestamp_delta, at = decode_varint(content, at)
            _, at = decode_varint(content, at)
            key, at = _bytes(content, at)
            _, at = _bytes(content, at)
            headers, at = _headers(content, at)
            timestamp = header.first_timestamp + timestamp_delta if header.append_time is None else header.append_time
            yield Details(timestamp, key, headers)


class _Header(NamedTuple):
    """What the records of a batch have in common."""

    content: bytes
    """Decompressed."""
    base_offset: int
    last_delta: int
    """Of the last offset."""
    leader_epoch: int
    first_timestamp: int
    append_time: int | None
    """None: each record has a time of its own."""


def decode(batch: Any) -> Iterator[DecodedRecords]:
    """The records of a batch, some at a time, for the memory that they take: a megabyte may hold a million of them.

    Args: batch: the client's, of format 2, which has checked it.

    Raises:
        CorruptRecordError: they are not what the header says, or no records.
    """
    content, at = batch_content(batch)
    base, append_time = batch.base_offset, batch.max_timestamp if batch.timestamp_type else None
    last = batch.last_offset - base
    header = _Header(content, base, last, batch.leader_epoch, batch.first_timestamp, append_time)
    count, first = batch.records_count, 0
    if count < 0:
        raise CorruptRecordError(f"a batch has {count} records")
    while first < count:
        begin, number = at, min(count - first, DECODED_TOGETHER)
        try:
            deltas, values, at = _columns(content, at, number)
        except (ValueError, IndexError) as error:
            raise CorruptRecordError(f"a record cannot be decoded: {error!r}") from error
        first += number
        yield DecodedRecords(header, begin, _offsets(header, deltas), values)
    if at != len(content):
        raise CorruptRecordError(f"{len(content) - at} bytes follow the last record of a batch")


def _columns(content: bytes, at: int, count: int) -> tuple[list[int], list[bytes | None], int]:
    """The offset deltas and the values of so many records, and the index behind them."""
    deltas: list[int] = []
    values: list[bytes | None] = []
    short, long = SHORT, decode_varint
    # A slice beyond the content is shorter, without an error: then the next read is an IndexError, or the sizes differ below.
    for _ in range(count):
        # Its size.
        size, at = (short[byte], at + 1) if (byte := content[at]) < ONE_BYTE else long(content, at)
        # The attributes follow, which the protocol does not use, and the timestamp.
        begin, at = at, at + 1 if content[at] < ONE_BYTE else long(content, at)[1]
        at = at + 1 if content[at] < ONE_BYTE else long(content, at)[1]
        # The offset, from that of the batch on.
        delta, at = (short[byte], at + 1) if (byte := content[at]) < ONE_BYTE else long(content, at)
        # The key, which is skipped.
        length, at = (short[byte], at + 1) if (byte := content[at]) < ONE_BYTE else long(content, at)
        if length > 0:
            at += length
        # The value.
        value = None
        length, at = (short[byte], at + 1) if (byte := content[at]) < ONE_BYTE else long(content, at)
        if length >= 0:
            value, at = content[at : at + length], at + length
        at = _headers(content, at)[1] if content[at] else at + 1
        if at - begin != size:
            raise CorruptRecordError(f"a record of {size} bytes has {at - begin}")
        deltas.append(delta)
        values.append(value)
    return deltas, values, at


def _offsets(header: _Header, deltas: list[int]) -> Sequence[int]:
    base = header.base_offset
    if deltas[0] < 0 or deltas[-1] > header.last_delta:
        raise CorruptRecordError(f"a batch of offsets {base} to {base + header.last_delta} has records beyond them")
    if deltas == [*range(deltas[0], deltas[0] + len(deltas))]:
        return range(base + deltas[0], base + deltas[-1] + 1)
    # Compaction leaves gaps, and no other order.
    if any(after <= before for before, after in pairwise(deltas)):
        raise CorruptRecordError("the offsets of a batch do not ascend")
    return [base + delta for delta in deltas]


def _bytes(content: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(content, at)
    return (content[at : at + length], at + length) if length >= 0 else (None, at)


def _headers(content: bytes, at: int) -> tuple[list[tuple[str, bytes | None]], int]:
    headers: list[tuple[str, bytes | None]] = []
    count, at = decode_varint(content, at)
    if count < 0:
        raise CorruptRecordError(f"a record has {count} headers")
    for _ in range(count):
        length, at = decode_varint(content, at)
        if length < 0:
            raise CorruptRecordError(f"a header's key has {length} bytes")
        key, at = content[at : at + length].decode(errors="backslashreplace"), at + length
        value, at = _bytes(content, at)
        headers.append((key, value))
    return headers, at
