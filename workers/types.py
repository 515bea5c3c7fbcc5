"""The types of the data path: a record is decoded into an operation or a reject; a batch is what one poll returned.

Nothing here depends on a Kafka client, a database driver or their formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.identity import OffsetRange, TopicIdentity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from workers.records import Record, Records


class TopicPartition(NamedTuple):
    """A partition of a topic: the key of everything that is kept by partition.

    A tuple, so that it is equal to kafka-python's own tuple of this name, with the same hash.
    """

    topic: str
    partition: int

    def __str__(self) -> str:
        """The form of Kafka's own tools: `numtest-3`."""
        return f"{self.topic}-{self.partition}"


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    """Partitions in the form of JSON and of the state files: `{"numtest": [0, 1]}`, sorted."""
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(partitions):
        topics.setdefault(topic, []).append(partition)
    return topics


def from_topics(topics: Mapping[str, Iterable[int]]) -> tuple[TopicPartition, ...]:
    """The inverse of `by_topic`.

    Raises:
        TypeError, AttributeError: the argument does not have the form that `by_topic` returns.
    """
    return tuple(TopicPartition(topic, int(partition)) for topic, each in topics.items() for partition in each)


def partition_of(record: Record) -> TopicPartition:
    """The partition that a record was read from."""
    return TopicPartition(record.topic, record.partition)


class RejectReason(StrEnum):
    """Why a record cannot be stored. A closed set: it is a metric label and a filter."""

    TOMBSTONE = "tombstone"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    TOO_MANY_FIELDS = "too_many_fields"
    DUPLICATE_FIELD = "duplicate_field"
    BAD_FIELD_NAME = "bad_field_name"
    FIELD_COLLISION = "field_collision"
    RESERVED_FIELD = "reserved_field"
    INTEGER_OUT_OF_RANGE = "integer_out_of_range"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    BAD_STRING = "bad_string"
    NOT_EXTENDED_JSON = "not_extended_json"
    REFUSED_BY_SERVER = "refused_by_server"
    CONFLICT = "conflict"
    DUPLICATE_KEY = "duplicate_key"
    KILLED_WORKER = "killed_worker"


class Remedy(NamedTuple):
    """A setting of a route, and its value that would have stored what was rejected."""

    setting: str
    value: str


class RejectedError(Exception):
    """A value that cannot be stored: raised by a format or a sink's encoder, caught by the reader of the record."""

    def __init__(self, reason: RejectReason, error: str, remedy: Remedy | None = None) -> None:
        """Args: error: one line for the operator, without the payload."""
        self.reason = reason
        self.error = error
        self.remedy = remedy
        super().__init__(error)


class Insert(NamedTuple):
    """Store this under its id, unless a document has that id already: the first record of an id wins."""

    id: str
    document: Any
    """The value as `Sink.encode` returned it; opaque to all but its sink."""
    record: Record


Operation = Insert
"""What a record can be decoded into. Later write modes add to it."""


class Reject(NamedTuple):
    """A record that cannot be stored, and why. `error` is one line for the operator."""

    id: str
    reason: RejectReason
    error: str
    record: Record


class RecordPosition(NamedTuple):
    """The partition and the offset of one record."""

    partition: TopicPartition
    offset: int


class Truncation(NamedTuple):
    """A partition's log lost its end, and goes on, or will go on, with other records at the same offsets."""

    read_to: int
    """Up to here the group had committed, or the worker had read."""
    divergence: int
    """The first offset whose record may be another one now."""
    old_epoch: int
    """The leader epoch of the record before `read_to`; -1: not known."""
    new_epoch: int
    """Of the leader now; -1: not known."""


