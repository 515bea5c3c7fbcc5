"""When a member offers the beginnings of a topic again: not at once, and also where none of them is its own."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

import pytest

from workers.kafka import incarnations, topic_starts
from workers.kafka.beginning import Beginning
from workers.kafka.fetch_positions import FetchPositions
from workers.kafka.log_history import LogHistory
from workers.kafka.topic_starts import OFFER_SECONDS, TopicStarts
from workers.types import TopicPartition

OWN, OTHERS = TopicPartition("numtest", 0), TopicPartition("numtest", 1)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(topic_starts, "time", clock)
    return clock


@pytest.fixture
def positions(monkeypatch, clock) -> FetchPositions:  # noqa: ARG001
    """Of the owner of the lowest partition. Kafka answers for the other one only, and has no commit."""
    logs = SimpleNamespace(commits=lambda _: {}, have=lambda partition: partition == OTHERS)
    monkeypatch.setattr(topic_starts, "LeaderLogs", lambda *_: logs)
    monkeypatch.setattr(topic_starts, "StartOffsets", lambda *_: lambda _asked: {OTHERS: Beginning(70, LogHistory())})
    monkeypatch.setattr(incarnations.compat, "topic_id", lambda *_: UUID(int=1))
    consumer = SimpleNamespace(
        assignment=lambda: {OWN},
        partitions_for_topic=lambda _: {0, 1},
        group_metadata=lambda: SimpleNamespace(generation_id=3),
        pause=lambda *_: None,
        resume=lambda *_: None,
    )
    starts = TopicStarts(consumer, 1000, lambda _topic: "latest")
    found = FetchPositions(consumer, 1, 2, lambda *_: None, lambda *_: None, starts)
    found.topics()
    return found


def offered(positions: FetchPositions, clock: Clock, seconds: float) -> dict[TopicPartition, int]:
    """What is to be committed so many seconds later."""
    clock.now += seconds
    positions._starts.hold({OWN}, positions.topics())
    return positions.take_skipped()


def test_what_was_not_written_is_offered_again_and_not_at_once(positions, clock):
    assert offered(positions, clock, 0) == {}
    assert offered(positions, clock, topic_starts.LOOK_SECONDS + 20) == {OTHERS: 70}

    # Its batch was rewound. The partition is that of somebody else.
    positions.given_up(OTHERS, 70)
    assert offered(positions, clock, 0.5) == {}, "one that Kafka refuses takes its batch round with it"
    assert offered(positions, clock, OFFER_SECONDS) == {OTHERS: 70}


def test_what_is_on_its_way_is_not_offered_again(positions, clock):
    offered(positions, clock, 0)
    assert offered(positions, clock, 21)
    assert offered(positions, clock, 10 * OFFER_SECONDS) == {}
