"""The offsets of several topics, asked for in as few requests as for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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


def offsets_by_topic(
    topics: Mapping[str, Settings], admin: Admin, group: str, *, answered: bool = False
) -> dict[str, TopicOffsets]:
    """By topic; those that do not exist are left out.

    Args:
        topics: by topic the settings for it alone.
        answered: whether partitions, and topics, for which Kafka does not answer are left out as well.

    Raises:
        UnavailableError: Kafka did not answer; without `answered`, for any of them.
    """
    # Without a name it would be asked for all that there are.
    existing, errors = admin.topics(topics.keys()) if topics else ({}, {})
    for name in () if answered else errors:
        # It may be made at this moment: asked for alone, it is waited for.
        if topic := admin.topic(name):
            existing[name] = topic
    offsets = admin.offsets_of_topics(existing.values(), group) if existing else {}
    found = {}
    for name, topic in existing.items():
        of_topic = {partition: offsets[partition] for partition in topic.partitions if partition in offsets}
        if len(of_topic) < len(topic.partitions) and not answered:
            # Waits for those without a leader, or says which they are.
            of_topic = admin.partition_offsets(topic, group)
        found[name] = TopicOffsets(topic, of_topic)
    return found
