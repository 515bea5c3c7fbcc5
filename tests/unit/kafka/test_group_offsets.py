"""The offsets of many topics: in as many requests as those of one, each commit judged by the id of its own topic."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import pytest
from kafka import IsolationLevel, OffsetSpec
from kafka.structs import OffsetAndMetadata

from workers.identity import TopicIdentity
from workers.kafka.commit_mark import CommitMark
from workers.kafka.group_offsets import group_offsets
from workers.kafka.topics import Topic
from workers.types import TopicPartition


class Found(NamedTuple):
    offset: int
    timestamp: int = -1


class Client:
    """A cluster of two brokers that has every partition: from 5 to 100, readable up to 90, committed at 40."""

    def __init__(self, marks: dict[str, UUID]) -> None:
        """Args: marks: by topic, the id of the topic for which it was committed."""
        self.asked: list[str] = []
        self._marks = marks

    def list_group_offsets(self, groups: dict[str, Any]) -> dict[str, Any]:
        self.asked.append("commits")
        return {
            group: {each: OffsetAndMetadata(40, str(CommitMark(self._marks[each.topic])), -1) for each in asked}
            for group, asked in groups.items()
        }

    def list_partition_offsets(self, asked: dict[Any, Any], isolation: Any, _timeout: int) -> dict[Any, Any]:
        self.asked.append("log")
        (spec,) = set(asked.values())
        end = 90 if isolation is IsolationLevel.READ_COMMITTED else 100
        return dict.fromkeys(asked, Found(5 if spec is OffsetSpec.EARLIEST else end))


def topics(count: int) -> list[Topic]:
    found = []
    for number in range(count):
        identity = TopicIdentity(f"topic-{number:02d}", UUID(int=number + 1))
        partitions = [TopicPartition(identity.name, each) for each in range(6)]
        found.append(Topic(identity, partitions, {each: (each.partition % 2, -1) for each in partitions}))
    return found


@pytest.mark.parametrize("count", [1, 20])
def test_the_number_of_requests_does_not_grow_with_the_topics(count: int) -> None:
    asked = topics(count)
    client = Client({topic.identity.name: topic.identity.uuid for topic in asked})

    found = group_offsets(lambda question: question(), client, asked, "counters", 100, 1_000)

    assert client.asked == ["commits", "log", "log", "log"]
    assert list(found) == sorted(partition for topic in asked for partition in topic.partitions)
    assert {(each.start, each.committed, each.end, each.unstable, each.lag) for each in found.values()} == {
        (5, 40, 90, 10, 50)
    }


def test_a_commit_counts_for_the_topic_for_which_it_was_made_only() -> None:
    first, second = topics(2)
    # The second was deleted, and made again: its offsets are those of the topic before.
    client = Client({first.identity.name: first.identity.uuid, second.identity.name: first.identity.uuid})

    found = group_offsets(lambda question: question(), client, [first, second], "counters", 100, 1_000)

    assert {found[partition].committed for partition in first.partitions} == {40}
    assert {found[partition].committed for partition in second.partitions} == {None}
