"""What the client tells of rebalances, on its IO thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka import ConsumerRebalanceListener

from workers.kafka.partitions import from_client

if TYPE_CHECKING:
    from collections.abc import Collection

    from workers.pipeline.observer import Observer


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python is untyped
    """Only counts and reports: on the client's IO thread a blocking call of the consumer would deadlock."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.joins = 0

    def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        self._observer.rebalanced("revoked", from_client(revoked))

    def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        self._observer.rebalanced("assigned", from_client(assigned))
        self.joins += 1

    def on_partitions_lost(self, lost: Collection[Any]) -> None:
        self._observer.rebalanced("lost", from_client(lost))
