"""What `verify` finds: every record under exactly one word."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.types import TopicPartition

NAMED = 10
"""How many offsets of each kind are named."""
WORDS = {
    "kafka": "records that Kafka holds, and that may be read",
    "stored": "a document, with the record's content",
    "dead_lettered": "a dead letter, with its reason",
    "pending": "neither, and not committed: still to be read",
    "expired": "offsets before the beginning of the log, without a document: removed unread, or never a record",
    "compacted": "documents and dead letters of records that compaction has removed since",
    "missing": "neither, and committed: lost",
    "twice": "both",
    "conflicting": "another document than the record's own under its id",
    "unexpected": "documents and dead letters where Kafka holds no record",
}
BAD = ("missing", "twice", "conflicting", "unexpected")


@dataclass
class PartitionReport:
    """One partition, every record of it counted once, by the words above."""

    partition: TopicPartition
    counts: Counter[str] = field(default_factory=Counter)
    offsets: dict[str, list[int]] = field(default_factory=dict)
    """The first offsets of each bad kind."""

    def add(self, word: str, offset: int) -> None:
        """Count one record."""
        self.counts[word] += 1
        if word in BAD and len(named := self.offsets.setdefault(word, [])) < NAMED:
            named.append(offset)

    @property
    def accounted(self) -> bool:
        """Whether nothing is lost, nothing is there twice, and nothing is unexplained."""
        return not any(self.counts[word] for word in BAD)


@dataclass
class VerifyReport:
    """What `verify` found."""

    topic: str
    group: str
    partitions: list[PartitionReport]
    committed: bool = True
    """Whether the group has committed anything; if not, nothing can be told to be missing, and all of that is pending."""
    foreign: int | None = None
    """Documents whose id is of no partition of this topic: another topic's, an earlier incarnation's, or by hand; None
    where only recent records were looked at."""

    @property
    def accounted(self) -> bool:
        """Whether every partition is."""
        return all(part.accounted for part in self.partitions)

    def total(self, word: str) -> int:
        """The sum over all partitions of one of the counts."""
        return sum(part.counts[word] for part in self.partitions)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        partitions = [
            {
                **part.partition._asdict(),
                **{word: part.counts[word] for word in WORDS},
                "offsets": part.offsets,
            }
            for part in self.partitions
        ]
        return asdict(self) | {"partitions": partitions, "accounted": self.accounted}
