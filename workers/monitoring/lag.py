"""The lag of the group: one snapshot of its offsets, members and lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.admin import GroupDescription, PartitionOffsets
    from workers.types import TopicPartition


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition in a snapshot."""

    start: int
    """The log start: the first offset that Kafka still holds."""
    end: int
    """The last stable offset."""
    committed: int | None
    """None: nothing was ever committed, or only for a deleted topic of this name."""
    records: int
    """Offsets from the committed one to the end. Counts transaction markers, which are no records."""
    seconds: float | None
    """The age of the oldest record that is not committed; 0.0: there is none; None: not known."""
    owner: str | None
    """The client id of the member that owns it; None: no member, also during a rebalance."""
    moved: float
    """Unix time of the first snapshot with this committed offset."""

    @property
    def headroom(self) -> int | None:
        """Offsets from the log start to the committed offset; below 0: records were removed before they were read."""
        return None if self.committed is None else self.committed - self.start


@dataclass(frozen=True, slots=True)
class LagSnapshot:
    """The lag of the group at one moment."""

    time: float
    """Unix time."""
    members: int
    partitions: Mapping[TopicPartition, PartitionLag] | None
    """None: the topic does not exist."""

    @property
    def point(self) -> Point:
        """The sums, for a chart."""
        parts = list((self.partitions or {}).values())
        ages = [part.seconds for part in parts]
        known = [age for age in ages if age is not None]
        return Point(
            time=self.time,
            lag=sum(part.records for part in parts),
            seconds=max(known, default=0.0) if len(known) == len(ages) else None,
            committed=sum(part.start if part.committed is None else part.committed for part in parts),
            end=sum(part.end for part in parts),
        )


class Point(NamedTuple):
    """One snapshot, summed over the partitions."""

    time: float
    lag: int
    seconds: float | None
    """The greatest age; None: the age of one partition is not known."""
    committed: int
    end: int


def lag_snapshot(
    now: float,
    group: GroupDescription,
    offsets: Mapping[TopicPartition, PartitionOffsets] | None,
    times: Mapping[TopicPartition, float | None],
    moved: Mapping[TopicPartition, float],
) -> LagSnapshot:
    """Make a snapshot of Kafka's answers.

    Args:
        now: Unix time.
        offsets: by partition; None: the topic does not exist.
        times: by partition: the Unix time of the first record in `uncommitted_ranges`; None: there is no record, only
            transaction markers; absent: not known.
        moved: by partition, from `CommitTimes`.
    """
    if offsets is None:
        return LagSnapshot(now, len(group.members), None)
    owners = {partition: member.client_id for member in group.members.values() for partition in member.partitions}
    partitions = {}
    for partition, each in offsets.items():
        seconds: float | None = 0.0
        if each.lag:
            time = times.get(partition)
            # A producer's clock may run ahead of this one.
            seconds = max(0.0, now - time) if time is not None else 0.0 if partition in times else None
        partitions[partition] = PartitionLag(
            each.start,
            each.end,
            each.committed,
            each.lag,
            seconds,
            owners.get(partition),
            moved.get(partition, now),
        )
    return LagSnapshot(now, len(group.members), partitions)


def uncommitted_ranges(offsets: Mapping[TopicPartition, PartitionOffsets]) -> dict[TopicPartition, tuple[int, int]]:
    """By partition with a lag: the first offset that is not committed, and the end."""
    return {partition: (each.next_offset, each.end) for partition, each in offsets.items() if each.lag}


class CommitTimes:
    """Remembers since when each partition has its committed offset."""

    def __init__(self) -> None:
        self._known: dict[TopicPartition, tuple[int | None, float]] = {}

    def update(self, offsets: Mapping[TopicPartition, PartitionOffsets], now: float) -> dict[TopicPartition, float]:
        """Add a snapshot; return, by partition, the time of the first one with its committed offset."""
        for partition, each in offsets.items():
            if partition not in self._known or self._known[partition][0] != each.committed:
                self._known[partition] = each.committed, now
        return {partition: self._known[partition][1] for partition in offsets}
