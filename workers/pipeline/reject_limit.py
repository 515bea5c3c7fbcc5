"""The reject limit: a partition of mostly rejects is halted instead of becoming dead letters as a whole.

Its producer is faulty, or this fleet is configured for other data. The records stay in Kafka, to be read once that is
corrected. Rejects that decoding finds count before their batch is written, so none of it is; records that the sink refuses
are known only afterwards, so their batch is the last one of the partition.

What is normal for a topic does not count. Tombstones are no sign of a faulty producer, whatever is done with them: in a
topic with deletes they may be most of the records. A record that is redelivered (the database was unavailable, a commit
failed, the partition came back) was counted when it was read first: ten rejects that are read a hundred times are ten.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.types import RejectReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.identity import TopicIdentity
    from workers.types import Batch, PartitionBatch, TopicPartition


@dataclass(slots=True)
class RejectLimit:
    """Counts records and rejects by partition, each record once. Recent batches weigh more than old ones."""

    max_share: float = 0.5
    """The largest share of rejects that is within the limit; 1: no limit."""
    min_records: int = 1_000
    """A partition is within the limit until this many of its records were counted."""
    _records: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _rejects: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _counted: dict[TopicPartition, tuple[TopicIdentity, int]] = field(default_factory=dict, init=False)
    """By partition: the incarnation of its topic, and the offset up to which its records were counted."""
    _halved_before: dict[TopicPartition, int] = field(default_factory=dict, init=False)
    """By partition: what was counted of offsets before this one was halved since."""

    def count(self, batch: Batch) -> set[TopicPartition]:
        """Count a batch that was decoded; return those of its partitions that are over the limit now."""
        over_limit = set()
        for partition, part in batch.partitions.items():
            new_records, new_rejects = self._not_counted_yet(partition, part)
            # Before adding, so that a batch is compared with all of itself, also after it was written.
            if new_records and self._records[partition] >= 2 * self.min_records:
                self._records[partition] //= 2
                self._rejects[partition] //= 2
                self._halved_before[partition] = part.first_offset
            self._records[partition] += new_records
            self._rejects[partition] += new_rejects
            if new_rejects and self._is_over(partition):
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

    def _is_over(self, partition: TopicPartition) -> bool:
        records = self._records[partition]
        return records >= self.min_records and self._rejects[partition] > self.max_share * records

    def _not_counted_yet(self, partition: TopicPartition, part: PartitionBatch) -> tuple[int, int]:
        """The numbers of records and of rejects among them, tombstones in neither; from now on these are counted."""
        operations = len(part.operations)
        rejects = [each for each in part.rejects if each.reason is not RejectReason.TOMBSTONE]
        topic, counted_to = self._counted.get(partition, (part.topic, 0))
        if topic != part.topic:
            # The topic was recreated: its offsets began at 0 again.
            counted_to = 0
        elif part.first_offset < counted_to:
            operations = sum(each.record.offset >= counted_to for each in part.operations)
            rejects = [each for each in rejects if each.record.offset >= counted_to]
        self._counted[partition] = part.topic, max(counted_to, part.next_offset)
        return operations + len(rejects), len(rejects)
