"""The fields of log lines that more than one package writes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from workers.types import TopicPartition


class Action(StrEnum):
    """The step of the data path, on every line about partitions or records: a small closed set, to search by.

    `level` says whether it succeeded, and `event` says what happened, in a sentence for the operator.
    """

    READ = "read"
    """The position of a partition, a halted partition, lost records, and records that were in progress at a crash."""
    WRITE = "write"
    """The sink is unavailable, or available again."""
    DEAD_LETTER = "dead_letter"
    """Records became dead letters."""
    COMMIT = "commit"
    """A batch was written, and its offsets were committed, or (a warning or an error) were not."""
    REBALANCE = "rebalance"
    """Partitions were assigned, revoked or lost, or the assignment is empty."""
    EVICT = "evict"
    """A dead worker was removed from the group."""
    VERIFY = "verify"
    """The auditor has found a record that is not accounted for, or one that is again; that the group was set back; or that
    Kafka removed records before they were verified."""


def listed(partitions: Iterable[TopicPartition]) -> str:
    """Several partitions as one value: `0,1`; of several topics: `orders:0,1 refunds:0`."""
    topics = {topic: ",".join(map(str, numbers)) for topic, numbers in by_topic(partitions).items()}
    if len(topics) > 1:
        return " ".join(f"{topic}:{numbers}" for topic, numbers in topics.items())
    return "".join(topics.values()) or "none"


def of_partition(partition: TopicPartition) -> dict[str, str | int]:
    """The fields of a line about one partition."""
    return {"topic": partition.topic, "partition": partition.partition}


def of_partitions(partitions: Collection[TopicPartition]) -> dict[str, str]:
    """The fields of a line about several: all of one topic, or each with its own."""
    topics = {partition.topic for partition in partitions}
    return {"partitions": listed(partitions)} | ({"topic": topics.pop()} if len(topics) == 1 else {})
