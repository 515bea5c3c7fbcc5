"""The report of `verify`: every record has exactly one outcome."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.kafka.open_transactions import OpenTransaction
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.pauses import Pause
    from workers.types import TopicPartition

MAX_OFFSETS = 10
"""The most offsets that a report has of each failure."""
OUTCOMES = {
    "kafka": "all records that Kafka holds and that can be read",
    "stored": "a document, with the record's content",
    "dead_lettered": "a dead letter, with its reason",
    "ignored": "committed, without a value (tombstones) and without a dead letter: there is nothing to lose",
    "pending": "neither, and not committed: still to be read",
    "before_start": "neither, and before the start of the group in this topic: left out on purpose",
    "skipped": "neither, and a person moved the group over it with `workers seek`: who, when and why is told",
    "unstable": "behind an open transaction: acknowledged, not to be read before it ends, neither lost nor proven",
    "expired": "offsets before the log start without a document: removed before they were read, or never a record",
    "compacted": "documents and dead letters of records that compaction has removed since",
    "replaced": "documents and dead letters of records that the log does not hold any more, since it was truncated",
    "missing": "neither, and committed: lost",
    "twice": "both a document and a dead letter",
    "conflicting": "another document than the record's own under its id",
    "unexpected": "documents and dead letters where Kafka holds no record",
}
FAILURES = ("missing", "twice", "conflicting", "unexpected")


@dataclass
class PartitionReport:
    """One partition: every record of it is counted once, by `OUTCOMES`."""

    partition: TopicPartition
    counts: Counter[str] = field(default_factory=Counter)
    offsets: dict[str, list[int]] = field(default_factory=dict)
    """The first offsets of each failure."""
    most_offsets: int = MAX_OFFSETS
    """How many of them."""

    def add(self, outcome: str, offset: int) -> None:
        """Count one record."""
        self.counts[outcome] += 1
        if outcome in FAILURES:
            offsets = self.offsets.setdefault(outcome, [])
            if len(offsets) < self.most_offsets or offset < offsets[-1]:
                insort(offsets, offset)
                del offsets[self.most_offsets :]

    def join(self, other: PartitionReport) -> None:
        """Count what another report has counted, of other records of the same partition."""
        self.counts += other.counts
        for outcome, offsets in other.offsets.items():
            self.offsets[outcome] = sorted([*self.offsets.get(outcome, ()), *offsets])[: self.most_offsets]

    @property
    def accounted(self) -> bool:
        """Whether there is no failure: no record is lost, stored twice or unexplained."""
        return not any(self.counts[outcome] for outcome in FAILURES)


class BegunAt(NamedTuple):
    """Where the group began a partition, by the setting `start`: what is before may not be stored."""

    partition: TopicPartition
    offset: int
    start: str
    """The setting."""


class SkipNote(NamedTuple):
    """Offsets in [first, end) over which a person moved the group."""

    partition: TopicPartition
    first: int
    end: int
    at: int
    """Unix time."""
    by: str
    because: str


class TruncatedLog(NamedTuple):
    """A log that was truncated before the group's committed offset, and that no worker has read since."""

    partition: TopicPartition
    committed: int
    divergence: int
    """The group reads on from here."""


@dataclass
class VerifyReport:
    """The report of one run of `verify`."""

    topic: str
    group: str
    partitions: list[PartitionReport]
    committed: bool = True
    """Whether the group has committed anything; if not, no record can be missing: it is pending."""
    foreign: int | None = None
    """Documents whose id is of no partition of this topic: of another topic, of an earlier incarnation, or inserted by
    hand; None: only recent records were compared."""
    open_transactions: Mapping[TopicPartition, OpenTransaction] = field(default_factory=dict)
    """By partition: the transaction that was open at the beginning, and keeps its *unstable* records from being read."""
    truncated: list[TruncatedLog] = field(default_factory=list)
    starts: list[BegunAt] = field(default_factory=list)
    skips: list[SkipNote] = field(default_factory=list)
    """Also of records that are stored all the same, or that Kafka has removed since."""
    policies: list[str] = field(default_factory=list)
    """Those in force that are not the default: `nan=null`. *Stored* is what a record becomes under them, and a document that was
    stored under others is *conflicting*."""
    lossy_policies: list[str] = field(default_factory=list)
    """Those of them with which a document does not tell all that its record has."""
    paused: Mapping[TopicPartition, Pause] = field(default_factory=dict)
    """Partitions that are not read now, since somebody has paused them: that is why records of them are *pending*."""

    @property
    def accounted(self) -> bool:
        """Whether every partition is without a failure."""
        return all(part.accounted for part in self.partitions)

    def total(self, outcome: str) -> int:
        """The count of one outcome over all partitions."""
        return sum(part.counts[outcome] for part in self.partitions)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        partitions = [
            {
                **part.partition._asdict(),
                **{outcome: part.counts[outcome] for outcome in OUTCOMES},
                "offsets": part.offsets,
            }
            for part in self.partitions
        ]
        open_transactions = [
            partition._asdict() | each.as_dict() for partition, each in sorted(self.open_transactions.items())
        ]
        paused = [{**why.as_dict(), **partition._asdict()} for partition, why in sorted(self.paused.items())]
        return asdict(replace(self, open_transactions={}, paused={})) | {
            "partitions": partitions,
            "open_transactions": open_transactions,
            "truncated": _with_partition(self.truncated),
            "starts": _with_partition(self.starts),
            "skips": _with_partition(self.skips),
            "paused": paused,
            "accounted": self.accounted,
        }


def _with_partition(found: Sequence[TruncatedLog | BegunAt | SkipNote]) -> list[dict[str, Any]]:
    return [{**each.partition._asdict(), **each._asdict(), "partition": each.partition.partition} for each in found]


def left_out(offsets: Mapping[TopicPartition, PartitionOffsets]) -> tuple[list[BegunAt], list[SkipNote]]:
    """What the commits say of offsets that are left out on purpose."""
    starts = [
        BegunAt(partition, each.left_out.start, each.left_out.setting)
        for partition, each in offsets.items()
        if each.left_out.start
    ]
    skips = [SkipNote(partition, *skip) for partition, each in offsets.items() for skip in each.left_out.skips]
    return starts, skips
