"""The segments of a topic that are verified one after the other: ids between two bounds, as a database compares them. Pure.

A database compares ids as text, and Kafka counts: offsets 12, 120 to 129 and 1200 to 1299 of a partition are neighbours
as ids, and three ranges of the log. So a segment is a range of ids, which the offsets of several ranges fill.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from workers.identity import SECOND, OffsetRange
from workers.sinks.id_range import IdRange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.identity import TopicIdentity
    from workers.types import TopicPartition

BEHIND_DIGITS = ":"
"""As text, the first that is greater than whatever begins with a digit."""
BEHIND_SECOND = chr(ord(SECOND) + 1)
MOST_DIGITS = 19
"""Of an offset."""


class Segment(NamedTuple):
    """Of one partition: the offsets that, as text, are not less than `low` and less than `high`."""

    partition: TopicPartition
    low: str = ""
    high: str = BEHIND_DIGITS

    def ids(self, topic: TopicIdentity) -> IdRange:
        """All between its bounds; some second ids of its offsets are elsewhere."""
        prefix = topic.partition_prefix(self.partition.partition)
        return IdRange(prefix + self.low, prefix + self.high)

    def other_ids(self, topic: TopicIdentity) -> list[IdRange]:
        """The second ids of its offsets that are behind its bounds: with bounds 12 and 123, `12@7` comes after 129."""
        prefix = topic.partition_prefix(self.partition.partition)
        offsets = [self.high[:digits] for digits in range(1, len(self.high))]
        return [
            IdRange(f"{prefix}{offset}{SECOND}", f"{prefix}{offset}{BEHIND_SECOND}")
            for offset in offsets
            if offset >= self.low
        ]

    def has(self, offset: int) -> bool:
        """Whether the offset is one of its own."""
        return self.low <= str(offset) < self.high

    def ranges(self, start: int, end: int) -> list[OffsetRange]:
        """Its offsets in [start, end), those with as many digits together."""
        found = []
        for digits in range(1, len(str(end)) + 1):
            first, behind = max(start, _least(self.low, digits)), min(end, _least(self.high, digits))
            if first < behind:
                found.append(OffsetRange(first, behind))
        return found


class Part(NamedTuple):
    """What is verified at once: the digests of its records are in memory together."""

    segments: tuple[Segment, ...]
    has_rest: bool = False
    """Whether the ids that are of no segment of any part are counted with it."""


def plan(ranges: Mapping[TopicPartition, OffsetRange], most: int, *, by_index: bool) -> list[Part]:
    """Parts of at most so many offsets, which have all of these offsets together, and every id in exactly one of them.

    Args: by_index: whether the rest is a part of its own: where the sink finds ranges of ids by an index.
    """
    parts: list[tuple[Segment, ...]] = [()]
    size = 0
    for partition, (start, end) in sorted(ranges.items()):
        for segment in split(partition, start, end, most):
            count = _count(segment, start, end)
            if parts[-1] and size + count > most:
                parts.append(())
                size = 0
            parts[-1] = (*parts[-1], segment)
            size += count
    if by_index:
        return [*(Part(segments) for segments in parts if segments), Part((), has_rest=True)]
    return [Part(segments, has_rest=number == 0) for number, segments in enumerate(parts)]


def split(partition: TopicPartition, start: int, end: int, most: int) -> list[Segment]:
    """Segments of at most so many of these offsets, neighbours as text: every text of digits is in one.

    Offsets of which each begins the next, 1 and 10 and 100, stay together.
    """
    segments: list[Segment] = []
    for segment in _halves(Segment(partition), "", start, end, most):
        if segments and _count(whole := segments[-1]._replace(high=segment.high), start, end) <= most:
            segments[-1] = whole
        else:
            segments.append(segment)
    return segments


def rest(topic: TopicIdentity, partitions: Sequence[TopicPartition]) -> list[IdRange]:
    """The ids that are text and in no segment of these partitions."""
    taken = sorted(Segment(partition).ids(topic) for partition in partitions)
    bounds = [None, *(bound for each in taken for bound in each), None]
    return [IdRange(end, first) for end, first in list(pairwise(bounds))[::2]]


def _halves(segment: Segment, prefix: str, start: int, end: int, most: int) -> Iterator[Segment]:
    """The segment, or, if it has too many offsets, what there is of each of the next digits. Args: prefix: of all of them."""
    if _count(segment, start, end) <= most or len(prefix) == MOST_DIGITS:
        yield segment
        return
    lows = [segment.low, *(f"{prefix}{digit}" for digit in range(1, 10)), segment.high]
    for digit, (low, high) in enumerate(pairwise(lows)):
        yield from _halves(Segment(segment.partition, low, high), f"{prefix}{digit}", start, end, most)


def _count(segment: Segment, start: int, end: int) -> int:
    return sum(behind - first for first, behind in segment.ranges(start, end))


def _least(bound: str, digits: int) -> int:
    """The smallest number with so many digits that, as text, is not less than the bound; 10**digits: none is."""
    if bound == BEHIND_DIGITS:
        return int("1" + "0" * digits)
    least = int(bound[:digits].ljust(digits, "0"))
    # What the bound only begins with is less than the bound.
    least += len(bound) > digits
    return max(least, 0 if digits == 1 else int("1" + "0" * (digits - 1)))
