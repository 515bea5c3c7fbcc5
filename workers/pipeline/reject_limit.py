"""The reject limit: a partition of mostly rejects is halted instead of becoming dead letters as a whole.

Its producer is faulty, or this fleet is configured for other data. The records stay in Kafka, to be read once that is
corrected. Rejects that decoding finds count before their batch is written, so none of it is; records that the sink refuses
are known only afterwards, so their batch is the last one of the partition.

What is normal for a topic does not count. Tombstones are no sign of a faulty producer, whatever is done with them: in a
topic with deletes they may be most of the records. A record that is redelivered (the database was unavailable, a commit
failed, the partition came back) was counted when it was read first: ten rejects that are read a hundred times are ten. A log that
was truncated holds other records at the same offsets; they have a later leader epoch, and count.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from workers.types import RejectReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.identity import TopicIdentity
    from workers.records import Record
    from workers.types import Batch, Operation, PartitionBatch, TopicPartition


@dataclass(slots=True)
class RejectLimit:
    """Counts records and rejects by partition, each record once. Recent batches weigh more than old ones."""

    max_share: float = 0.5
    """The largest share of rejects that is within the limit; 1: no limit."""
    min_records: int = 1_000
    """A partition is within the limit until this many of its records were counted."""
    _records: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _rejects: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _counted: dict[TopicPartition, _Counted] = field(default_factory=dict, init=False)
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
        operations: Sequence[Operation] = part.operations
        rejects = [each for each in part.rejects if each.reason is not RejectReason.TOMBSTONE]
        before = self._counted.get(partition)
        # The offsets of a topic that was recreated began at 0 again.
        if before is None or before.topic != part.topic:
            before = _Counted(part.topic)
            self._halved_before.pop(partition, None)
        self._counted[partition] = after = before.with_part(part)
        if after.end < before.end:
            self._halved_before.pop(partition, None)
        if part.first_offset < before.end:
            operations = [each for each in operations if before.lacks(each.record)]
            rejects = [each for each in rejects if before.lacks(each.record)]
        return len(operations) + len(rejects), len(rejects)


class _Counted(NamedTuple):
    """What was counted of one partition: the records before `end`, up to a leader epoch."""

    topic: TopicIdentity
    end: int = 0
    leader_epoch: int = -1

    def lacks(self, record: Record) -> bool:
        """Whether this record was not counted. One of a later leader was written after all that was."""
        return record.offset >= self.end or record.leader_epoch > self.leader_epoch

    def with_part(self, part: PartitionBatch) -> _Counted:
        if part.last_epoch > self.leader_epoch:
            # Nothing behind this part is of that leader: if the log was truncated, all of it is still to be counted.
            return _Counted(part.topic, part.next_offset, part.last_epoch)
        return self._replace(end=max(self.end, part.next_offset))
