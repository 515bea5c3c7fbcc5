"""The topics of the fleet that a drill breaks: the offsets of all of them, and those that its records go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.kafka.routed_topics import routed_topics
from workers.verification.topic_offsets import TopicOffsets, offsets_by_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.admin import Admin
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition


def offsets_of_each(settings: Settings, admin: Admin, *, answered: bool = False) -> dict[str, TopicOffsets]:
    """By topic of the routes; those that do not exist are left out. See `offsets_by_topic`."""
    return offsets_by_topic(routed_topics(settings, admin).topics, admin, settings.group, answered=answered)


def offsets_of_all(
    settings: Settings, admin: Admin, *, answered: bool = False
) -> dict[TopicPartition, PartitionOffsets]:
    """By partition of all topics. Empty: there is no topic. See `offsets_of_each`."""
    by_topic = offsets_of_each(settings, admin, answered=answered)
    return {partition: each for found in by_topic.values() for partition, each in found.offsets.items()}


def loaded_topics(settings: Settings, existing: Mapping[str, TopicOffsets]) -> tuple[str, ...]:
    """The topics to which a drill sends: those that are named, and where only patterns are, those that match."""
    named = tuple(name for name in settings.route_table.topics if name in existing)
    return named or tuple(existing)


def names_of(settings: Settings) -> str:
    """For a sentence: `numtest`, or `20 topics`."""
    table = settings.route_table
    return f"{len(table.topics)} topics" if len(table.topics) > 1 else table.names
