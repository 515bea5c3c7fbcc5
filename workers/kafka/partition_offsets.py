"""The offsets of one partition, of its log and of the group, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.kafka.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.identity import OffsetRange
    from workers.types import TopicPartition, Truncation


class PartitionOffsets(NamedTuple):
    """The log start, the end and the committed offset of one partition."""

    start: int
    end: int
    """The last stable offset: records of open transactions, and all records behind them, cannot be read yet."""
    committed: int | None
    """None: nothing was ever committed, or only for a deleted topic of this name."""
    unstable: int = 0
    """Offsets from the last stable offset to the high watermark: Kafka has acknowledged them, and nobody can read them
    before the transaction that is open at the last stable offset ends. Counts transaction markers, which are no records."""
    truncation: Truncation | None = None
    """The log was truncated before the committed offset, and no worker has read on from there yet."""
    reused: Sequence[OffsetRange] = ()
    """Offsets at which records were stored that the log may not hold any more: see `PartitionBatch.reused`."""
    leader_epoch: int = -1
    """Of the partition's leader. The log was truncated only if it is another one than before; -1: not known."""
    left_out: LeftOut = LeftOut()
    """Offsets that the group does not read, on purpose."""

    @property
    def high_watermark(self) -> int:
        """The end of the records that Kafka has acknowledged, readable or not: kafka_exporter's newest offset."""
        return self.end + self.unstable

    @property
    def next_offset(self) -> int:
        """The offset that the group reads next: the committed one, or the log start if that is later."""
        if self.committed is None:
            return self.start
        committed = min(self.committed, self.truncation.divergence) if self.truncation else self.committed
        return max(self.start, committed)

    @property
    def lag(self) -> int:
        """Offsets from `next_offset` to the end; never negative. Counts transaction markers, which are no records."""
        return max(0, self.end - self.next_offset)


def leader_epochs(offsets: Mapping[TopicPartition, PartitionOffsets]) -> dict[TopicPartition, int]:
    """By partition: the epoch of its leader."""
    return {partition: each.leader_epoch for partition, each in offsets.items()}
