"""What Kafka says of topic and group at one moment, for those who look at the fleet from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.kafka.group_description import GroupDescription
    from workers.kafka.open_transactions import OpenTransaction
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition


class KafkaLook(NamedTuple):
    """The answers to one look."""

    group: GroupDescription
    offsets: Mapping[TopicPartition, PartitionOffsets] | None
    """By partition; None: there is no such topic."""
    unanswered: Collection[TopicPartition] = ()
    """Partitions of the topic for which it did not answer."""
    open_transactions: Mapping[TopicPartition, OpenTransaction] = {}
    """By partition in which there is one."""
