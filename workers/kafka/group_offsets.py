"""The offsets of a group and of the logs, of many topics in as few questions as there are for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kafka import IsolationLevel, OffsetSpec

from workers.kafka.compat_logs import epoch_ends
from workers.kafka.group_commits import NOTHING_COMMITTED, EpochEnds, group_commits
from workers.kafka.leaders import log_offsets
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection

    from kafka import KafkaAdminClient

    from workers.kafka.topics import Topic

Ask = Callable[[Callable[[], Any]], Any]
"""Asks a question, again where the error may be over soon."""


def group_offsets(
    ask: Ask, client: KafkaAdminClient, topics: Collection[Topic], group: str, margin: int, timeout_ms: int
) -> dict[TopicPartition, PartitionOffsets]:
    """By partition, sorted, of those for which Kafka answers: the committed offset of the group (asked first), the log start
    and the end. One request to the coordinator and some to each leader, however many topics there are.

    Args: margin: see `beginning.begin`.
    """
    partitions = [partition for topic in topics for partition in topic.partitions]
    asked = to_client(partitions)
    commits = ask(lambda: client.list_group_offsets({group: asked}))[group]
    epochs = {partition: leader for topic in topics for partition, leader in topic.leaders.items()}
    leaders = {partition: epochs.get(partition, (0, 0))[0] for partition in partitions}
    starts = ask(lambda: log_offsets(client, leaders, OffsetSpec.EARLIEST))
    # Before the last stable offset: a record that arrives in between must not look as if a transaction were open.
    leaders = {each: leaders[each] for each in starts}
    watermarks = ask(lambda: log_offsets(client, leaders, OffsetSpec.LATEST))
    leaders = {each: leaders[each] for each in watermarks}
    ends = ask(lambda: log_offsets(client, leaders, OffsetSpec.LATEST, IsolationLevel.READ_COMMITTED))
    committed = group_commits(
        {partition: commit for partition, commit in commits.items() if partition in ends},
        {topic.identity.name: topic.identity.uuid for topic in topics},
        epochs,
        {partition: found.offset for partition, found in starts.items()},
        margin,
        ask_epoch_ends(ask, client, topics, timeout_ms),
    )
    found = {}
    for partition in sorted(ends):
        commit = committed.get(partition, NOTHING_COMMITTED)
        end = ends[partition].offset
        found[TopicPartition(*partition)] = PartitionOffsets(
            starts[partition].offset,
            end,
            commit.offset,
            unstable=max(0, watermarks[partition].offset - end),
            truncation=commit.truncation,
            reused=commit.reused,
            left_out=commit.left_out,
            leader_epoch=epochs.get(TopicPartition(*partition), (0, -1))[1],
        )
    return found


def ask_epoch_ends(ask: Ask, client: KafkaAdminClient, topics: Collection[Topic], timeout_ms: int) -> EpochEnds:
    """The question where the records of leader epochs end, in the logs of these topics: see `compat_logs.epoch_ends`."""
    leaders = {partition: leader for topic in topics for partition, leader in topic.leaders.items()}
    return lambda asked: ask(lambda: epoch_ends(client, asked, leaders, timeout_ms))
