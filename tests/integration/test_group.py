"""What waits for a consumer group, and whether anybody could read it: lag by offsets alone is no reason to kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.user import User
from workers.kafka.group_client import GroupClient
from workers.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def user(stack: EmbeddedStack, tmp_path: Path) -> Iterator[User]:
    user = User(stack, tmp_path)
    yield user
    user.close()


@pytest.fixture
def group(user: User) -> Iterator[GroupClient]:
    settings = Settings(
        bootstrap_servers=user.environment["WORKERS_BOOTSTRAP_SERVERS"], topic=user.topic, group=user.group
    )
    group = GroupClient(settings)
    yield group
    group.close()


def transaction(user: User, *, commit: bool) -> None:
    """One record in partition 0, and behind it the marker that it was committed, or aborted."""
    producer = KafkaProducer(
        bootstrap_servers=user.environment["WORKERS_BOOTSTRAP_SERVERS"], transactional_id=f"{user.topic}-{commit}"
    )
    try:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(user.topic, b"{}", partition=0).get(20)
        producer.commit_transaction() if commit else producer.abort_transaction()
    finally:
        producer.close()


def commit(user: User, offset: int) -> None:
    user.kafka.admin.alter_group_offsets(user.group, {TopicPartition(user.topic, 0): OffsetAndMetadata(offset, "", -1)})


def next_and_end(group: GroupClient) -> dict[int, tuple[int, int]] | None:
    """By the number of the partition: what the group takes next, and the end of the log."""
    found = group.partition_offsets()
    return found and {partition.partition: (each.next_offset, each.end) for partition, each in found.items()}


def can_be_read(group: GroupClient, user: User, end: int) -> bool:
    partition = TopicPartition(user.topic, 0)
    offsets = (group.partition_offsets() or {})[partition]
    assert offsets.end == end
    return group.can_be_read(partition, offsets)


def test_a_topic_that_is_not_there_has_no_backlog(group: GroupClient) -> None:
    assert next_and_end(group) is None


def test_what_was_never_committed_waits_from_the_beginning(user: User, group: GroupClient) -> None:
    user.kafka.create(2)
    transaction(user, commit=True)
    # The broker writes a marker after it has answered.
    wait_until(lambda: next_and_end(group) == {0: (0, 2), 1: (0, 0)}, 20, "the transaction is over")
    assert can_be_read(group, user, 2)
    assert next_and_end(group) == {0: (0, 2), 1: (0, 0)}


def test_offsets_without_a_record_are_no_backlog_once_somebody_has_looked(user: User, group: GroupClient) -> None:
    user.kafka.create(1)
    transaction(user, commit=True)
    transaction(user, commit=False)
    commit(user, 1)
    # The marker of the first, and the second with its own: what a worker that is done can never commit. The broker writes
    # a marker after it has answered.
    wait_until(lambda: next_and_end(group) == {0: (1, 4)}, 20, "both transactions are over")
    assert not can_be_read(group, user, 4)
    assert next_and_end(group) == {0: (4, 4)}

    transaction(user, commit=True)
    wait_until(lambda: next_and_end(group) == {0: (1, 6)}, 20, "the third is over, too")
    assert can_be_read(group, user, 6)


def test_a_member_that_is_none_is_no_error(user: User, group: GroupClient) -> None:
    user.kafka.create(1)
    commit(user, 0)
    assert group.evict("worker_47-nobody") is False
