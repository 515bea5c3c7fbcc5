"""How much is read in a time, by the limit alone: the clock is the test's."""

from __future__ import annotations

import pytest

from tests.support.records import ListedRecords
from workers.pipeline.rate_limit import RateLimit


class Reader:
    """Reads from a backlog without an end, as the loop does."""

    def __init__(self, rate=0.0, bytes_=0.0, size=100, write_seconds=0.0):
        self.now, self.rate, self.size, self.write_seconds = 100.0, rate, size, write_seconds
        self.limit = RateLimit(lambda: (self.rate, "WORKERS_MAX_RATE"), bytes_, lambda: self.now)
        self.read: list[tuple[float, int]] = []
        self.longest_wait = 0.0

    def run(self, seconds, most=5_000):
        until, waited = self.now + seconds, 0.0
        while self.now < until:
            if count := self.limit.allowed(most):
                assert count <= most
                self.limit.spend([Sized(count, self.size)])
                self.read.append((self.now, count))
                self.now += self.write_seconds
                waited = 0.0
            else:
                assert self.limit.seconds > 0
                step = min(0.25, self.limit.seconds)
                self.now += step
                waited += step
                self.longest_wait = max(self.longest_wait, waited)

    def most_within(self, seconds):
        return max(sum(count for at, count in self.read if start <= at < start + seconds) for start, _ in self.read)

    @property
    def total(self):
        return sum(count for _, count in self.read)


class Sized(ListedRecords):
    def __init__(self, count, size):
        self.offsets = range(count)
        self.values = [b"x" * min(size, 1_000_000)] * count


@pytest.mark.parametrize("rate", [1, 7, 100, 2_000, 45_000])
@pytest.mark.parametrize("write_seconds", [0.0, 0.02, 0.4])
def test_it_is_exact_within_a_few_per_cent_over_ten_seconds(rate, write_seconds):
    reader = Reader(rate, write_seconds=write_seconds)
    reader.run(60, most=100_000)

    assert reader.total == pytest.approx(60 * rate, rel=0.03, abs=2)
    assert reader.most_within(10) <= 10.5 * rate + 1


def test_after_an_idle_night_no_more_than_half_a_second_is_made_up_for():
    reader = Reader(1_000)
    reader.run(5)
    reader.now += 36_000
    begun = reader.total
    reader.run(10)

    assert reader.total - begun <= 10.5 * 1_000


def test_it_reads_in_steps_and_not_record_by_record():
    reader = Reader(1_000)
    reader.run(10)

    assert len(reader.read) <= 45


@pytest.mark.parametrize("most", [1, 10, 5_000, 100_000])
def test_batches_of_any_size_stall_nobody(most):
    reader = Reader(500)
    reader.run(20, most=most)

    assert reader.total == pytest.approx(10_000, rel=0.03)


def test_a_batch_that_is_smaller_than_a_step_waits_for_its_own_tokens_only():
    reader = Reader(1_000)
    reader.run(2, most=10)

    assert reader.longest_wait <= 0.0101


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
def test_bytes_are_limited_whatever_the_size_of_records(size):
    reader = Reader(bytes_=200_000, size=size)
    reader.run(60)

    assert reader.total * size == pytest.approx(12_000_000, rel=0.05, abs=2 * size)


def test_a_record_that_is_larger_than_the_bucket_is_read_and_made_up_for():
    reader = Reader(bytes_=10_000, size=1_000_000)
    reader.run(600)

    assert 6 <= reader.total <= 7


def test_the_slower_of_two_limits_is_the_one_that_is_named():
    by_bytes, by_records = Reader(1_000, bytes_=1_000, size=100), Reader(10, bytes_=1_000_000, size=100)
    for reader, name, total in ((by_bytes, "WORKERS_MAX_BYTE_RATE", 600), (by_records, "WORKERS_MAX_RATE", 600)):
        reader.run(60)
        assert reader.total == pytest.approx(total, rel=0.2)
        while reader.limit.allowed(5_000):
            reader.limit.spend([Sized(10, 100)])
        assert reader.limit.name == name


def test_a_share_that_changes_is_in_force_at_once():
    reader = Reader(1_000)
    reader.run(10)
    reader.rate = 250
    begun = reader.total
    reader.run(10)

    assert reader.total - begun == pytest.approx(2_500, rel=0.15)


def test_nothing_is_read_ahead_of_what_was_fetched_and_thrown_away():
    """Only what the source returned counts: a poll that brought nothing costs no tokens."""
    reader = Reader(100)
    reader.run(1)
    reader.now += 0.5
    for _ in range(100):
        assert reader.limit.allowed(50)


def test_the_first_record_is_read_alone_as_long_as_nobody_knows_how_large_they_are():
    reader = Reader(bytes_=1_000_000)
    reader.now += 10
    assert reader.limit.allowed(5_000) == 1
    reader.limit.spend([Sized(1, 100)])
    assert reader.limit.allowed(5_000) == 2
