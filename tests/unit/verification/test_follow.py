"""New records, each shown once: when the group has committed it, or after a while as pending."""

from __future__ import annotations

import pytest

from tests.support.batches import tp
from workers.kafka.partition_offsets import PartitionOffsets
from workers.verification.follow import PATIENCE_SECONDS, Follower


class FakePeek:
    """A log of so many records, and a group that has committed so many."""

    def __init__(self) -> None:
        self.parts = {tp(0): PartitionOffsets(0, 10, 10)}
        self.asked: list[dict] = []

    def offsets(self, _partition=None):
        return dict(self.parts)

    def newest(self, ranges, count, _offsets):
        self.asked.append(dict(ranges))
        found = [(partition, offset) for partition, (first, end) in ranges.items() for offset in range(first, end)]
        return found[-count:]


@pytest.fixture
def peek():
    return FakePeek()


def followed(peek: FakePeek, most: int = 20) -> Follower:
    follower = Follower(peek, most)
    follower.start(peek.offsets())
    return follower


def test_what_is_committed_is_shown_at_once_and_never_again(peek):
    follower = followed(peek)
    assert follower.look(0) == ([], 0)
    peek.parts[tp(0)] = PartitionOffsets(0, 13, 13)
    assert follower.look(1) == ([(tp(0), 10), (tp(0), 11), (tp(0), 12)], 0)
    assert follower.look(2) == ([], 0)


def test_what_nobody_commits_is_shown_after_a_while(peek):
    follower = followed(peek)
    peek.parts[tp(0)] = PartitionOffsets(0, 12, 10)
    assert follower.look(1) == ([], 0)
    peek.parts[tp(0)] = PartitionOffsets(0, 14, 11)
    assert follower.look(2) == ([(tp(0), 10)], 0)
    assert follower.look(1 + PATIENCE_SECONDS) == ([(tp(0), 11)], 0)
    assert follower.look(2 + PATIENCE_SECONDS) == ([(tp(0), 12), (tp(0), 13)], 0)


def test_of_too_many_the_newest_are_shown_and_the_others_are_counted(peek):
    follower = followed(peek, most=2)
    peek.parts[tp(0)] = PartitionOffsets(0, 1_010, 1_010)
    assert follower.look(1) == ([(tp(0), 1_008), (tp(0), 1_009)], 998)


def test_a_partition_that_comes_later_is_shown_from_its_beginning(peek):
    follower = followed(peek)
    peek.parts[tp(1)] = PartitionOffsets(0, 2, 2)
    assert follower.look(1) == ([(tp(1), 0), (tp(1), 1)], 0)


def test_a_log_that_is_shorter_than_before_is_followed_on(peek):
    follower = followed(peek)
    peek.parts[tp(0)] = PartitionOffsets(0, 4, 4)
    assert follower.look(1) == ([], 0)
    peek.parts[tp(0)] = PartitionOffsets(0, 5, 5)
    assert follower.look(2) == ([(tp(0), 4)], 0)


def test_what_could_not_be_read_is_looked_for_again(peek):
    follower = followed(peek)
    peek.parts[tp(0)] = PartitionOffsets(0, 11, 11)
    newest, peek.newest = peek.newest, lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        follower.look(1)
    peek.newest = newest
    assert follower.look(2) == ([(tp(0), 10)], 0)
