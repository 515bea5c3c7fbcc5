"""What the data path tells the world. It calls an observer and knows nothing of metrics or logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from workers.errors import SinkUnavailableError
    from workers.types import Batch, CommitResult, Written


class Observer(Protocol):
    """Everything that is worth counting or telling. Called once a turn, a batch, a rebalance; never once a record."""

    def iterated(self) -> None:
        """The loop goes on: it has polled, or waits for the database once more."""

    def rebalanced(self, event: str, partitions: Collection[int]) -> None:
        """Partitions were `assigned`, `revoked` or `lost`. Called on the client's IO thread."""

    def owns(self, partitions: Collection[int]) -> None:
        """These are the worker's partitions from now on."""

    def lost(self, partition: int, first: int, count: int) -> None:
        """Kafka removed `count` records from offset `first` on before anybody read them."""

    def written(self, batch: Batch, written: Written, seconds: float) -> None:
        """Every record of the batch is acknowledged by the database."""

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """The batch's offsets were offered to Kafka."""

    def stopped(self, partitions: Collection[int], reason: str) -> None:
        """These partitions are read no further while this process lives; the reason is a line for people."""

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        """A write failed for no fault of a record; the same records are tried again after `wait` seconds."""


class NullObserver:
    """An observer that ignores everything."""

    def iterated(self) -> None: ...
    def rebalanced(self, event: str, partitions: Collection[int]) -> None: ...
    def owns(self, partitions: Collection[int]) -> None: ...
    def lost(self, partition: int, first: int, count: int) -> None: ...
    def written(self, batch: Batch, written: Written, seconds: float) -> None: ...
    def committed(self, batch: Batch, result: CommitResult) -> None: ...
    def stopped(self, partitions: Collection[int], reason: str) -> None: ...
    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None: ...


class Observers(NullObserver):
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._all = observers

    def iterated(self) -> None:
        for observer in self._all:
            observer.iterated()

    def rebalanced(self, event: str, partitions: Collection[int]) -> None:
        for observer in self._all:
            observer.rebalanced(event, partitions)

    def owns(self, partitions: Collection[int]) -> None:
        for observer in self._all:
            observer.owns(partitions)

    def lost(self, partition: int, first: int, count: int) -> None:
        for observer in self._all:
            observer.lost(partition, first, count)

    def written(self, batch: Batch, written: Written, seconds: float) -> None:
        for observer in self._all:
            observer.written(batch, written, seconds)

    def committed(self, batch: Batch, result: CommitResult) -> None:
        for observer in self._all:
            observer.committed(batch, result)

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        for observer in self._all:
            observer.sink_unavailable(error, attempt, wait)

    def stopped(self, partitions: Collection[int], reason: str) -> None:
        for observer in self._all:
            observer.stopped(partitions, reason)
