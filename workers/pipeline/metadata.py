"""What a document has of its record besides the value: place, timestamp, key, headers, in one field, the last one.

A function of the record and of its route alone, for a redelivered record must make the same document.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import repeat
from typing import TYPE_CHECKING, Any

from workers.formats.plain_json import PLAIN_BYTES
from workers.types import RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from workers.records import Record, Records

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 BSON's dates are in UTC, and one without a zone costs less to encode
MILLISECONDS = tuple(timedelta(milliseconds=number) for number in range(1000))
LATEST = 2**47 // 1000 * 1000
"""Of milliseconds: in the year 6429. Who sends more has sent microseconds; a dead letter does not keep them either."""
BYTES = 128
"""As BSON, all of it but what is counted below takes less."""
BYTES_OF_HEADER = 48
"""The same, for each header."""
BSON_PER_BYTE = 8
"""Of a key, which may be JSON: see `insert_command.BSON_PER_JSON`."""
PLAIN_TOGETHER = 8 * 1024 * 1024
"""Bytes: where all keys and headers have no more, none is too large to be plain."""
Headers = Sequence[tuple[str, bytes | None]]


class Metadata:
    """Adds the metadata to the fields of a value."""

    def __init__(self, parts: Collection[str], field: str, key: Callable[[bytes], Any]) -> None:
        """Args:
        parts: some of place, timestamp, key, headers, in the order in which they are stored.
        field: into which they go.
        key: what is stored of a key: see `workers.formats.keys`.
        """
        self.parts = tuple(parts)
        self._field, self._key = field, key
        self._has_content = bool({"key", "headers"} & {*parts})

    def add(self, record: Record, fields: dict[str, Any]) -> None:
        """Add those of one record.

        Raises:
            RejectedError: the value has a field of this name.
        """
        if self._field in fields:
            raise RejectedError(
                RejectReason.RESERVED_FIELD,
                f"the value has a field {self._field}, into which the metadata goes; metadata_field is another name for it",
            )
        fields[self._field] = {part: self._of_record(part, record) for part in self.parts}

    def add_plain(self, records: Records, found: Sequence[dict[str, Any]], others: list[int]) -> tuple[list[int], int]:
        """Add those of many records to the fields of their plain values.

        Args:
            found: by record.
            others: the indexes of those that are not plain, of which the fields do not matter.

        Returns:
            The indexes of those that are not plain now: also those that have such a field, or too large a key; and how many
            bytes, as BSON, the metadata of all records has at most.
        """
        if not found:
            return others, 0
        field, parts = self._field, self.parts
        left_out = {*others}
        if any(map(dict.__contains__, found, repeat(field))):
            left_out.update(index for index, fields in enumerate(found) if field in fields)
        most = len(found) * (BYTES + len(field.encode()) + (len(records.topic()) if "place" in parts else 0))
        if self._has_content:
            keys, headers = records.keys(), records.headers()
            content = _size(keys, headers)
            most += content
            if content > PLAIN_TOGETHER:
                left_out.update(
                    index
                    for index, each in enumerate(zip(keys, headers, strict=True))
                    if _size(each[:1], each[1:]) > PLAIN_BYTES
                )
        if parts == ("place", "timestamp"):
            # What most have, in one loop: each object between costs.
            topic, partition = records.topic(), records.partition()
            for fields, offset, date in zip(found, records.offsets, _dates(records.timestamps()), strict=True):
                fields[field] = {
                    "place": {"topic": topic, "partition": partition, "offset": offset},
                    "timestamp": date,
                }
        else:
            columns = [self._column(part, records, left_out) for part in parts]
            for fields, row in zip(found, zip(*columns, strict=True), strict=True):
                fields[field] = dict(zip(parts, row, strict=True))
        return others if len(left_out) == len(others) else sorted(left_out), most

    def _of_record(self, part: str, record: Record) -> Any:
        if part == "place":
            return _place(record.topic, record.partition, record.offset)
        if part == "timestamp":
            return _date(record.timestamp)
        if part == "key":
            return None if record.key is None else self._key(record.key)
        return _headers(record.headers)

    def _column(self, part: str, records: Records, left_out: Collection[int]) -> Sequence[Any]:
        """Of each record; of those that are left out, it does not matter what."""
        if part == "place":
            topic, partition = records.topic(), records.partition()
            return [{"topic": topic, "partition": partition, "offset": offset} for offset in records.offsets]
        if part == "timestamp":
            return _dates(records.timestamps())
        if part == "key":
            decode = self._key
            # A key is decoded only with its value: `verify` leaves out what may kill who decodes it.
            return [
                None if key is None or index in left_out else decode(key) for index, key in enumerate(records.keys())
            ]
        return [*map(_headers, records.headers())]


def _place(topic: str, partition: int, offset: int) -> dict[str, Any]:
    return {"topic": topic, "partition": partition, "offset": offset}


def _date(timestamp: int) -> datetime | None:
    """None: the record has none, or one that is no time in milliseconds."""
    return EPOCH + timedelta(milliseconds=timestamp) if 0 <= timestamp < LATEST else None


def _dates(timestamps: Sequence[int]) -> list[datetime | None]:
    """As `_date`. Neighbours are mostly of the same second: then a date is one addition."""
    dates: list[datetime | None] = []
    # Further away than any timestamp, which has 64 bits.
    second, base = -(2**65), EPOCH
    for timestamp in timestamps:
        after = timestamp - second
        if not 0 <= after < 1000:
            if not 0 <= timestamp < LATEST:
                dates.append(None)
                continue
            second = timestamp - timestamp % 1000
            base, after = EPOCH + timedelta(milliseconds=second), timestamp - second
        dates.append(base + MILLISECONDS[after])
    return dates


def _headers(headers: Headers) -> list[dict[str, Any]]:
    """A list, for a name may be there twice, and their order may matter."""
    return [{"k": name, "v": value} for name, value in headers]


def _size(keys: Iterable[bytes | None], headers: Iterable[Headers]) -> int:
    """Of these keys and headers as BSON, at most."""
    size = BSON_PER_BYTE * sum(map(len, filter(None, keys)))
    for some in filter(None, headers):
        for name, value in some:
            # A name has at most four bytes for each character.
            size += 4 * len(name) + len(value or b"") + BYTES_OF_HEADER
    return size
