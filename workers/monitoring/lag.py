"""How far the fleet is behind: what one look at Kafka says, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.admin import GroupDescription, PartitionOffsets


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition at the moment of the look."""

    start: int
    """The first offset that Kafka still holds."""
    end: int
    """The end of what may be read."""
    committed: int | None
    """None: nothing was ever committed, or only for an earlier topic of this name."""
    records: int
    """Offsets from the committed one to the end. Markers of transactions have an offset too, and no record."""
    seconds: float | None
    """The age of the oldest record that is not yet stored; 0.0 when there is none; None: not known."""
    owner: str | None
    """The client id of the member that reads it; None: nobody, also while the group rebalances."""
    moved: float
    """Unix time: when the committed offset was first seen where it is now."""

    @property
    def headroom(self) -> int | None:
        """Records between the beginning of the log and the committed offset; below 0, some were removed unread."""
        return None if self.committed is None else self.committed - self.start


@dataclass(frozen=True, slots=True)
class LagSnapshot:
    """What Kafka said at one moment."""

    time: float
    """Unix time."""
    members: int
    partitions: Mapping[int, PartitionLag] | None
    """None: there is no such topic."""

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
    """One look, summed over the partitions."""

    time: float
    lag: int
    seconds: float | None
    """The greatest age; None: one of them is not known."""
    committed: int
    end: int


def lag_snapshot(
    now: float,
    group: GroupDescription,
    spans: Mapping[int, PartitionOffsets] | None,
    times: Mapping[int, float | None],
    moved: Mapping[int, float],
) -> LagSnapshot:
    """Make one look of what Kafka answered.

    Args:
        now: Unix time.
        spans: by partition; None: there is no such topic.
        times: by partition: the Unix time of the first record from `pending` on; None: there is no record, only
            markers; absent: not known.
        moved: by partition, as `Commits` has it.
    """
    if spans is None:
        return LagSnapshot(now, len(group.members), None)
    owners = {partition: member.client_id for member in group.members.values() for partition in member.partitions}
    partitions = {}
    for partition, span in spans.items():
        seconds: float | None = 0.0
        if span.lag:
            time = times.get(partition)
            # A producer's clock may run ahead of this one.
            seconds = max(0.0, now - time) if time is not None else 0.0 if partition in times else None
        partitions[partition] = PartitionLag(
            span.start,
            span.end,
            span.committed,
            span.lag,
            seconds,
            owners.get(partition),
            moved.get(partition, now),
        )
    return LagSnapshot(now, len(group.members), partitions)


def pending(spans: Mapping[int, PartitionOffsets]) -> dict[int, tuple[int, int]]:
    """By partition with a lag: the first offset that is not committed, and the end."""
    return {p: (span.next_offset, span.end) for p, span in spans.items() if span.lag}


class Commits:
    """Remembers when each partition's committed offset was first seen where it is."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int | None, float]] = {}

    def moved(self, spans: Mapping[int, PartitionOffsets], now: float) -> dict[int, float]:
        """By partition: the time of the look that first saw today's committed offset."""
        for partition, span in spans.items():
            if partition not in self._seen or self._seen[partition][0] != span.committed:
                self._seen[partition] = span.committed, now
        return {partition: self._seen[partition][1] for partition in spans}
