"""What Kafka says of topics and group at one moment, for those who look at the fleet from outside."""

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
    """By partition, of all topics; None: none of them exists."""
    unanswered: Collection[TopicPartition] = ()
    """Partitions of the topics for which it did not answer."""
    open_transactions: Mapping[TopicPartition, OpenTransaction] = {}
    """By partition in which there is one."""
    missing: Collection[str] = ()
    """Topics that a route names and that do not exist."""
    unroutable: Mapping[str, str] = {}
    """By topic that no route can have, why: workers halt it. Its partitions are not in `offsets`."""
    refused: Mapping[str, str] = {}
    """By topic that Kafka does not describe, why: nothing is known of it."""
    at: float | None = None
    """When the offsets were asked for, in seconds of `time.monotonic`."""
