"""The events of the data path. The loop calls an observer, and does not depend on metrics or logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from workers.errors import SinkUnavailableError
    from workers.pauses import Pause
    from workers.types import Batch, CommitResult, TopicPartition, Truncation, WriteResult


class Observer(Protocol):
    """The events to count or log. Called once an iteration, a batch or a rebalance; never once a record.

    Called on the loop's thread, except `rebalanced`. An observer must not raise: delivery does not depend on it.
    """

    def iterated(self) -> None:
        """The loop has made progress: it has polled, or begins another wait for a write."""

    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None:
        """Partitions were `assigned`, `revoked` or `lost`. Called on the client's IO thread."""

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        """These partitions are the new assignment."""

    def records_lost(self, partition: TopicPartition, first: int, count: int) -> None:
        """Kafka removed `count` records, from offset `first` on, before they were read."""

    def log_truncated(self, partition: TopicPartition, truncation: Truncation) -> None:
        """The log lost its end after it had been read; it is read again from where the old log and the new one part."""

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        """The sink has acknowledged every record of the batch, after this many seconds."""

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """The offsets of the batch were committed, or were not: see the result."""

    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None:
        """These partitions are paused until this process is restarted; the reason is one line for the operator."""

    def paused(self, pauses: Mapping[TopicPartition, Pause]) -> None:
        """Exactly these partitions of the assignment are not read, since somebody has paused them, and nothing of them is in
        flight. Called when that changes, and after an assignment.
        """

    def limited(self, limit: str | None, seconds: float) -> None:
        """The worker has read nothing for so many seconds, since it has reached this limit; None: it has not for a while."""

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        """A write failed, and no record is the cause; the batch is redelivered after `wait` seconds."""

    def source_refused(self, refused: bool) -> None:
        """The source refuses this worker, which lacks a right, and which waits; or it does not refuse it any more."""


class NullObserver:
    """An observer that ignores every event; the base class of those that need only some."""

    def iterated(self) -> None: ...
    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None: ...
    def owns(self, partitions: Collection[TopicPartition]) -> None: ...
    def records_lost(self, partition: TopicPartition, first: int, count: int) -> None: ...
    def log_truncated(self, partition: TopicPartition, truncation: Truncation) -> None: ...
    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None: ...
    def committed(self, batch: Batch, result: CommitResult) -> None: ...
    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None: ...
    def paused(self, pauses: Mapping[TopicPartition, Pause]) -> None: ...
    def limited(self, limit: str | None, seconds: float) -> None: ...
    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None: ...
    def source_refused(self, refused: bool) -> None: ...


class Observers(NullObserver):
    """Several observers as one, called in the order of the arguments."""

    def __init__(self, *observers: Observer) -> None:
        self._all: tuple[Observer, ...] = observers


def _to_all(event: str) -> Callable[..., None]:
    def call(self: Observers, *arguments: Any) -> None:
        for observer in self._all:
            getattr(observer, event)(*arguments)

    return call


for _event in [name for name in vars(NullObserver) if not name.startswith("_")]:
    setattr(Observers, _event, _to_all(_event))
