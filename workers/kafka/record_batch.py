"""One of Kafka's record batches, decoded: https://kafka.apache.org/documentation/#recordbatch

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

from workers.kafka.compat_batches import batch_buffer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ONE_BYTE = 128
SHORT = tuple((byte >> 1) ^ -(byte & 1) for byte in range(ONE_BYTE))
"""The integers that are one byte long, by that byte, in zigzag encoding: 0, -1, 1, -2."""


class Details(NamedTuple):
    """What a record has besides its offset and its value."""

    timestamp: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class RecordBatch:
    """The offsets and the values of a batch; and, for who asks, the rest of its records."""

    def __init__(self, batch: Any) -> None:
        """Args: batch: the client's, of format 2, which has checked it.

        Raises:
            CorruptRecordError: its records are not what its header says, or no records.
        """
        self._content, self._begin = batch_buffer(batch)
        self._first_timestamp = batch.first_timestamp
        self._append_time = batch.max_timestamp if batch.timestamp_type else None
        self._details: Sequence[Details] | None = None
        self.leader_epoch: int = batch.leader_epoch
        try:
            deltas, self.values = _columns(self._content, self._begin, batch.records_count)
        except (ValueError, IndexError) as error:
            raise CorruptRecordError(f"a record cannot be decoded: {error!r}") from error
        self.offsets = _offsets(batch.base_offset, deltas, batch.last_offset - batch.base_offset)

    def __len__(self) -> int:
        return len(self.values)

    def details(self, index: int) -> Details:
        """Of one record: those of the whole batch are decoded at the first question, and kept."""
        if self._details is None:
            self._details = [*self._decode_details()]
        return self._details[index]

    def _decode_details(self) -> Iterator[Details]:
        buffer, at = self._content, self._begin
        # It was decoded before, so that nothing is checked here.
        for _ in self.values:
            _, at = decode_varint(buffer, at)
            _, at = decode_varint(buffer, at)
            timestamp_delta, at = decode_varint(buffer, at)
            _, at = decode_varint(buffer, at)
            key, at = _bytes(buffer, at)
            _, at = _bytes(buffer, at)
            headers, at = _headers(buffer, at)
            timestamp = self._first_timestamp + timestamp_delta if self._append_time is None else self._append_time
            yield Details(timestamp, key, headers)


def _columns(buffer: bytes, at: int, count: int) -> tuple[list[int], list[bytes | None]]:
    """The offset deltas and the values of so many records, which must fill the buffer to its end."""
    deltas: list[int] = []
    values: list[bytes | None] = []
    short, long = SHORT, decode_varint
    for _ in range(count):
        size, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
        # The attributes follow, which the protocol does not use, and the timestamp.
        begin, at = at, at + 1 if buffer[at] < ONE_BYTE else long(buffer, at)[1]
        at = at + 1 if buffer[at] < ONE_BYTE else long(buffer, at)[1]
        delta, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
        length, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
        if length > 0:
            at += length
        value = None
        length, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
        if length >= 0:
            value, at = buffer[at : at + length], at + length
        at = _headers(buffer, at)[1] if buffer[at] else at + 1
        if at - begin != size:
            raise CorruptRecordError(f"a record of {size} bytes has {at - begin}")
        deltas.append(delta)
        values.append(value)
    if at != len(buffer):
        raise CorruptRecordError(f"{len(buffer) - at} bytes follow the last record of a batch")
    return deltas, values


def _offsets(base: int, deltas: list[int], last: int) -> Sequence[int]:
    """Args: last: the delta of the last offset of the batch, by its header."""
    if not deltas:
        return ()
    if deltas[0] < 0 or deltas[-1] > last:
        raise CorruptRecordError(f"a batch of offsets {base} to {base + last} has records beyond them")
    if deltas == [*range(deltas[0], deltas[0] + len(deltas))]:
        return range(base + deltas[0], base + deltas[-1] + 1)
    # Compaction leaves gaps, and no other order.
    if any(after <= before for before, after in pairwise(deltas)):
        raise CorruptRecordError("the offsets of a batch do not ascend")
    return [base + delta for delta in deltas]


def _bytes(buffer: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(buffer, at)
    return (buffer[at : at + length], at + length) if length >= 0 else (None, at)


def _headers(buffer: bytes, at: int) -> tuple[list[tuple[str, bytes | None]], int]:
    headers: list[tuple[str, bytes | None]] = []
    count, at = decode_varint(buffer, at)
    if count < 0:
        raise CorruptRecordError(f"a record has {count} headers")
    for _ in range(count):
        length, at = decode_varint(buffer, at)
        if length < 0:
            raise CorruptRecordError(f"a header's key has {length} bytes")
        key, at = buffer[at : at + length].decode(errors="backslashreplace"), at + length
        value, at = _bytes(buffer, at)
        headers.append((key, value))
    return headers, at