class Fetched(NamedTuple):
    """What one poll returned: records by partition, in offset order."""

    topics: Mapping[str, TopicIdentity]
    """By name: the incarnation to which the records belong."""
    records: Mapping[TopicPartition, Records]
    skipped: Mapping[TopicPartition, int] = {}
    """By partition: its log start, where records before it were removed before they were read. It is committed like
    the offset of a record."""
    poison: RecordPosition | None = None
    """Set if `records` is one poison record: it becomes a dead letter and is not decoded."""
    reused: Mapping[TopicPartition, Sequence[OffsetRange]] = {}
    """By partition: see `PartitionBatch.reused`."""
    assignment_epoch: int = 0
    """Counts the assignments of this member, and the incarnations of its topics, so far. What is fetched in one epoch is
    committed in no other. (Not the group's generation: a member may be assigned its partitions twice in one.)"""


@dataclass(slots=True)
class PartitionBatch:
    """The records of one poll from one partition, decoded: each is an operation, a reject, or ignored."""

    topic: TopicIdentity
    first_offset: int
    """Of its first record here. Without any record, equal to `next_offset`: see `Fetched.skipped`."""
    next_offset: int
    """One more than the offset of its last record here: the offset to commit."""
    last_epoch: int = -1
    """The leader epoch of its last record; -1: not known."""
    operations: Sequence[Operation] = ()
    """Of the reader: `workers.operations.Operations`."""
    rejects: list[Reject] = field(default_factory=list)
    ignored: int = 0
    """Tombstones that leave nothing behind: WORKERS_ON_TOMBSTONE=ignore. Their offsets are committed like all others."""
    reused: Sequence[OffsetRange] = ()
    """Offsets that may have held other records, which are stored, before the log was truncated. A record here whose id
    has another document is stored under its `second_id`, and is no conflict."""
    replaced: OffsetRange | None = None
    """Set by the sink: the offsets here at which that was so, from the first to the last."""

    @property
    def size(self) -> int:
        """How many records it has."""
        return len(self.operations) + len(self.rejects) + self.ignored


@dataclass(slots=True)
class Batch:
    """What one poll returned, decoded: the unit that is written and committed."""

    assignment_epoch: int = 0
    """See `Fetched.assignment_epoch`."""
    partitions: dict[TopicPartition, PartitionBatch] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many records it has. With none it may still have offsets to commit: see `Fetched.skipped`."""
        return sum(part.size for part in self.partitions.values())

    @property
    def first_offsets(self) -> dict[TopicPartition, int]:
        """Where to rewind to if the batch is to be redelivered."""
        return {partition: part.first_offset for partition, part in self.partitions.items()}

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """The offsets to commit once the batch is written."""
        return {partition: part.next_offset for partition, part in self.partitions.items()}

    def without(self, partitions: Collection[TopicPartition]) -> Batch:
        """The same batch without these partitions."""
        kept = {partition: part for partition, part in self.partitions.items() if partition not in partitions}
        return Batch(self.assignment_epoch, kept)


class WriteResult(NamedTuple):
    """The outcomes of the records of a batch, by partition. Every record is counted once, but for those that the batch
    itself counts as ignored.
    """

    stored: Mapping[TopicPartition, int]
    duplicates: Mapping[TopicPartition, int]
    """Already stored, with the same content, by an earlier delivery of the same record."""
    dead_letters: Mapping[tuple[TopicPartition, RejectReason], int]
    refused: Mapping[TopicPartition, int] = {}
    """Those of the dead letters whose record was decoded, and then refused by the sink."""
    not_written: Mapping[TopicPartition, str] = {}
    """Partitions of which nothing counts as written, and why: what they go into cannot be used. None of their records is
    counted above."""


class CommitResult(StrEnum):
    """The outcome of a commit."""

    OK = "ok"
    REBALANCED = "rebalanced"
    """The batch was fetched in an earlier assignment. Its partitions begin at their committed offsets, whoever owns
    them now."""
    TIMEOUT = "timeout"
    ERROR = "error"

    @property
    def needs_redelivery(self) -> bool:
        """Whether this member must rewind; the redelivered records will be duplicates."""
        return self in (CommitResult.TIMEOUT, CommitResult.ERROR)
