"""What a sink is: where operations and dead letters go, and what is asked of them afterwards.

What an implementation promises, `tests/contract/sink` checks: one suite that every sink passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from workers.types import RejectReason, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.types import Batch, Operation, Reject, WriteResult

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sink(Protocol):
    """Where operations and dead letters go. Building one asks nothing of the server.

    All methods but `ping` are called on one thread at a time; `encode` may run while `write` does.
    """

    def check(self) -> None:
        """Return when the server answers and can keep the promise.

        Raises:
            SinkUnavailableError: the server does not answer, or it refuses this client.
            BadConfigurationError: what is written there would not be kept, or could be there twice.
        """

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        """The value as this sink stores it. Pure, and without I/O: it runs while the batch before is written.

        Raises:
            RejectedError: this sink cannot hold it.
        """

    def write(self, batch: Batch) -> WriteResult:
        """Return when every record of the batch is acknowledged, as a document or as a dead letter.

        Idempotent: a batch that is written again, whole or in part, by this sink or by another, changes nothing.

        Raises:
            SinkUnavailableError: nothing of the batch counts as written, though some of it may be; within the write
                timeout. The same records must be redelivered.
        """

    def write_one(self, operation: Operation) -> Reject | None:
        """Write one operation as `write` would; return the reject that came of it, for which nothing was written.

        Raises:
            SinkUnavailableError: as for `write`.
        """

    def ping(self) -> None:
        """Return when the server answers. Safe on any thread.

        Raises:
            SinkUnavailableError: it does not, or it refuses this client.
        """

    def close(self) -> None: ...


class SinkReader(Protocol):
    """What a sink holds, for whoever has to compare it with something. Every method raises `UnavailableError` where the
    server does not answer, so that silence is never taken for an answer.
    """

    def connect(self) -> None:
        """Return when the server has answered."""

    def encode(self, document_id: str, value: dict[str, Any]) -> Any:
        """See `Sink.encode`."""

    def documents(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """Those of these documents that are there, by id, as they are stored."""

    def equal(self, stored: Any, document: Any) -> bool:
        """Whether what is stored is what `encode` gave: fields, order, types and values."""

    def dead_letters(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The reason of those of these dead letters that are there and that were not replayed, by id."""

    def few_dead_letters(self, few: int = 100_000) -> Mapping[str, str] | None:
        """The same for all there are now; None if they are too many to hold."""

    def ids(self) -> Iterator[object]:
        """The id of every document, then of every dead letter."""

    def close(self) -> None: ...


class KeptRecord(NamedTuple):
    """The record of a dead letter, as far as it was kept."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be stored: why, and everything that is needed to try it again."""

    id: str
    reason: str
    """A `RejectReason`."""
    error: str
    topic: str
    partition: int
    offset: int
    timestamp: datetime | None
    """None where the producer set none."""
    key: bytes | None
    value: bytes | None
    value_bytes: int | None
    """The size of the value that the record had; more than `len(value)` where it was cut."""
    value_sha256: str | None
    headers: list[tuple[str, bytes | None]]
    worker: str
    """Who rejected it, and when:"""
    rejected_at: datetime
    attempts: int = 1
    replayed_at: datetime | None = None
    purged_at: datetime | None = None
    """Its payload was thrown away then."""

    @property
    def record(self) -> KeptRecord:
        """The record, for another attempt."""
        milliseconds = -1 if self.timestamp is None else int((self.timestamp - EPOCH).total_seconds() * 1000)
        return KeptRecord(self.topic, self.partition, self.offset, milliseconds, self.key, self.value, self.headers)


@dataclass(frozen=True)
class DeadLetterFilter:
    """Which dead letters are meant; what is None does not restrict."""

    ids: tuple[str, ...] = ()
    reason: RejectReason | None = None
    partition: TopicPartition | None = None
    since: datetime | None = None
    """Rejected at this time or later."""
    until: datetime | None = None
    """Rejected before this time."""

    @property
    def is_everything(self) -> bool:
        """Whether it restricts nothing."""
        return self == DeadLetterFilter()


class DeadLetterStore(Protocol):
    """The dead letters that a sink has written. Every method raises `UnavailableError` where the server does not answer."""

    def connect(self) -> None:
        """Return when the server has answered."""

    def count(self, chosen: DeadLetterFilter) -> int:
        """How many there are, purged ones too."""

    def find(self, chosen: DeadLetterFilter, most: int = 0) -> Iterator[DeadLetter]:
        """The dead letters, oldest first; all of them for `most` 0."""

    def get(self, letter_id: str) -> DeadLetter | None:
        """The one under this id."""

    def attempted(self, letter_id: str, again: Reject | None) -> None:
        """It was tried again: count the attempt, and keep the new reason; None: the record is stored now."""

    def drop_payload(self, letter_id: str) -> None:
        """Delete what the record held, and keep the note that there was one."""

    def delete(self, letter_id: str) -> None:
        """Delete it whole: for one whose record is stored."""

    def close(self) -> None: ...
