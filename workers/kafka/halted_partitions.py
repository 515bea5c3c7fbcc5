"""The partitions that a worker does not read until it is restarted. They stay assigned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.kafka.partitions import from_client, to_client
from workers.settings.route import UnroutableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from kafka import KafkaConsumer

    from workers.pipeline.observer import Observer
    from workers.settings.route import RouteTable
    from workers.types import TopicPartition

LOST_RECORDS = (
    "Kafka removed records before they were read, and WORKERS_ON_LOST_RECORDS=stop; to read on after them, set it to "
    "continue and restart this worker"
)
LOG_TRUNCATED = (
    "the log of a partition was truncated, and WORKERS_ON_LOST_RECORDS=stop; to read on from where it goes on, set it to "
    "continue and restart this worker"
)


class HaltedPartitions:
    """Of one consumer. For the loop's thread only."""

    def __init__(self, consumer: KafkaConsumer, routes: RouteTable, observer: Observer) -> None:
        self._consumer, self._routes, self._observer = consumer, routes, observer
        self._halted: set[TopicPartition] = set()
        self._unroutable: dict[str, str | None] = {}
        """By topic that was assigned, why no route can have it; None: one has it."""

    def __contains__(self, partition: object) -> bool:
        return partition in self._halted

    def add(self, partitions: Collection[TopicPartition]) -> None:
        """Pause these, again too: the client does not keep a pause over a revocation."""
        self._halted.update(partitions)
        self._consumer.pause(*to_client(self._consumer.assignment().intersection(partitions)))

    def assigned(self) -> None:
        """After an assignment: halt the topics of which no route says what becomes of them. The others go on.

        The observer is told of each partition once, in whichever assignment it comes.
        """
        assigned = from_client(self._consumer.assignment())
        for topic in sorted({partition.topic for partition in assigned}):
            why = self._why_unroutable(topic)
            new = {partition for partition in assigned if partition.topic == topic} - self._halted
            if why is not None and new:
                self._observer.halted(new, f"{why}; correct WORKERS_ROUTES, and restart the workers")
        self.add({partition for partition in assigned if self._unroutable[partition.topic] is not None})

    def _why_unroutable(self, topic: str) -> str | None:
        """None: a route has it."""
        if topic not in self._unroutable:
            try:
                self._routes.route_of(topic)
                self._unroutable[topic] = None
            except UnroutableError as error:
                self._unroutable[topic] = str(error)
        return self._unroutable[topic]
