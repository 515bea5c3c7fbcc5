"""A brake on dead letters: a partition of mostly rejects is stopped rather than emptied into them.

Such a partition has a producer gone wrong, or a consumer set up for other data. Its records are better left in Kafka,
where they can be read again once that is put right.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.types import Batch


@dataclass(slots=True)
class RejectLimit:
    """Counts records and rejects by partition, the recent ones more than the old."""

    share: float = 0.5
    """The largest share of rejects that passes; 1 means no limit."""
    least: int = 1_000
    """Records of a partition that must be seen before anything is said about their share."""
    _records: Counter[int] = field(default_factory=Counter, init=False)
    _rejects: Counter[int] = field(default_factory=Counter, init=False)

    def over(self, batch: Batch) -> set[int]:
        """Count a batch; return the partitions of it that are over the limit, this batch included."""
        rejects = Counter(reject.record.partition for reject in batch.rejects)
        self._records.update(document.record.partition for document in batch.documents)
        self._records.update(rejects)
        self._rejects.update(rejects)
        over = set()
        for partition in batch.next_offsets:
            records = self._records[partition]
            if rejects[partition] and records >= self.least and self._rejects[partition] > self.share * records:
                over.add(partition)
            if records >= 2 * self.least:
                self._records[partition] //= 2
                self._rejects[partition] //= 2
        return over
