"""The contract of a sink: it stores operations and dead letters, and returns them afterwards.

`tests/contract/test_sink_contract.py` checks it: one suite for every implementation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from workers.types import RejectReason, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from workers.findings import Finding
    from workers.sinks.id_range import IdRange
    from workers.types import Batch, Operation, Reject, WriteResult

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class Sink(Protocol):
    """Stores operations and dead letters. Its constructor does not connect.

    All methods except `ping` are called on one thread at a time; `encode` may run during `write`.
    """

    def check(self) -> None:
        """Check that the server answers, that documents written to it are durable and unique, and that it holds what the
        policies of the settings would store.

        Raises:
            SinkUnavailableError: the server does not answer, or it refuses this client.
            BadConfigurationError: documents could be dropped, or stored twice, or be refused for a policy.
        """

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        """The document to store. Pure, and without I/O: it runs while the batch in flight is written.

        Raises:
            RejectedError: this sink cannot store the value.
        """

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        """The documents of plain values: see `workers.formats.plain_json.parse_plain`. What `encode` returns, or what is stored as the
        same. Pure, and without I/O; nothing in a plain value may make it fail, nor the write.

        Args:
            prefix: what the ids of the partition begin with; the offset follows.
            values: {} for one that is not plain: its document is replaced.
        """

    def write(self, batch: Batch) -> WriteResult:
        """Return once every record of the batch is acknowledged, as a document or as a dead letter.

        Records at offsets that were used twice: see `PartitionBatch.reused`, and decision 15.
        Idempotent: a redelivered batch, whole or in part, from this process or another, changes nothing.

        Raises:
            SinkUnavailableError: within the write timeout. Nothing of the batch counts as written, though some of it may
                be. The batch must be redelivered. So it is, too, while a record is refused for no known cause: the
                record becomes a dead letter only as `workers.sinks.refusals` says, over several attempts.
        """

    def write_one(self, operation: Operation) -> Reject | None:
        """Write one operation as `write` does, but return a reject instead of writing its dead letter.

        Waits for the refusal patience where the server refuses it for no known cause. Not for the loop.

        Raises:
            SinkUnavailableError: the server takes no writes, or nothing proves that it takes another.
        """

    def ping(self) -> None:
        """Return if the server answers. Safe on any thread.

        Raises:
            SinkUnavailableError: it does not answer, or it refuses this client.
        """

    def close(self) -> None: ...


class SinkReader(Protocol):
    """Reads what a sink has stored, for `verify`. Every method raises `UnavailableError` if the server does not answer: it
    never returns a partial result.
    """

    def connect(self) -> None:
        """Return if the server answers."""

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        """See `Sink.encode`."""

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        """See `Sink.encode_plain`."""

    def documents(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """The stored documents among these ids, by id."""

    def equal(self, stored: Any, document: Any) -> bool:
        """Whether a stored document is equal to one from `encode`: fields, order, types and values."""

    def as_json(self, document: Any, *, exact: bool = False) -> str:
        """A document as JSON, for people, on one line. Args: exact: with the type of every number, if JSON does not tell it."""

    def dead_letters(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The reasons of the dead letters among these ids, without those that were replayed, by id."""

    def all_dead_letters(self, limit: int = 100_000) -> Mapping[str, str] | None:
        """The same for all dead letters; None if there are more than the limit."""

    def content(self, document: Any) -> bytes:
        """What a document consists of, its id too: a stored one, or of `encode` or `encode_plain`. Two with the same are `equal`."""

    def finds_ranges(self) -> bool:
        """Whether it finds a range of ids without reading all others; False: it may not, or does not say."""

    def scan(self, ids: IdRange, most: int) -> Iterator[Sequence[tuple[Any, bytes]]]:
        """Id and content of every document in the range, in any order. One that is stored meanwhile may be left out.

        Args: most: how many of them are fetched at once.
        """

    def scan_dead_letters(self, ids: IdRange) -> Iterator[Sequence[tuple[Any, str | None]]]:
        """Id and reason of every dead letter in the range, in any order; None: it was replayed."""

    def scan_ids(self, ids: IdRange | None) -> Iterator[Sequence[Any]]:
        """The ids of the documents and of the dead letters in the range; None: those that are no text."""

    def close(self) -> None: ...


class KeptRecord(NamedTuple):
    """The record of a dead letter. Its value and headers may have been cut."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def leader_epoch(self) -> int:
        """Not kept: its id is."""
        return -1


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be stored: the reason, and what a replay needs."""

    id: str
    reason: str
    """A `RejectReason`."""
    error: str
    topic: str
    partition: int
    offset: int
    timestamp: datetime | None
    """None if the producer set none."""
    key: bytes | None
    value: bytes | None
    value_bytes: int | None
    """The size of the record's value; more than `len(value)` if that was cut."""
    value_sha256: str | None
    headers: list[tuple[str, bytes | None]]
    worker: str
    """The worker that rejected it."""
    rejected_at: datetime
    attempts: int = 1
    replayed_at: datetime | None = None
    purged_at: datetime | None = None
    """When its payload was deleted."""
    collection: str = ""
    """Where its document would be, where there are several collections; else empty."""
    cut: Sequence[str] = ()
    """Which of key and headers were too large, so that only their beginning was kept."""

    @property
    def record(self) -> KeptRecord:
        """The record, for a replay."""
        milliseconds = -1 if self.timestamp is None else (self.timestamp - EPOCH) // MILLISECOND
        return KeptRecord(self.topic, self.partition, self.offset, milliseconds, self.key, self.value, self.headers)


@dataclass(frozen=True)
class DeadLetterFilter:
    """Selects dead letters; an attribute that is None does not restrict."""

    ids: tuple[str, ...] = ()
    reason: RejectReason | None = None
    partition: TopicPartition | None = None
    topics: tuple[str, ...] | None = None
    since: datetime | None = None
    """Rejected at this time or later."""
    until: datetime | None = None
    """Rejected before this time."""
    unpurged: bool = False
    """Only those that a purge would change."""
    unreplayed: bool = False
    """Only those whose record is not stored meanwhile."""

    @property
    def is_everything(self) -> bool:
        """Whether it restricts nothing."""
        return self == DeadLetterFilter()


class SinkDoctor(Protocol):
    """Finds out for `workers doctor` whether the server can take what the workers will write. It leaves nothing behind there."""

    name: str
    """Of the server, for people."""

    def examine(self) -> Iterable[Finding]:
        """What is right and wrong with it, in the order in which a person reads it, each as soon as it is known.

        All checks are made, even if some fail; those that depend on a failed one say so. It raises nothing: what the
        server refuses is a finding. Bounded: a server that is down costs some seconds.
        """

    def close(self) -> None: ...
