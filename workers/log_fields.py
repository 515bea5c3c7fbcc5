"""The words of log lines that more than one package writes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.types import TopicPartition


class Action(StrEnum):
    """What the data path was at, on every line about partitions or records: few words, for whoever searches.

    How it went is in `level`, and what happened is in `event`, which is for people.
    """

    READ = "read"
    """Where and how far partitions are read, records that were lost, and those that may have crashed a worker."""
    WRITE = "write"
    """The sink is unavailable, or available again."""
    DEAD_LETTER = "dead_letter"
    """Records became dead letters."""
    COMMIT = "commit"
    """A batch was written, and its offsets were committed or, as a warning or an error, were not."""
    REBALANCE = "rebalance"
    """Partitions were assigned, revoked or lost, or there is none for this worker."""
    EVICT = "evict"
    """A dead worker was removed from the group."""


def listed(partitions: Iterable[TopicPartition]) -> str:
    """Several partitions in one value: `0,1`, of several topics `orders:0,1 refunds:0`."""
    topics = {topic: ",".join(map(str, numbers)) for topic, numbers in by_topic(partitions).items()}
    if len(topics) > 1:
        return " ".join(f"{topic}:{numbers}" for topic, numbers in topics.items())
    return "".join(topics.values()) or "none"
