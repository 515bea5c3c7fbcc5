"""What a fleet remembers of topics besides what Kafka says of them: see `workers.state.topic_memory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workers.identity import TopicIdentity


class TopicMemory(Protocol):
    """What is known of the topics besides what Kafka says."""

    def came_later(self, topic: TopicIdentity) -> bool:
        """Whether this topic was not there yet when the fleet began: then all its records came later, and all are read."""

    def began(self, topic: TopicIdentity) -> None:
        """The group has begun it. If it has no commits one day, they are lost, and `start` must not skip anything."""


class NoMemory:
    """Every topic was there."""

    def came_later(self, topic: TopicIdentity) -> bool:
        return False

    def began(self, topic: TopicIdentity) -> None: ...
