"""A broker that goes away in the one moment that kafka-python 3.0.12 is not prepared for."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaConnectionError
from kafka.future import Future

from tests.support.kafka_sides import RealKafka, wait
from workers.record import CommitResult

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
