"""The reject limit: a partition of mostly rejects is halted instead of becoming dead letters as a whole.

Its producer is faulty, or this fleet is configured for other data. The records stay in Kafka, to be read once that is
corrected. Rejects that decoding finds count before their batch is written, so none of it is; records that the sink refuses
are known only afterwards, so their batch is the last one of the partition.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.types import Batch, PartitionBatch, TopicIdentity, TopicPartition


@dataclass(slots=True)
class RejectLimit:
    """Counts records and rejects by partition. Recent batches weigh more than old ones."""

    max_share: float = 0.5
    """The largest share of rejects that is within the limit; 1: no limit."""
    min_records: int = 1_000
    """A partition is within the limit until this many of its records were counted."""
    _records: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _rejects: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _counted: dict[TopicPartition, tuple[TopicIdentity, int]] = field(default_factory=dict, init=False)
    """By partition that was rewound: the offset up to which its records were counted before."""
    _halved_before: dict[TopicPartition, int] = field(default_factory=dict, init=False)
    """By partition: what was counted of offsets before this one was halved since."""

    def count(self, batch: Batch) -> set[TopicPartition]:
        """Count a batch that was decoded; return those of its partitions that are over the limit now."""
        over_limit = set()
        for partition, part in batch.partitions.items():
            size, rejects = self._new(partition, part)
            # Before adding, so that a batch is compared with all of itself, also after it was written.
            if size and self._records[partition] >= 2 * self.min_records:
                self._records[partition] //= 2
                self._rejects[partition] //= 2
                self._halved_before[partition] = part.first_offset
            self._records[partition] += size
            self._rejects[partition] += rejects
            if part.rejects and self._is_over(partition):
                over_limit.add(partition)
        return over_limit

    def count_refused(self, batch: Batch, refused: Mapping[TopicPartition, int]) -> set[TopicPartition]:
        """Count the records of a batch that the sink refused, after it was written and perhaps the next one counted.

        Args: refused: `WriteResult.refused`. Returns the partitions that are over the limit now.
        """
        over_limit = set()
        for partition, count in refused.items():
            weight = 2 if batch.partitions[partition].first_offset < self._halved_before.get(partition, 0) else 1
            self._rejects[partition] += count // weight
            if count and self._is_over(partition):
                over_limit.add(partition)
        return over_limit

    def redelivered(self, batch: Batch) -> None:
        """The batch was counted, and is redelivered: its records are counted once, however often they are tried."""
        for partition, part in batch.partitions.items():
            topic, counted = self._counted.get(partition, (part.topic, 0))
            self._counted[partition] = part.topic, max(part.next_offset, counted if topic == part.topic else 0)

    def _is_over(self, partition: TopicPartition) -> bool:
        records = self._records[partition]
        return records >= self.min_records and self._rejects[partition] > self.max_share * records

    def _new(self, partition: TopicPartition, part: PartitionBatch) -> tuple[int, int]:
        """How many records and rejects of the part were not counted before."""
        topic, counted = self._counted.get(partition, (part.topic, 0))
        if topic != part.topic or part.first_offset >= counted:
            self._counted.pop(partition, None)
            return part.size, len(part.rejects)
        rejects = sum(reject.record.offset >= counted for reject in part.rejects)
        return rejects + sum(each.record.offset >= counted for each in part.operations), rejects
