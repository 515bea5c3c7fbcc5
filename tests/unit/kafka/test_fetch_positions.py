"""Positions beside leaders that come and go: a log in memory answers for the broker, the rest is real."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

import pytest

from tests.support.batches import tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.identity import OffsetRange
from workers.kafka import fetch_positions, incarnations
from workers.kafka.commit_mark import CommitMark
from workers.kafka.fetch_positions import FetchPositions
from workers.kafka.log_history import EpochEnd, LogHistory, Question, validate

TOPIC_ID = UUID(int=1)
MARGIN = 2
NO_LEADER = -1


class Broker:
    """The leaders of two partitions, each with its epoch, and what they answer."""

    def __init__(self) -> None:
        self.leaders = {tp(0): (1, 1), tp(1): (1, 1)}
        self.ends = {tp(0): EpochEnd(1, 100), tp(1): EpochEnd(1, 100)}
        mark = str(CommitMark(TOPIC_ID, LogHistory([(1, 0)])))
        self.committed = dict.fromkeys(self.leaders, SimpleNamespace(offset=5, metadata=mark, leader_epoch=1))
        self.seeks: list[tuple[object, int]] = []

    def have(self, partition):
        return self.leaders[partition][0] >= 0

    def epoch(self, partition):
        return self.leaders[partition][1]

    def starts(self, partitions):
        return dict.fromkeys(partitions, 0)

    def ends_of(self, _partitions):
        return {}

    def commits(self, partitions):
        return {partition: self.committed[partition] for partition in partitions if partition in self.committed}

    def validate(self, positions):
        asked = {p: Question(history, at, self.epoch(p)) for p, (history, at) in positions.items() if self.have(p)}
        return validate(asked, lambda epochs: {p: self.ends[p] for p in epochs})


@pytest.fixture
def broker(monkeypatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(
        fetch_positions,
        "LeaderLogs",
        lambda *_: SimpleNamespace(
            have=broker.have,
            epoch=broker.epoch,
            starts=broker.starts,
            ends=broker.ends_of,
            commits=broker.commits,
            validate=broker.validate,
        ),
    )
    monkeypatch.setattr(incarnations.compat, "topic_id", lambda _consumer, _name: TOPIC_ID)
    monkeypatch.setattr(fetch_positions.compat_logs, "seek", lambda _c, p, offset, _e: broker.seeks.append((p, offset)))
    return broker


def positions(truncated: list[object]) -> FetchPositions:
    consumer = SimpleNamespace(assignment=lambda: {tp(0), tp(1)})
    found = FetchPositions(consumer, 1, MARGIN, lambda *_: None, lambda *told: truncated.append(told))
    found.topics()
    return found


def records(first: int, end: int, epoch: int) -> ListedRecords:
    return ListedRecords([FakeRecord(0, offset, b"{}", leader_epoch=epoch) for offset in range(first, end)])


def test_a_truncation_is_told_also_if_its_partition_has_no_leader_when_the_others_begin_again(broker):
    truncated: list[object] = []
    found = positions(truncated)
    found.admit({})
    found.admit({tp(0): records(5, 20, 1)})
    broker.leaders[tp(0)], broker.ends[tp(0)] = (1, 2), EpochEnd(1, 8)
    found.admit({})

    broker.leaders[tp(0)] = (NO_LEADER, 2)
    found.admit({})
    assert truncated == []
    broker.leaders[tp(0)] = (1, 3)
    found.admit({})

    assert [partition for partition, _ in truncated] == [tp(0)]
    assert found.to_compare(tp(0), records(9, 10, 3)) == (OffsetRange(8, 20),)


def test_records_of_a_higher_epoch_than_their_leader_has_are_compared_once_and_read(broker):
    """A cluster whose metadata was restored from before its logs."""
    found = positions([])
    broker.committed.clear()
    broker.leaders[tp(0)], broker.ends[tp(0)] = (1, 5), EpochEnd(7, 100)
    found.admit({})

    first = found.admit({tp(0): records(0, 10, 7)})
    second = found.admit({tp(0): records(0, 10, 7)})

    assert (first.records, len(second.records[tp(0)])) == ({}, 10)
    assert broker.seeks[-1] == (tp(0), 0)


def test_what_is_to_be_committed_waits_for_the_id_of_its_topic(broker, monkeypatch):
    """A topic may leave the client's metadata between a rewind and the next poll; the batch could not name it then."""
    first = tp(0)
    broker.committed[first].offset = 0
    broker.starts = lambda partitions: dict.fromkeys(partitions, 50)
    found = positions([])
    found.admit({})
    assert found.take_skipped()[first] == 50
    found.seek(first, 50)

    monkeypatch.setattr(incarnations.compat, "topic_id", lambda *_: None)
    found.topics()
    assert found.take_skipped() == {}
    monkeypatch.setattr(incarnations.compat, "topic_id", lambda *_: TOPIC_ID)
    found.topics()
    assert found.take_skipped()[first] == 50
