"""Whose commit it is: an offset counts in one incarnation of a topic, and the metadata beside it says in which."""

from __future__ import annotations

from uuid import UUID

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CoordinatorNotAvailableError

from tests.support.kafka_sides import RealKafka, wait

pytestmark = pytest.mark.integration
A, B, C = b'{"n":1}', b'{"n":2}', b'{"n":3}'


@pytest.fixture
def kafka(stack):
    side = RealKafka(stack, partitions=1)
    side.produce(0, A, B, C)
    yield side
    side.close()


def commit(kafka: RealKafka, offset: int, metadata: str) -> None:
    """As a tool does it, while nobody is in the group."""
    tp = TopicPartition(kafka.settings.topic, 0)

    def committed() -> bool:
        try:
            kafka._admin.alter_group_offsets(kafka.settings.group, {tp: OffsetAndMetadata(offset, metadata, -1)})
        except CoordinatorNotAvailableError:  # the first group of a new broker
            return False
        return kafka.committed() == {0: offset}

    wait(committed, "the commit")


def test_a_commit_of_another_incarnation_does_not_count(kafka):
    commit(kafka, 2, str(UUID(int=1)))

    assert kafka.member().take(3) == [(0, A), (0, B), (0, C)]


@pytest.mark.parametrize("metadata", ["", "this topic's"])
def test_a_commit_of_this_incarnation_or_of_a_person_counts(kafka, metadata):
    commit(kafka, 2, metadata and str(kafka.topic.uuid))

    assert kafka.member().take(1) == [(0, C)]
