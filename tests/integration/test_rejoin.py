"""A rebalance that is slower than a poll: kafka-python 3.0.12 may forget that it is joining, and never come back."""

from __future__ import annotations

import time

import pytest

from tests.support.kafka_sides import RealKafka, wait
from workers.kafka.source import POLL_SECONDS

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(stack):
    side = RealKafka(stack, partitions=2)
    yield side
    side.close()


def test_a_leader_whose_topic_grows_comes_back_though_its_machine_is_slow(kafka, monkeypatch):
    """The first worker of a fleet on a new topic is such a leader: it may not know the topic's partitions yet.

    From its assignment on until the broker has confirmed it, the client no longer knows that it wants to join. A poll
    that ends in between leaves it there: it sends no heartbeats, is thrown out, and says nothing.
    """
    leader = kafka.member()
    wait(lambda: leader.poll() or leader.told.owned == [0, 1], "it has both")
    coordinator = leader.source._consumer._coordinator
    assign, slow = coordinator._perform_assignment, []

    def assign_slowly(*arguments: object) -> object:
        assigned = assign(*arguments)
        if not slow:
            slow.append(True)
            # Not a wait: what makes this assignment last longer than the poll that it began in.
            time.sleep(2 * POLL_SECONDS)
        return assigned

    monkeypatch.setattr(coordinator, "_perform_assignment", assign_slowly)
    kafka._admin.create_partitions({kafka.settings.topic: 4})
    coordinator._cluster.request_update()

    wait(lambda: leader.poll() or leader.told.owned == [0, 1, 2, 3], "it has all four")
    assert slow
    assert leader.source.connected()


def test_a_join_that_completes_between_two_polls_is_not_made_again(kafka, monkeypatch):
    """A leader that joins again makes the whole group join again. Under load that went on for minutes."""
    leader = kafka.member()
    wait(lambda: leader.poll() or leader.told.owned == [0, 1], "it has both")
    coordinator = leader.source._consumer._coordinator
    assign, join, slow, joins = coordinator._perform_assignment, coordinator._do_join_and_sync_async, [], []

    def assign_slowly(*arguments: object) -> object:
        assigned = assign(*arguments)
        slow.append(True)
        # Not a wait: what makes this assignment last longer than the poll that it began in.
        time.sleep(2 * POLL_SECONDS)
        return assigned

    async def counted() -> object:
        joins.append(True)
        return await join()

    monkeypatch.setattr(coordinator, "_perform_assignment", assign_slowly)
    monkeypatch.setattr(coordinator, "_do_join_and_sync_async", counted)
    kafka._admin.create_partitions({kafka.settings.topic: 4})
    coordinator._cluster.request_update()
    wait(lambda: leader.poll() or slow, "the join is slow")
    if coordinator._join_task is not None:
        wait(lambda: coordinator._join_task.is_done, "the join is complete")
        assert leader.told.owned == [0, 1]

    wait(lambda: leader.poll() or leader.told.owned == [0, 1, 2, 3], "it has all four")
    assert len(joins) == len(slow) == 1
