"""The sections of a topic that are verified one after the other: ids between two bounds, as a database compares them. Pure.

A database compares ids as text, and Kafka counts: offsets 12, 120 to 129 and 1200 to 1299 of a partition are neighbours
as ids, and three ranges of the log. So a section is a range of ids, which the offsets of several ranges fill.
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


class Section(NamedTuple):
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

    sections: tuple[Section, ...]
    has_rest: bool = False
    """Whether the ids that are of no section of any part are counted with it."""


def plan(ranges: Mapping[TopicPartition, OffsetRange], most: int, *, by_index: bool) -> list[Part]:
    """Parts of at most so many offsets, which have all of these offsets together, and every id in exactly one of them.

    Args: by_index: whether the rest is a part of its own: where the sink finds ranges of ids by an index.
    """
    parts: list[tuple[Section, ...]] = [()]
    size = 0
    for partition, (start, end) in sorted(ranges.items()):
        for section in split(partition, start, end, most):
            count = _count(section, start, end)
            if parts[-1] and size + count > most:
                parts.append(())
                size = 0
            parts[-1] = (*parts[-1], section)
            size += count
    if by_index:
        return [*(Part(sections) for sections in parts if sections), Part((), has_rest=True)]
    return [Part(sections, has_rest=number == 0) for number, sections in enumerate(parts)]


def split(partition: TopicPartition, start: int, end: int, most: int) -> list[Section]:
    """Sections of at most so many of these offsets, neighbours as text: every text of digits is in one.

    Offsets of which each begins the next, 1 and 10 and 100, stay together.
    """
    sections: list[Section] = []
    for section in _halves(Section(partition), "", start, end, most):
        if sections and _count(whole := sections[-1]._replace(high=section.high), start, end) <= most:
            sections[-1] = whole
        else:
            sections.append(section)
    return sections


def rest(topic: TopicIdentity, partitions: Sequence[TopicPartition]) -> list[IdRange]:
    """The ids that are text and in no section of these partitions."""
    taken = sorted(Section(partition).ids(topic) for partition in partitions)
    bounds = [None, *(bound for each in taken for bound in each), None]
    return [IdRange(end, first) for end, first in list(pairwise(bounds))[::2]]


def _halves(section: Section, prefix: str, start: int, end: int, most: int) -> Iterator[Section]:
    """The section, or, if it has too many offsets, what there is of each of the next digits. Args: prefix: of all of them."""
    if _count(section, start, end) <= most or len(prefix) == MOST_DIGITS:
        yield section
        return
    lows = [section.low, *(f"{prefix}{digit}" for digit in range(1, 10)), section.high]
    for digit, (low, high) in enumerate(pairwise(lows)):
        yield from _halves(Section(section.partition, low, high), f"{prefix}{digit}", start, end, most)


def _count(section: Section, start: int, end: int) -> int:
    return sum(behind - first for first, behind in section.ranges(start, end))


def _least(bound: str, digits: int) -> int:
    """The smallest number with so many digits that, as text, is not less than the bound; 10**digits: none is."""
    if bound == BEHIND_DIGITS:
        return int("1" + "0" * digits)
    least = int(bound[:digits].ljust(digits, "0"))
    # What the bound only begins with is less than the bound.
    least += len(bound) > digits
    return max(least, 0 if digits == 1 else int("1" + "0" * (digits - 1)))
