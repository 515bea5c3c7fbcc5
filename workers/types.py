"""The words of the data path: a record comes in; a document or a reject goes out; a batch is what one poll returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument


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


class Document(NamedTuple):
    """A record that can be stored: its id, its BSON (the id is in it), and where it came from."""

    id: str
    raw: RawBSONDocument
    """As the driver takes it: it costs as much to make as to send, and is made while the batch before is written."""
    record: Record

    @property
    def bson(self) -> bytes:
        return bytes(self.raw.raw)


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

    def document_id(self, partition: int, offset: int) -> str:
        """The `_id` of the record at this place, for example `numtest-08b40071/3/42`.

        Injective: a topic's name holds no slash, and the rest are numbers.
        """
        return f"{self.prefix}{partition}/{offset}"


class Fetched(NamedTuple):
    """What one poll returned: records by partition, in offset order, all from one incarnation of the topic."""

    topic: TopicIdentity
    records: Mapping[int, Sequence[Record]]
    skipped: Mapping[int, int] = {}
    """By partition: where its log begins now, if what was before is gone unread. To be committed like what was read."""
    quarantined: bool = False
    """Workers died of decoding it: it is one record, and is not to be decoded again."""
    assignment_epoch: int = 0
    """Counts the assignments of this member, and the incarnations of the topic, so far: what is fetched in one of them is
    committed in no other."""


@dataclass(slots=True)
class Batch:
    """What one poll returned, decoded. Every record of it is in `documents` or in `rejects`."""

    topic: TopicIdentity
    assignment_epoch: int = 0
    """See `Fetched.assignment_epoch`."""
    documents: list[Document] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    first_offsets: dict[int, int] = field(default_factory=dict)
    """By partition: the offset of its first record here."""
    next_offsets: dict[int, int] = field(default_factory=dict)
    """By partition: one more than the offset of its last record here. What is committed."""

    def without(self, partitions: Collection[int]) -> Batch:
        """The same batch, less the records of these partitions."""
        return Batch(
            self.topic,
            self.assignment_epoch,
            [document for document in self.documents if document.record.partition not in partitions],
            [reject for reject in self.rejects if reject.record.partition not in partitions],
            {partition: offset for partition, offset in self.first_offsets.items() if partition not in partitions},
            {partition: offset for partition, offset in self.next_offsets.items() if partition not in partitions},
        )

    @property
    def size(self) -> int:
        """How many records it has. With none it may still have offsets to commit: see `Fetched.skipped`."""
        return len(self.documents) + len(self.rejects)


class Written(NamedTuple):
    """What became of the records of a batch, by partition. Together they are the batch, each record counted once."""

    stored: Mapping[int, int]
    duplicates: Mapping[int, int]
    """Found already stored, with the same content: an earlier delivery of the same record."""
    dead_letters: Mapping[tuple[int, RejectReason], int]


class CommitResult(StrEnum):
    """What a commit came to. Anything but `ok` means that the records will be delivered again, and found stored."""

    OK = "ok"
    REBALANCED = "rebalanced"
    TIMEOUT = "timeout"
    ERROR = "error"
