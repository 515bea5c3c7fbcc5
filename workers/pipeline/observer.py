"""What the data path tells the world. It calls an observer and knows nothing of metrics or logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from workers.errors import SinkUnavailableError
    from workers.types import Batch, CommitResult, TopicPartition, WriteResult


class Observer(Protocol):
    """Everything that is worth counting or telling. Called once an iteration, a batch, a rebalance; never once a record.

    On the loop's thread, but for `rebalanced`. An observer must not raise: nothing that it does is needed for the promise.
    """

    def iterated(self) -> None:
        """The loop goes on: it has polled, or waits for another write."""

    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None:
        """Partitions were `assigned`, `revoked` or `lost`. Called on the client's IO thread."""

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        """The assignment from now on."""

    def lost(self, partition: TopicPartition, first: int, count: int) -> None:
        """Kafka removed `count` records from offset `first` on before anybody read them."""

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        """Every record of the batch is acknowledged by the sink, after so many seconds."""

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """The batch's offsets were offered to Kafka."""

    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None:
        """These partitions are paused until this process is restarted; the reason is a line for people."""

    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None:
        """A write failed for no fault of a record; the same records are redelivered after `wait` seconds."""


class NullObserver:
    """An observer that ignores everything; the base of those that ignore most."""

    def iterated(self) -> None: ...
    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None: ...
    def owns(self, partitions: Collection[TopicPartition]) -> None: ...
    def lost(self, partition: TopicPartition, first: int, count: int) -> None: ...
    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None: ...
    def committed(self, batch: Batch, result: CommitResult) -> None: ...
    def halted(self, partitions: Collection[TopicPartition], reason: str) -> None: ...
    def sink_unavailable(self, error: SinkUnavailableError, attempt: int, wait: float) -> None: ...


class Observers(NullObserver):
    """Several observers as one, called in the order in which they were given."""

    def __init__(self, *observers: Observer) -> None:
        self._all = observers


def _to_all(event: str) -> Callable[..., None]:
    def call(self: Observers, *facts: Any) -> None:
        for observer in self._all:
            getattr(observer, event)(*facts)

    return call


for _event in [name for name in vars(NullObserver) if not name.startswith("_")]:
    setattr(Observers, _event, _to_all(_event))
