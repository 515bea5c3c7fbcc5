"""How much the group commits a second, topic by topic, from what Kafka says now and then. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.kafka_look import KafkaLook
    from workers.types import TopicPartition

WINDOW_SECONDS = 3.0
"""Of commits: a batch is committed as a whole, so a shorter window shows jumps."""


class TopicRates:
    """Remembers the looks of the last seconds."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Mapping[TopicPartition, int]]] = deque()

    def add(self, look: KafkaLook) -> None:
        """One look; the same one again, or one without offsets, changes nothing."""
        if look.at is None or look.offsets is None or (self._looks and self._looks[-1][0] >= look.at):
            return
        self._looks.append((look.at, {partition: each.next_offset for partition, each in look.offsets.items()}))
        while len(self._looks) > 2 and self._looks[1][0] <= look.at - WINDOW_SECONDS:
            self._looks.popleft()

    @property
    def now(self) -> dict[str, float]:
        """By topic, offsets a second; empty after one look. A group that was set back commits nothing."""
        if len(self._looks) < 2:
            return {}
        (began, before), (ended, after) = self._looks[0], self._looks[-1]
        rates: dict[str, float] = {}
        for partition, offset in after.items():
            if partition in before:
                moved = max(0, offset - before[partition])
                rates[partition.topic] = rates.get(partition.topic, 0.0) + moved / (ended - began)
        return rates
