"""What happened to logs and group since the last look, and from where they must be verified again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.auditor.positions import Positions
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition


class Changes(NamedTuple):
    """What is not as it was."""

    back: list[TopicPartition]
    """The group reads them again from an earlier offset: somebody has set it back, or its commits are lost."""
    removed: dict[TopicPartition, tuple[int, int]]
    """By partition, the offsets (first, end) that Kafka has removed before they were verified, committed or not."""


def follow(positions: Positions, offsets: Mapping[TopicPartition, PartitionOffsets]) -> Changes:
    """Move the positions to where there is something to verify again, or where the logs begin now."""
    changes = Changes([], {})
    for partition, each in offsets.items():
        before = positions.verified.get(partition, each.start)
        if before < each.start:
            changes.removed[partition] = before, each.start
        known = positions.reused.get(partition, ())
        # Where the log holds other records than it did.
        parted = [reused.first for reused in each.reused if reused not in known]
        if each.truncation:
            parted.append(each.truncation.divergence)
        at, committed = min([before, each.end, *parted]), each.next_offset
        # Behind a truncation the group goes on from where the logs part: that is not set back.
        if committed < min([positions.committed.get(partition, 0), *parted]):
            changes.back.append(partition)
            at = min(at, committed)
        # What is left out before the start is not to be stored; the next full pass looks at what is there all the same.
        at = max(at, min(each.left_out.start or 0, each.end))
        positions.verified[partition] = max(each.start, at)
        positions.committed[partition] = committed
        positions.reused[partition] = each.reused
    return changes
