"""The topics of the fleet that a drill breaks: the offsets of all of them, and those that its records go to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.kafka.client_errors import unavailable
from workers.kafka.routed_topics import routed_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.admin import Admin
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.types import TopicPartition


class TopicOffsets(NamedTuple):
    """One topic that exists, and the offsets of its partitions."""

    topic: Topic
    offsets: Mapping[TopicPartition, PartitionOffsets]


def offsets_by_topic(settings: Settings, admin: Admin, *, answered: bool = False) -> dict[str, TopicOffsets]:
    """By topic of the routes; those that do not exist are left out.

    Args: answered: leave out partitions for which Kafka does not answer.

    Raises:
        UnavailableError: Kafka did not answer.
    """
    names = routed_topics(settings, admin).topics.keys()
    # Without a name it would be asked for all that there are.
    topics, errors = admin.topics(names) if names else ({}, {})
    if errors and not answered:
        name, error = next(iter(errors.items()))
        raise unavailable(settings.for_topic(name), error)
    offsets: dict[TopicPartition, PartitionOffsets] = {}
    if topics:
        offsets = admin.offsets_of_topics(topics.values(), settings.group)
    found = {}
    for name, topic in topics.items():
        of_topic = {partition: offsets[partition] for partition in topic.partitions if partition in offsets}
        if len(of_topic) < len(topic.partitions) and not answered:
            # Waits for those without a leader, or says which they are.
            of_topic = admin.partition_offsets(topic, settings.group)
        found[name] = TopicOffsets(topic, of_topic)
    return found


def offsets_of_all(
    settings: Settings, admin: Admin, *, answered: bool = False
) -> dict[TopicPartition, PartitionOffsets]:
    """By partition of all topics. Empty: there is no topic. See `offsets_by_topic`."""
    by_topic = offsets_by_topic(settings, admin, answered=answered)
    return {partition: each for found in by_topic.values() for partition, each in found.offsets.items()}


def loaded_topics(settings: Settings, existing: Mapping[str, TopicOffsets]) -> tuple[str, ...]:
    """The topics to which a drill sends: those that are named, and where only patterns are, those that match."""
    named = tuple(name for name in settings.route_table.topics if name in existing)
    return named or tuple(existing)


def names_of(settings: Settings) -> str:
    """For a sentence: `numtest`, or `20 topics`."""
    table = settings.route_table
    return f"{len(table.topics)} topics" if len(table.topics) > 1 else table.names
