"""A decoder of Kafka's record batches that replaces the client's.

For two reasons. The protocol defines a header key as a string, but brokers accept any bytes. The client decodes the keys
as UTF-8 and raises out of every `poll` that meets another one, so that one such record would stop its partition; this
decoder escapes the other bytes. And nearly all integers of the format are one byte long; decoding those without a
function call takes a third off the cost of `poll`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.errors import CorruptRecordError
from kafka.record.util import decode_varint

from workers.kafka.compat import batch_buffer, install_record_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_BYTE = 128
SHORT = tuple((byte >> 1) ^ -(byte & 1) for byte in range(ONE_BYTE))
"""The integers that are one byte long, by that byte, in zigzag encoding: 0, -1, 1, -2."""


class _Record(NamedTuple):
    """The attributes of a record that the client's consumer uses."""

    size_in_bytes: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None

    def validate_crc(self) -> bool:
        """Only a batch has a checksum."""
        return True


def install() -> None:
    """Install it for every consumer of this process. tests/integration/test_record_batch.py compares it to the client's."""
    install_record_decoder(_records)


def _records(batch: Any) -> Iterator[_Record]:
    buffer, at = batch_buffer(batch)
    base, append_time = batch.base_offset, batch.max_timestamp if batch.timestamp_type else None
    first_timestamp, timestamp_type = batch.first_timestamp, batch.timestamp_type
    short, long = SHORT, decode_varint
    try:
        for _ in range(batch.records_count):
            size, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
            # The attributes follow; the protocol does not use them.
            begin, at = at, at + 1 if buffer[at] < ONE_BYTE else long(buffer, at)[1]
            timestamp_delta, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
            offset, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
            key = value = None
            length, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
            if length >= 0:
                key, at = buffer[at : at + length], at + length
            length, at = (short[byte], at + 1) if (byte := buffer[at]) < ONE_BYTE else long(buffer, at)
            if length >= 0:
                value, at = buffer[at : at + length], at + length
            headers, at = _headers(buffer, at) if buffer[at] else ([], at + 1)
            if at - begin != size:
                raise CorruptRecordError(f"a record of {size} bytes has {at - begin}")
            timestamp = first_timestamp + timestamp_delta if append_time is None else append_time
            yield _Record(size, base + offset, timestamp, timestamp_type, key, value, headers)
    except (ValueError, IndexError) as error:
        raise CorruptRecordError(f"a record cannot be decoded: {error!r}") from error
    if at != len(buffer):
        raise CorruptRecordError(f"{len(buffer) - at} bytes follow the last record of a batch")


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
        length, at = decode_varint(buffer, at)
        value, at = (buffer[at : at + length], at + length) if length >= 0 else (None, at)
        headers.append((key, value))
    return headers, at
