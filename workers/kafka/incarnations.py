"""Which incarnation of each topic a consumer reads: the topic's id, as the client's metadata has it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from workers.identity import TopicIdentity
from workers.kafka import compat

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kafka import KafkaConsumer


class Incarnations:
    """For the loop's thread only."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._seen: dict[str, TopicIdentity] = {}
        """Also of topics that are gone: made again, they have another id."""
        self.there: Mapping[str, TopicIdentity] = {}
        """By name, of the topics that were looked for and exist."""

    def look(self, topics: Collection[str]) -> set[str]:
        """Look these topics up; return those that were deleted and made again since they were seen."""
        there: dict[str, TopicIdentity] = {}
        recreated = set()
        for name in topics:
            topic_id = compat.topic_id(self._consumer, name)
            if topic_id is None:
                continue
            seen = self._seen.get(name)
            if seen is None or seen.uuid != topic_id:
                recreated |= {name} if seen else set()
                seen = self._seen[name] = TopicIdentity(name, topic_id)
            there[name] = seen
        self.there = there
        return recreated

    def id_of(self, topic: str) -> UUID | None:
        """The id of a topic that exists, or existed; None: it was never seen."""
        seen = self._seen.get(topic)
        return seen.uuid if seen else None
