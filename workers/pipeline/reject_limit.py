"""A limit on dead letters: a partition of mostly rejects is halted rather than emptied into them.

Such a partition has a producer gone wrong, or a consumer set up for other data. Its records are better left in Kafka,
where they can be read again once that is put right.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.types import Batch, TopicPartition


@dataclass(slots=True)
class RejectLimit:
    """Counts records and rejects by partition, the recent ones more than the old."""

    share: float = 0.5
    """The largest share of rejects that passes; 1 means no limit."""
    least: int = 1_000
    """Records of a partition that must be seen before anything is said about their share."""
    _records: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _rejects: Counter[TopicPartition] = field(default_factory=Counter, init=False)

    def over(self, batch: Batch) -> set[TopicPartition]:
        """Count a batch; return the partitions of it that are over the limit, this batch included."""
        over = set()
        for partition, part in batch.partitions.items():
            self._records[partition] += part.size
            self._rejects[partition] += len(part.rejects)
            records = self._records[partition]
            if part.rejects and records >= self.least and self._rejects[partition] > self.share * records:
                over.add(partition)
            if records >= 2 * self.least:
                self._records[partition] //= 2
                self._rejects[partition] //= 2
        return over
