"""What the group has committed and the auditor has not verified yet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.auditor.full_pass import Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.auditor.positions import Positions
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition

PIECE_OFFSETS = 5_000
"""Compared at once, of all partitions together, so that memory is bounded."""
PIECE_PARTITIONS = 100
"""The most of them: the client keeps what it has fetched of each."""


def committed_end(each: PartitionOffsets) -> int:
    """Up to here records can be read and are committed. Another program may have committed behind the end of the log."""
    return min(each.next_offset, each.end)


def unverified(positions: Positions, offsets: Mapping[TopicPartition, PartitionOffsets]) -> int:
    """How many offsets."""
    return sum(max(0, committed_end(each) - positions.verified[p]) for p, each in offsets.items())


def next_spans(positions: Positions, offsets: Mapping[TopicPartition, PartitionOffsets]) -> list[Span]:
    """The next piece of them: a part of it from each partition."""
    waiting = {p: (positions.verified[p], committed_end(each)) for p, each in sorted(offsets.items())}
    waiting = {partition: each for partition, each in waiting.items() if each[0] < each[1]}
    # Those with the most first, so that none waits for ever.
    chosen = sorted(waiting, key=lambda each: waiting[each][0] - waiting[each][1])[:PIECE_PARTITIONS]
    most = max(1, PIECE_OFFSETS // max(1, len(chosen)))
    return [Span(each, waiting[each][0], min(waiting[each][1], waiting[each][0] + most)) for each in sorted(chosen)]
