"""The words of the data path: a record comes in; an operation or a reject goes out; a batch is what one poll returned.

Nothing here knows Kafka's client, a database's driver or a format of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


class TopicPartition(NamedTuple):
    """A partition of a topic: the key of everything that is known by partition.

    A tuple, so that it equals kafka-python's own tuple of this name, and hashes as it does.
    """

    topic: str
    partition: int

    def __str__(self) -> str:
        """As Kafka's own tools write it: `numtest-3`."""
        return f"{self.topic}-{self.partition}"


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    """Partitions as JSON and the files on disk have them: `{"numtest": [0, 1]}`, in order."""
    found: dict[str, list[int]] = {}
    for topic, partition in sorted(partitions):
        found.setdefault(topic, []).append(partition)
    return found


def from_topics(topics: Mapping[str, Iterable[int]]) -> tuple[TopicPartition, ...]:
    """What `by_topic` was given.

    Raises:
        TypeError, AttributeError: this was not written by `by_topic`.
    """
    return tuple(TopicPartition(topic, int(partition)) for topic, each in topics.items() for partition in each)


class Record(Protocol):
    """The part of Kafka's record that this package relies on; the client's own tuple has it, so none is copied."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970; -1 where the producer set none."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


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
    RESERVED_FIELD = "reserved_field"
    INTEGER_OUT_OF_RANGE = "integer_out_of_range"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    BAD_STRING = "bad_string"
    REFUSED_BY_SERVER = "refused_by_server"
    CONFLICT = "conflict"
    DUPLICATE_KEY = "duplicate_key"
    KILLED_WORKER = "killed_worker"


class RejectedError(Exception):
    """A value that cannot be stored: raised by a format or a sink's encoder, caught where the record is decoded."""

    def __init__(self, reason: RejectReason, error: str) -> None:
        """Args: error: one line for people, without the payload."""
        self.reason = reason
        self.error = error
        super().__init__(error)


class Insert(NamedTuple):
    """Store this under its id, unless something is stored there: the first record of an id wins."""

    id: str
    document: Any
    """The value as `Sink.encode` gave it; opaque to everybody but its sink."""
    record: Record


Operation = Insert
"""What a record can become. Later write modes add to it."""


class Reject(NamedTuple):
    """A record that cannot be stored, and why. `error` is for people; it never holds more than a line."""

    id: str
    reason: RejectReason
    error: str
    record: Record


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """One incarnation of a topic: its name and the id that the broker gave it.

    A topic that is deleted and made again counts its offsets from 0 again, so a name, a partition and an offset do
    not identify a record; with the topic's id they do (KIP-516).
    """

    name: str
    uuid: UUID
    prefix: str = field(init=False)
    """What every id of this incarnation begins with."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", f"{self.name}-{self.uuid.hex[:8]}/")

    def partition_prefix(self, partition: int) -> str:
        """What the ids of this partition's records begin with; the offset follows."""
        return f"{self.prefix}{partition}/"

    def document_id(self, partition: int, offset: int) -> str:
        """The id of the record at this place, for example `numtest-08b40071/3/42`.

        Injective: a topic's name holds no slash, and the rest are numbers.
        """
        return f"{self.partition_prefix(partition)}{offset}"


class RecordPosition(NamedTuple):
    """Where one record stands."""

    partition: TopicPartition
    offset: int


class Fetched(NamedTuple):
    """What one poll returned: records by partition, in offset order."""

    topics: Mapping[str, TopicIdentity]
    """By name: the incarnation that its records here are of."""
    records: Mapping[TopicPartition, Sequence[Record]]
    skipped: Mapping[TopicPartition, int] = {}
    """By partition: where its log begins now, if what was before is gone unread. To be committed like what was read."""
    poison: RecordPosition | None = None
    """The one record in here, if workers crashed while they decoded it: it is not to be decoded again."""
    assignment_epoch: int = 0
    """Counts the assignments of this member, and the incarnations of its topics, so far. What is fetched in one epoch is
    committed in no other. (Not the group's generation: a member may get the same generation's partitions anew.)"""


@dataclass(slots=True)
class PartitionBatch:
    """What one poll returned of one partition, decoded: every record is an operation or a reject."""

    topic: TopicIdentity
    first_offset: int
    """Of its first record here. Where nothing is left to read, equal to `next_offset`: see `Fetched.skipped`."""
    next_offset: int
    """One more than the offset of its last record here. What is committed."""
    operations: list[Operation] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many records it has."""
        return len(self.operations) + len(self.rejects)


@dataclass(slots=True)
class Batch:
    """What one poll returned, decoded. What a partition's part looks like is the reader's and the sink's business."""

    assignment_epoch: int = 0
    """See `Fetched.assignment_epoch`."""
    partitions: dict[TopicPartition, PartitionBatch] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many records it has. With none it may still have offsets to commit: see `Fetched.skipped`."""
        return sum(part.size for part in self.partitions.values())

    @property
    def first_offsets(self) -> dict[TopicPartition, int]:
        """Where to read again if the batch is to be redelivered."""
        return {partition: part.first_offset for partition, part in self.partitions.items()}

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """What is committed once the batch is written."""
        return {partition: part.next_offset for partition, part in self.partitions.items()}

    def without(self, partitions: Collection[TopicPartition]) -> Batch:
        """The same batch, less the records of these partitions."""
        kept = {partition: part for partition, part in self.partitions.items() if partition not in partitions}
        return Batch(self.assignment_epoch, kept)


class WriteResult(NamedTuple):
    """What became of the records of a batch, by partition. Together they are the batch, each record counted once."""

    stored: Mapping[TopicPartition, int]
    duplicates: Mapping[TopicPartition, int]
    """Found already stored, with the same content: an earlier delivery of the same record."""
    dead_letters: Mapping[tuple[TopicPartition, RejectReason], int]


class CommitResult(StrEnum):
    """What a commit came to."""

    OK = "ok"
    REBALANCED = "rebalanced"
    """The assignment is another one by now. Its partitions begin at their committed offsets, wherever they are."""
    TIMEOUT = "timeout"
    ERROR = "error"

    @property
    def needs_redelivery(self) -> bool:
        """Whether this member must read the records again itself; it will find them stored."""
        return self in (CommitResult.TIMEOUT, CommitResult.ERROR)
