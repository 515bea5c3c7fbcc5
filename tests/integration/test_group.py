"""What waits for a consumer group, and whether anybody could read it: lag by offsets alone is no reason to kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.user import User
from workers.kafka.admin import PartitionOffsets
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


def test_a_topic_that_is_not_there_has_no_backlog(group: GroupClient) -> None:
    assert group.backlogs() is None


def test_what_was_never_committed_waits_from_the_beginning(user: User, group: GroupClient) -> None:
    user.kafka.create(2)
    transaction(user, commit=True)
    waiting = {0: PartitionOffsets(0, 2, None), 1: PartitionOffsets(0, 0, None)}
    # The broker writes a marker after it has answered.
    wait_until(lambda: group.backlogs() == waiting, 20, "the transaction is over")
    assert group.can_be_read(0, PartitionOffsets(0, 2, None))
    assert group.backlogs() == waiting


def test_offsets_without_a_record_are_no_backlog_once_somebody_has_looked(user: User, group: GroupClient) -> None:
    user.kafka.create(1)
    transaction(user, commit=True)
    transaction(user, commit=False)
    commit(user, 1)
    # The marker of the first, and the second with its own: what a worker that is done can never commit.
    wait_until(lambda: group.backlogs() == {0: PartitionOffsets(0, 4, 1)}, 20, "both transactions are over")
    assert not group.can_be_read(0, PartitionOffsets(0, 4, 1))
    assert group.backlogs() == {0: PartitionOffsets(0, 4, 4)}

    transaction(user, commit=True)
    wait_until(lambda: group.backlogs() == {0: PartitionOffsets(0, 6, 1)}, 20, "the third is over, too")
    assert group.can_be_read(0, PartitionOffsets(0, 6, 1))


def test_a_member_that_is_none_is_no_error(user: User, group: GroupClient) -> None:
    user.kafka.create(1)
    commit(user, 0)
    assert group.evict("worker_47-nobody") is False
