"""The reject limit: a partition of mostly rejects is halted instead of becoming dead letters as a whole.

Its producer is faulty, or this fleet is configured for other data. The records stay in Kafka, to be read once that is
corrected.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.types import Batch, TopicPartition


@dataclass(slots=True)
class RejectLimit:
    """Counts records and rejects by partition. Recent batches weigh more than old ones."""

    max_share: float = 0.5
    """The largest share of rejects that is within the limit; 1: no limit."""
    min_records: int = 1_000
    """A partition is within the limit until this many of its records were counted."""
    _records: Counter[TopicPartition] = field(default_factory=Counter, init=False)
    _rejects: Counter[TopicPartition] = field(default_factory=Counter, init=False)

    def count(self, batch: Batch) -> set[TopicPartition]:
        """Count a batch; return those of its partitions that are over the limit now."""
        over_limit = set()
        for partition, part in batch.partitions.items():
            self._records[partition] += part.size
            self._rejects[partition] += len(part.rejects)
            records = self._records[partition]
            if part.rejects and records >= self.min_records and self._rejects[partition] > self.max_share * records:
                over_limit.add(partition)
            if records >= 2 * self.min_records:
                self._records[partition] //= 2
                self._rejects[partition] //= 2
        return over_limit
