"""A broker that goes away in a moment that is easily forgotten."""

from __future__ import annotations

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from kafka.future import Future

from tests.support.kafka_sides import RealKafka, wait
from workers.types import CommitResult

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(stack):
    side = RealKafka(stack, partitions=1)
    yield side
    side.close()


def test_a_search_for_the_coordinator_that_is_refused_goes_on_with_the_next_poll(kafka, monkeypatch):
    """The search meets a closed connection, asks for metadata, and that is refused: the client raises it out of poll.

    On a busy machine that ended one of four workers in about every fifth outage. Here it is certain.
    """
    member = kafka.member()
    wait(lambda: member.poll() or member.told.owned == [0], "it has its partition")
    kafka.produce(0, b"1")
    assert member.take(1) == [(0, b"1")]
    coordinator = member.source._consumer._coordinator
    asked = []

    def refuse() -> Future:
        asked.append(True)
        return Future().failure(KafkaConnectionError("111 ECONNREFUSED"))

    with monkeypatch.context() as away:
        away.setattr(coordinator, "lookup_coordinator", refuse)
        away.setattr(coordinator._cluster, "request_update", refuse)
        coordinator.coordinator_dead("the broker is away")
        assert member.poll() == []
        assert len(asked) >= 2
        assert member.commit(member.next_offsets) is CommitResult.TIMEOUT

    kafka.produce(0, b"2")
    assert member.take(1) == [(0, b"2")]
    assert member.commit(member.next_offsets) is CommitResult.OK
    assert kafka.committed() == {0: 2}


@pytest.mark.parametrize("removed", [False, True], ids=["aborted", "removed"])
def test_a_gap_that_cannot_be_looked_at_is_looked_at_again(kafka, monkeypatch, removed):
    """Whether records before the next one were lost, only the broker knows, and it is away: nothing is known yet."""
    member = kafka.member()
    wait(lambda: member.poll() or member.told.owned == [0], "it has its partition")
    kafka.produce(0, b"1")
    assert member.take(1) == [(0, b"1")]
    consumer, asked = member.source._consumer, []

    def refuse(*_arguments: object, **_options: object) -> None:
        asked.append(True)
        raise KafkaTimeoutError

    with monkeypatch.context() as away:
        away.setattr(consumer, "beginning_offsets", refuse)
        if removed:
            kafka.produce(0, b"2", b"3", b"4")
            kafka.expire(0, 3)
            # Where the client goes by itself, unless it has the removed records in hand.
            consumer.seek(TopicPartition(kafka.settings.topic, 0), 3)
        else:
            kafka.abort(0)
            kafka.produce(0, b"4")
        taken = []
        wait(lambda: taken.extend(member.poll()) or len(asked) >= 3, "it asked again and again")
        assert (taken, member.told.gone) == ([], [])

    assert member.take(1) == [(0, b"4")]
    assert member.told.gone == ([(0, 1, 2)] if removed else [])
