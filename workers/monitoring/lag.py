"""The lag of the group: one snapshot of its offsets, members and lag."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.kafka.group_description import GroupDescription
    from workers.kafka.open_transactions import OpenTransaction
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition

NO_GROUP = "Dead"
"""The state of a group that does not exist."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition in a snapshot. Without an answer of Kafka for it, everything but `owner` is None."""

    start: int | None
    """The log start: the first offset that Kafka still holds."""
    end: int | None
    """The last stable offset."""
    committed: int | None
    """None also if nothing was ever committed, or only for a deleted topic of this name."""
    records: int | None
    """Offsets from the committed one to the last stable offset. Counts transaction markers, which are no records."""
    seconds: float | None
    """The age of the oldest record that can be read and is not committed; 0.0: there is none; None: not known."""
    owner: str | None
    """The client id of the member that owns it; None: no member, also during a rebalance."""
    moved: float | None
    """Unix time of the first snapshot with this committed offset."""
    high_watermark: int | None = None
    """The end of the records that Kafka has acknowledged, also of those that cannot be read yet."""
    readable: int | None = None
    """`records`, but 0 if they are known to be transaction markers only."""
    unstable: int | None = None
    """Offsets from the last stable offset to the high watermark: they cannot be read before a transaction ends."""
    unstable_seconds: float | None = None
    """The age of the transaction that is open there; 0.0: there is none; None: not known."""
    unstable_source: str | None = None
    """How that is known: see `OpenTransaction.source`."""
    hanging: bool = False
    """Whether that transaction is older than transactions are, and stands: see `OpenTransaction.hanging`."""

    @property
    def headroom(self) -> int | None:
        """Offsets from the log start to the committed offset; below 0: records were removed before they were read."""
        return None if self.committed is None or self.start is None else self.committed - self.start

    @property
    def unread(self) -> int | None:
        """Offsets from the committed one to the high watermark, as kafka_exporter counts them: below 0 if the commit is
        beyond; None: nothing was committed.
        """
        known = self.committed is not None and self.high_watermark is not None
        return self.high_watermark - self.committed if known else None  # type: ignore[operator]

    @property
    def answered(self) -> bool:
        """Whether Kafka answered for it."""
        return self.end is not None


@dataclass(frozen=True, slots=True)
class LagSnapshot:
    """The lag of the group at one moment."""

    time: float
    """Unix time."""
    members: int | None
    """None: there is no such group."""
    partitions: Mapping[TopicPartition, PartitionLag] | None
    """Of all topics; None: none of them exists."""
    missing: Collection[str] = ()
    unroutable: Mapping[str, str] = field(default_factory=dict)
    """Both: see `KafkaLook`."""

    @property
    def point(self) -> Point:
        """The sums, for a chart."""
        parts = self.partitions or {}
        known = [part for part in parts.values() if part.answered]
        ages = [part.seconds for part in known if part.seconds is not None and part.records]
        age_unknown = [str(partition) for partition, part in sorted(parts.items()) if part.seconds is None]
        return Point(
            time=self.time,
            lag=sum(part.readable or 0 for part in known),
            seconds=max(ages, default=None if age_unknown else 0.0),
            committed=sum((part.start if part.committed is None else part.committed) or 0 for part in known),
            end=sum(part.end or 0 for part in known),
            high_watermark=sum(part.high_watermark or 0 for part in known),
            unanswered=[str(partition) for partition, part in sorted(parts.items()) if not part.answered],
            age_unknown=age_unknown,
        )


class Point(NamedTuple):
    """One snapshot, summed over the partitions that are known."""

    time: float
    lag: int
    seconds: float | None
    """The greatest age that is known: partial if `age_unknown` has any. None: nothing is known of what waits."""
    committed: int
    end: int
    high_watermark: int
    unanswered: list[str]
    """Partitions that are in no sum: Kafka did not answer for them."""
    age_unknown: list[str]
    """Partitions that are not in `seconds`."""


def lag_snapshot(
    now: float,
    group: GroupDescription,
    offsets: Mapping[TopicPartition, PartitionOffsets] | None,
    times: Mapping[TopicPartition, float | None],
    moved: Mapping[TopicPartition, float],
    *,
    waiting: Mapping[TopicPartition, float] | None = None,
    open_transactions: Mapping[TopicPartition, OpenTransaction] | None = None,
    unanswered: Collection[TopicPartition] = (),
    missing: Collection[str] = (),
    unroutable: Mapping[str, str] | None = None,
) -> LagSnapshot:
    """Make a snapshot of Kafka's answers.

    Args:
        now: Unix time.
        offsets: by partition of all topics; None: none of them exists.
        times: by partition: the Unix time of the first record in `uncommitted_ranges`; None: there is no record, only
            transaction markers; absent: not known.
        moved: by partition, from `CommitTimes`.
        waiting: by partition: since when it was seen to have a lag at this next offset.
        open_transactions: by partition in which there is one.
        unanswered: partitions of the topics for which Kafka did not answer.
        missing, unroutable: see `KafkaLook`.
    """
    members = None if group.state == NO_GROUP else len(group.members)
    if offsets is None:
        return LagSnapshot(now, members, None, missing, unroutable or {})
    owners = {partition: member.client_id for member in group.members.values() for partition in member.partitions}
    partitions = {
        partition: PartitionLag(None, None, None, None, None, owners.get(partition), None) for partition in unanswered
    }
    for partition, each in offsets.items():
        only_markers = partition in times and times[partition] is None
        unstable = (open_transactions or {}).get(partition)
        partitions[partition] = PartitionLag(
            each.start,
            each.end,
            each.committed,
            each.lag,
            _age(now, each, partition in times, times.get(partition), (waiting or {}).get(partition, now)),
            owners.get(partition),
            moved.get(partition, now),
            each.high_watermark,
            0 if only_markers else each.lag,
            each.unstable,
            unstable.seconds if unstable else None if each.unstable else 0.0,
            unstable.source if unstable else None,
            unstable is not None and unstable.hanging,
        )
    return LagSnapshot(now, members, partitions, missing, unroutable or {})


def _age(now: float, offsets: PartitionOffsets, looked: bool, timestamp: float | None, waiting: float) -> float | None:
    """The age of the oldest record that waits. Where its timestamp tells none, or is in the future, as a producer's clock
    may be: how long it has been seen to wait, so that a standstill has an age.
    """
    if not offsets.lag or (looked and timestamp is None):
        return 0.0
    if timestamp is not None and timestamp <= now:
        return now - timestamp
    observed = max(0.0, now - waiting)
    return observed if looked or observed else None


def uncommitted_ranges(offsets: Mapping[TopicPartition, PartitionOffsets]) -> dict[TopicPartition, tuple[int, int]]:
    """By partition with a lag: the first offset that is not committed, and the end."""
    return {partition: (each.next_offset, each.end) for partition, each in offsets.items() if each.lag}


class CommitTimes:
    """Remembers since when each partition has its committed offset, or another value."""

    def __init__(self, value: Callable[[PartitionOffsets], int | None] = lambda each: each.committed) -> None:
        self._value = value
        self._known: dict[TopicPartition, tuple[int | None, float]] = {}

    def update(self, offsets: Mapping[TopicPartition, PartitionOffsets], now: float) -> dict[TopicPartition, float]:
        """Add a snapshot; return, by partition, the time of the first one with its value."""
        for partition, each in offsets.items():
            value = self._value(each)
            if partition not in self._known or self._known[partition][0] != value:
                self._known[partition] = value, now
        return {partition: self._known[partition][1] for partition in offsets}
