"""The partitions of an assignment that a worker does not read: those that are halted, and those that a person has paused.

They stay assigned. A paused one goes on at its next record when it is resumed; a halted one after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.kafka.partitions import from_client, to_client
from workers.pauses import NO_PAUSES, Pause, Pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kafka import KafkaConsumer

    from workers.kafka.halted_partitions import HaltedPartitions
    from workers.pipeline.observer import Observer
    from workers.types import TopicPartition


class UnreadPartitions:
    """Of one consumer. For the loop's thread only."""

    def __init__(
        self, consumer: KafkaConsumer, halted: HaltedPartitions, pauses: Callable[[], Pauses], observer: Observer
    ) -> None:
        """Args: pauses: what is paused now; the same object, as long as nothing changes."""
        self._consumer, self._observer = consumer, observer
        self.halted = halted
        self._pauses = pauses
        self._ordered = NO_PAUSES
        """What was applied last."""
        self._paused: dict[TopicPartition, Pause] = {}
        """Those of the assignment."""
        self._told: dict[TopicPartition, Pause] = {}
        """Those of them of which nothing is in flight."""
        self._settling = False
        """Whether the observer is still to be told: what was read before a pause may be in flight."""

    def __contains__(self, partition: object) -> bool:
        return partition in self._paused or partition in self.halted

    def look(self) -> None:
        """Before each poll: obey what is ordered now.

        What was polled before a pause is written and committed, or rewound, when the loop polls for the second time after it.
        """
        if self._settling:
            self._settling = False
            self._tell(self._paused)
        if (ordered := self._pauses()) is not self._ordered:
            self._ordered = ordered
            self._apply()

    def assigned(self) -> None:
        """After an assignment. The client keeps no pause over a revocation."""
        self.halted.assigned()
        if self._paused or self._ordered.all:
            self._apply(anew=True)

    def hold_back(self, partitions: Collection[TopicPartition]) -> None:
        """Pause these of them in the client, again too: their records came in the poll in which they were assigned."""
        self._consumer.pause(*to_client(self._consumer.assignment().intersection(partitions)))

    def resume_others(self) -> None:
        """End every pause of the client that is not one of these: somebody has paused all of them for a while."""
        self._consumer.resume(*(partition for partition in self._consumer.paused() if partition not in self))

    def _apply(self, *, anew: bool = False) -> None:
        assigned = from_client(self._consumer.assignment())
        before, self._paused = self._paused, self._ordered.among(assigned)
        self._consumer.pause(*to_client(self._paused))
        ended = {partition for partition in assigned if partition in before and partition not in self}
        self._consumer.resume(*to_client(ended))
        if anew or self._paused.keys() - before.keys():
            self._settling = True
        # What is read from now on is told at once, and so is another reason; what is paused now is not: see `look`.
        resting = {partition: why for partition, why in self._paused.items() if partition in self._told}
        if resting != self._told:
            self._tell(resting)

    def _tell(self, resting: dict[TopicPartition, Pause]) -> None:
        self._told = resting
        self._observer.paused(resting)
