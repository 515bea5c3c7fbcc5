"""The segments of a topic that are verified one after the other: ids between two bounds, as a database compares them. Pure.

A database compares ids as text, and Kafka counts: offsets 12, 120 to 129 and 1200 to 1299 of a partition are neighbours
as ids, and three ranges of the log. So a segment is a range of ids, which the offsets of several ranges fill.
"""

from __future__ import annotations

from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from workers.identity import SECOND, OffsetRange
from workers.sinks.id_range import EVERY_ID, IdRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    scanned: tuple[IdRange, ...]
    """The ranges of ids to read. An id in the first one that is no id of this topic is counted with this part."""
    has_rest: bool = False
    """Whether the ids that are in no segment of any part are counted with it."""


def plan(
    topic: TopicIdentity,
    ranges: Mapping[TopicPartition, OffsetRange],
    most: int,
    *,
    by_index: bool,
    with_rest: bool = True,
) -> list[Part]:
    """Parts of at most so many offsets, which have all of these offsets together, and every id in exactly one of them.

    Args: by_index: whether the sink finds ranges of ids by an index. Then the segments of a part follow each other as text,
        also those of many partitions, so that a few queries read them, and the ids outside all segments are a last part.
        Otherwise every part reads all ids.
        with_rest: whether ids outside all segments are counted; False: they may be those of other topics.
    """
    together: list[list[Segment]] = [[]]
    size = 0
    for partition in sorted(ranges, key=lambda each: Segment(each).ids(topic)):
        start, end = ranges[partition]
        for segment in split(partition, start, end, most):
            count = _count(segment, start, end)
            if together[-1] and size + count > most:
                together.append([])
                size = 0
            together[-1].append(segment)
            size += count
    if not by_index:
        return [
            Part(tuple(each), (EVERY_ID,), has_rest=with_rest and number == 0) for number, each in enumerate(together)
        ]
    parts = []
    found = [each for each in together if each]
    for number, each in enumerate(found):
        behind = found[number + 1][0].ids(topic).first if number + 1 < len(found) else each[-1].ids(topic).end
        others = [ids for segment in each for ids in segment.other_ids(topic)]
        parts.append(Part(tuple(each), (IdRange(each[0].ids(topic).first, behind), *others)))
    if not with_rest:
        return parts
    covered = [IdRange(parts[0].scanned[0].first, parts[-1].scanned[0].end)] if parts else []
    return [*parts, Part((), tuple(outside(covered)), has_rest=True)]


def covered_ids(topic: TopicIdentity, partitions: Iterable[TopicPartition]) -> IdRange | None:
    """The range of ids that the parts of `plan` read, by an index; None: there is no partition."""
    segments = sorted((Segment(each).ids(topic) for each in partitions), key=lambda ids: ids.first or "")
    return IdRange(segments[0].first, segments[-1].end) if segments else None


def outside(covered: Iterable[IdRange]) -> list[IdRange]:
    """The ids, all that are text, before, between and behind these ranges, which have none in common."""
    first: str | None = None
    found = []
    for ids in sorted(covered, key=lambda each: each.first or ""):
        found.append(IdRange(first, ids.first))
        first = ids.end
    return [*found, IdRange(first, None)]


def split(partition: TopicPartition, start: int, end: int, most: int) -> list[Segment]:
    """Segments of at most so many of these offsets, neighbours as text: every text of digits is in one.

    An offset and those that continue its digits, 1 and 10 and 100, may stay together although they are more than `most`.
    """
    segments: list[Segment] = []
    for segment in _by_next_digit(Segment(partition), "", start, end, most):
        if segments and _count(whole := segments[-1]._replace(high=segment.high), start, end) <= most:
            segments[-1] = whole
        else:
            segments.append(segment)
    return segments


def _by_next_digit(segment: Segment, prefix: str, start: int, end: int, most: int) -> Iterator[Segment]:
    """The segment; or, where it has too many offsets, one for each digit that may come next.

    Args: prefix: the digits with which all of its offsets begin.
    """
    if _count(segment, start, end) <= most or len(prefix) == MOST_DIGITS:
        yield segment
        return
    lows = [segment.low, *(f"{prefix}{digit}" for digit in range(1, 10)), segment.high]
    for digit, (low, high) in enumerate(pairwise(lows)):
        yield from _by_next_digit(Segment(segment.partition, low, high), f"{prefix}{digit}", start, end, most)


def size(part: Part, ranges: Mapping[TopicPartition, OffsetRange]) -> int:
    """How many of these offsets are in the part."""
    return sum(_count(segment, *ranges[segment.partition]) for segment in part.segments)


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


def rounds(ranges: Mapping[TopicPartition, Sequence[OffsetRange]]) -> Iterator[dict[TopicPartition, tuple[int, int]]]:
    """The ranges, so that each partition has one of them at a time."""
    for together in zip_longest(*ranges.values()):
        yield {p: (each.first, each.end) for p, each in zip(ranges, together, strict=True) if each is not None}
