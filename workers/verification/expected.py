"""What must be stored of one partition: a digest of each record's document, by offset, in eight bytes."""

from __future__ import annotations

import os
import sys
from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING

from workers.identity import OffsetRange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTHING, SETTLED, STORED_ONLY, DEAD_LETTER, PENDING, PENDING_BUT_STORED, FIRST_DIGEST = range(7)
"""What is known of an offset, in this order, since some are compared by size:

- NOTHING: neither a record nor anything stored.
- SETTLED: a record that is counted.
- STORED_ONLY: something is stored, and no record was seen.
- DEAD_LETTER: the same, and it is a dead letter that was not replayed.
- PENDING: a record that is not committed, or that is left out on purpose; nothing stored was seen.
- PENDING_BUT_STORED: the same, and something stored was seen: it is to be looked up.
- from FIRST_DIGEST on: the digest of the document that must be found.
"""
MERGE_OFFSETS = 10_000
"""Offsets so near to each other are read in one piece: seeking costs as much as reading some thousand records."""
MOST_RANGES = 100


class Digest:
    """A digest of 64 bits, with a key that only this process knows: nobody can send a record that has the digest of another.

    Python's own `hash` of bytes is SipHash with a random key (PEP 456), and takes a twentieth of the time of a hash of
    hashlib. Where it has no secret key (PYTHONHASHSEED), or fewer bits, BLAKE2b with a key takes its place.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        info = sys.hash_info
        is_secret = os.environ.get("PYTHONHASHSEED", "random") in ("", "random") and sys.flags.hash_randomization
        self._quick = bool(is_secret and info.width == 64 and info.algorithm.startswith("siphash") and not info.cutoff)

    def __call__(self, content: bytes) -> int:
        if self._quick:
            value = hash(content) & 0xFFFF_FFFF_FFFF_FFFF
        else:
            value = int.from_bytes(blake2b(content, digest_size=8, key=self._key).digest(), "little")
        return value if value >= FIRST_DIGEST else value + FIRST_DIGEST


class Column:
    """The offsets of one range. `values` is indexed by offset less `first`."""

    __slots__ = ("end", "first", "values")

    def __init__(self, offsets: OffsetRange) -> None:
        self.first, self.end = offsets
        self.values = array("Q", bytes(8)) * (self.end - self.first)


class Expected:
    """The offsets of one partition, in a few ranges."""

    def __init__(self, ranges: Sequence[OffsetRange]) -> None:
        self.columns = [Column(each) for each in sorted(ranges, key=lambda each: each.first - each.end)]
        """The longest first."""

    def column(self, offset: int) -> Column | None:
        """The column that has this offset; None: none has."""
        for column in self.columns:
            if column.first <= offset < column.end:
                return column
        return None

    def __getitem__(self, offset: int) -> int:
        column = self.column(offset)
        return column.values[offset - column.first] if column else NOTHING

    def __setitem__(self, offset: int, value: int) -> None:
        column = self.column(offset)
        if column:
            column.values[offset - column.first] = value

    def stored_only(self) -> Iterator[int]:
        """The offsets at which something is stored, and no record is, by range in ascending order."""
        for column in self.columns:
            if any(each in column.values for each in (STORED_ONLY, DEAD_LETTER)):
                for index, value in enumerate(column.values):
                    if value in (STORED_ONLY, DEAD_LETTER):
                        yield column.first + index

    def settle_pending(self) -> Iterator[int]:
        """Call every record that is PENDING settled, and return their offsets."""
        for column in self.columns:
            if column.values.count(PENDING):
                for index, value in enumerate(column.values):
                    if value == PENDING:
                        column.values[index] = SETTLED
                        yield column.first + index

    def left(self) -> Iterator[int]:
        """The offsets of the records that are to be looked up, by range in ascending order."""
        for column in self.columns:
            yield from _left(column)

    def ranges_left(self) -> list[OffsetRange]:
        """Ranges that have all of `left`, a bounded number of them: where there are more, those that are near are one."""
        ranges: list[OffsetRange] = []
        for column in self.columns:
            near = max(MERGE_OFFSETS, len(column.values) // MOST_RANGES)
            first = last = -1
            for offset in _left(column):
                if last >= 0 and offset - last > near:
                    ranges.append(OffsetRange(first, last + 1))
                    last = -1
                first, last = (first if last >= 0 else offset), offset
            if last >= 0:
                ranges.append(OffsetRange(first, last + 1))
        return ranges


def _left(column: Column) -> Iterator[int]:
    if max(column.values, default=NOTHING) >= PENDING_BUT_STORED:
        for index, value in enumerate(column.values):
            if value >= PENDING_BUT_STORED:
                yield column.first + index
