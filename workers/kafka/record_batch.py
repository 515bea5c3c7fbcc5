"""Decodes Kafka's record batches: https://kafka.apache.org/documentation/#recordbatch

In place of the client's decoder, for three reasons. A batch is read as columns, and not as an object for each record; nearly
all integers of the format are one byte long, and those are read without a function call. And a header's key is a string to the
protocol, but brokers accept any bytes: the client decodes keys as UTF-8 and raises out of every `poll` that meets another one,
so that one such record would stop its partition; here the other bytes are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.errors import CorruptRecordError
from kafka.record.util import decode_varint

from workers.kafka.compat_batches import batch_content

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_BYTE = 128
DECODED_TOGETHER = 1_000
"""Records."""
SHORT = tuple((byte >> 1) ^ -(byte & 1) for byte in range(ONE_BYTE))
"""The integers that are one byte long, by that byte, in zigzag encoding: 0, -1, 1, -2."""


Headers = Sequence[tuple[str, bytes | None]]
NO_HEADERS: Headers = ()


class DecodedRecords:
    """The offsets and the values of consecutive records of a batch; and, for who asks, the rest of them, as columns that are
    decoded at the first question, and kept.
    """

    def __init__(self, header: _Header, begin: int, offsets: Sequence[int], values: Sequence[bytes | None]) -> None:
        """Args: begin: the index of the first of them in the content."""
        self.offsets, self.values = offsets, values
        self.leader_epoch = header.leader_epoch
        self._header, self._begin = header, begin
        self._timestamps: Sequence[int] | None = None
        self._keys_and_headers: tuple[Sequence[bytes | None], Sequence[Headers]] | None = None

    def __len__(self) -> int:
        """The client asks what has passed through it for its size."""
        return len(self.values)

    def timestamps(self) -> Sequence[int]:
        if self._timestamps is None:
            self._timestamps = _timestamps(self._header, self._begin, len(self.values))
        return self._timestamps

    def keys(self) -> Sequence[bytes | None]:
        return self._rest()[0]

    def headers(self) -> Sequence[Headers]:
        return self._rest()[1]

    def _rest(self) -> tuple[Sequence[bytes | None], Sequence[Headers]]:
        if self._keys_and_headers is None:
            self._keys_and_headers = _keys_and_headers(self._header.content, self._begin, len(self.values))
        return self._keys_and_headers


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


# What follows reads records that were decoded before, so that nothing is checked. The integers of one byte, and here those of
# two, are read without a function call: a size is mostly one of these, and so is the time since the first record of a batch.


def _timestamps(header: _Header, at: int, count: int) -> list[int]:
    """Of so many records: of each only the beginning is read."""
    if header.append_time is not None:
        return [header.append_time] * count
    content, first, short, long = header.content, header.first_timestamp, SHORT, decode_varint
    found = []
    for _ in range(count):
        # The size, then one byte of attributes, then the timestamp.
        if (byte := content[at]) < ONE_BYTE:
            begin, end = at + 2, at + 1 + short[byte]
        elif (second := content[at + 1]) < ONE_BYTE:
            begin, end = at + 3, at + 2 + (second << 6 | (byte & 127) >> 1)
        else:
            size, at = long(content, at)
            begin, end = at + 1, at + size
        if (byte := content[begin]) < ONE_BYTE:
            found.append(first + short[byte])
        elif (second := content[begin + 1]) < ONE_BYTE:
            byte = byte & 127 | second << 7
            found.append(first + (byte >> 1 ^ -(byte & 1)))
        else:
            found.append(first + long(content, begin)[0])
        at = end
    return found


def _keys_and_headers(content: bytes, at: int, count: int) -> tuple[list[bytes | None], list[Headers]]:
    """Of so many records."""
    short, long = SHORT, decode_varint
    keys: list[bytes | None] = []
    headers: list[Headers] = []
    for _ in range(count):
        # Size, attributes, timestamp and offset: each ends with the first byte that is less.
        while content[at] >= ONE_BYTE:
            at += 1
        at += 2
        while content[at] >= ONE_BYTE:
            at += 1
        at += 1
        while content[at] >= ONE_BYTE:
            at += 1
        at += 1
        length, at = (short[byte], at + 1) if (byte := content[at]) < ONE_BYTE else long(content, at)
        if length >= 0:
            keys.append(content[at : at + length])
            at += length
        else:
            keys.append(None)
        length, at = (short[byte], at + 1) if (byte := content[at]) < ONE_BYTE else long(content, at)
        if length > 0:
            at += length
        if content[at]:
            some, at = _headers(content, at)
            headers.append(some)
        else:
            headers.append(NO_HEADERS)
            at += 1
    return keys, headers


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
