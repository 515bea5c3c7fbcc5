"""The newest records: by their times, from no further back than it takes, and never more of them than were asked for."""

from __future__ import annotations

import itertools

import pytest

from tests.support.batches import tp
from tests.support.fake_broker import FakeRecord
from workers.kafka import recent_records as module
from workers.kafka.recent_records import recent_records
from workers.settings import load


class Log:
    """Records by partition; offsets that are not there are markers, or were compacted."""

    def __init__(self, **times: dict[int, int]) -> None:
        self.times = {tp(int(name[1:])): by_offset for name, by_offset in times.items()}
        self.asked: list[dict] = []

    def read(self, _settings, ranges, _options):
        self.asked.append(dict(ranges))
        for partition, (first, end) in ranges.items():
            yield (
                partition,
                [
                    FakeRecord(partition.partition, offset, b"{}", timestamp=time)
                    for offset, time in self.times[partition].items()
                    if first <= offset < end
                ],
            )


@pytest.fixture
def newest(monkeypatch):
    def find(log: Log, ranges: dict, count: int) -> list[tuple[int, int]]:
        monkeypatch.setattr(module, "read_log", log.read)
        found = recent_records(load(), {tp(partition): each for partition, each in ranges.items()}, count)
        return [(partition.partition, record.offset) for partition, record in found]

    return find


def test_they_are_the_newest_of_all_partitions_oldest_first(newest):
    log = Log(p0={offset: 10 * offset for offset in range(100)}, p1={offset: 990 + offset for offset in range(5)})

    assert newest(log, {0: (0, 100), 1: (0, 5)}, 4) == [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert newest(log, {0: (0, 100), 1: (0, 5)}, 7)[:2] == [(0, 98), (0, 99)]
    assert log.asked[0] == {tp(0): (96, 100), tp(1): (1, 5)}, "no more than may be among them is read"


def test_where_the_end_of_a_log_has_gaps_it_looks_further_back_and_reads_nothing_twice(newest):
    log = Log(p0={0: 1, 1: 2, 500: 3})

    assert newest(log, {0: (0, 1_000)}, 2) == [(0, 1), (0, 500)]
    ranges = [each[tp(0)] for each in log.asked]
    assert [end for _, end in ranges[1:]] == [first for first, _ in ranges[:-1]]


def test_a_log_with_fewer_records_is_read_to_its_beginning(newest):
    assert newest(Log(p0={3: 1}), {0: (2, 9)}, 5) == [(0, 3)]
    assert newest(Log(p0={}), {0: (9, 9)}, 5) == []


def test_the_search_ends_in_time(newest, monkeypatch):
    """A log of a billion markers is not read for a person who waits."""
    clock = itertools.count(0, module.SECONDS / 2)
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    log = Log(p0={})

    assert newest(log, {0: (0, 10**9)}, 5) == []
    assert len(log.asked) <= 2


def test_records_without_a_time_are_in_the_order_of_their_offsets(newest):
    assert newest(Log(p0=dict.fromkeys(range(6), -1)), {0: (0, 6)}, 3) == [(0, 3), (0, 4), (0, 5)]
