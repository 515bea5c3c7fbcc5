"""Whose commit it is: an offset counts in one incarnation of a topic, and the metadata beside it says in which."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import RetriableError

from tests.support.kafka_sides import RealKafka, wait
from workers.kafka.admin import Admin
from workers.kafka.commit_mark import CommitMark

pytestmark = pytest.mark.integration
A, B, C = b'{"n":1}', b'{"n":2}', b'{"n":3}'


@pytest.fixture
def kafka(stack):
    side = RealKafka(stack, partitions=1)
    side.produce(0, A, B, C)
    yield side
    side.close()


def commit(kafka: RealKafka, offset: int, metadata: str, leader_epoch: int = -1) -> None:
    """As a tool does it, while nobody is in the group."""
    tp = TopicPartition(kafka.settings.topic, 0)
    commits = {tp: OffsetAndMetadata(offset, metadata, leader_epoch)}

    def committed() -> bool:
        try:
            kafka._admin.alter_group_offsets(kafka.settings.group, commits)
            return kafka.committed() == {0: offset}
        except RetriableError:  # the first group of a new broker
            return False

    wait(committed, "the commit")


def seen_by_admin(kafka: RealKafka) -> Any:
    with Admin(kafka.settings) as admin:
        topic = admin.topic(kafka.settings.topic)
        assert topic
        (found,) = admin.partition_offsets(topic, kafka.settings.group).values()
        return found


def test_a_marked_commit_of_another_incarnation_does_not_count(kafka):
    commit(kafka, 2, str(CommitMark(UUID(int=1))))

    assert seen_by_admin(kafka).committed is None
    assert kafka.member().take(3) == [(0, A), (0, B), (0, C)]


@pytest.mark.parametrize(
    ("metadata", "leader_epoch"),
    [
        ("", -1),
        (str(UUID(int=1)), -1),
        ('{"checkpoint": 3, "topic": "numbers"}', 0),
        ("AAAAAQ==\u20ac", 0),
        ("kafka-mongo-workers/1 topic=?", 0),
        ("this topic's", 0),
    ],
    ids=["a tool", "an id, as earlier versions wrote it", "JSON of another framework", "bytes", "nearly ours", "ours"],
)
def test_any_other_commit_counts(kafka, metadata, leader_epoch):
    """A group that was taken over goes on where it was, for the worker and for those who look at it."""
    commit(kafka, 2, str(CommitMark(kafka.topic.uuid)) if metadata == "this topic's" else metadata, leader_epoch)

    assert seen_by_admin(kafka)[:3] == (0, 3, 2)
    member = kafka.member()
    assert member.take(1) == [(0, C)]
    assert member.told.truncations == []


@pytest.mark.parametrize("leader_epoch", [-1, 0, 9], ids=["no epoch", "this epoch", "a later epoch"])
def test_a_commit_behind_the_end_of_the_log_is_told(kafka, leader_epoch):
    """By whomever: a log that lost its end, and has not grown again."""
    commit(kafka, 50, "", leader_epoch)

    found = seen_by_admin(kafka)
    assert (found.committed, found.truncation.divergence) == (50, 0 if leader_epoch == 9 else 3)
    member = kafka.member()
    taken: list[tuple[int, bytes | None]] = []
    wait(lambda: taken.extend(member.poll()) or member.told.truncations, "it is told")
    kafka.produce(0, A)
    wait(lambda: taken.extend(member.poll()) or (0, A) in taken[-1:], "it reads on")

    # Without an epoch that the log has, nobody knows what else is of another log: it is read again.
    assert taken == ([] if leader_epoch == 0 else [(0, A), (0, B), (0, C)]) + [(0, A)]
    assert len(member.told.truncations) == 1
