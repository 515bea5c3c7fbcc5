"""The brake on dead letters: when it takes hold, when it must not, and that one partition says nothing about another."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batches import batch_of, document, reject, tp
from workers.pipeline.reject_limit import RejectLimit
from workers.types import Batch, TopicIdentity, TopicPartition


def mixed(good: int, bad: int, partition: int = 0, first: int = 0) -> Batch:
    documents = [document(first + offset, partition) for offset in range(good)]
    rejects = [reject(first + good + offset, partition) for offset in range(bad)]
    return batch_of(*documents, rejects=rejects)


@pytest.mark.parametrize(
    ("good", "bad", "over"),
    [
        (0, 9, False),
        (0, 10, True),
        (5, 5, False),
        (4, 6, True),
        (10, 0, False),
        (100, 99, False),
        (99, 100, True),
    ],
)
def test_more_than_the_share_of_enough_records_is_over(good, bad, over):
    assert RejectLimit(max_share=0.5, min_records=10).count(mixed(good, bad)) == ({tp(0)} if over else set())


def test_batches_are_added_up():
    limit = RejectLimit(max_share=0.5, min_records=10)

    assert [limit.count(mixed(0, 3)) for _ in range(4)] == [set(), set(), set(), {tp(0)}]


def test_partitions_are_counted_apart():
    limit = RejectLimit(max_share=0.5, min_records=10)
    batch = batch_of(
        *[document(offset, 1) for offset in range(50)],
        rejects=[reject(offset, partition) for partition in (0, 2) for offset in range(10)],
    )

    assert limit.count(batch) == {tp(0), tp(2)}
    assert limit.count(mixed(0, 1, partition=1)) == set()


def test_a_share_of_1_is_no_limit():
    limit = RejectLimit(max_share=1.0, min_records=1)

    assert [limit.count(mixed(0, 1000)) for _ in range(5)] == [set()] * 5


def test_what_was_long_ago_counts_less():
    """A million good records must not cover up a producer that breaks now."""
    limit = RejectLimit(max_share=0.5, min_records=10)
    for _ in range(1000):
        assert limit.count(mixed(100, 0)) == set()

    assert any(limit.count(mixed(0, 20)) for _ in range(10))


def test_a_partition_that_recovered_is_not_over():
    """Only a batch with a reject in it can be stopped: good records always pass."""
    limit = RejectLimit(max_share=0.5, min_records=10)
    limit.count(mixed(0, 9))

    assert limit.count(mixed(1, 0)) == set()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_a_partition_with_no_more_than_the_share_in_every_batch_is_never_over(batches):
    limit = RejectLimit(max_share=0.5, min_records=10)

    assert all(limit.count(mixed(max(good, bad), min(good, bad))) == set() for good, bad in batches if good + bad)


@given(st.lists(st.integers(1, 30), min_size=40, max_size=60))
def test_a_partition_of_nothing_but_rejects_is_over_as_soon_as_enough_were_seen(batches):
    limit, seen = RejectLimit(max_share=0.99, min_records=25), 0

    for bad in batches:
        seen += bad
        over = limit.count(mixed(0, bad))
        assert over == ({tp(0)} if seen >= 25 else set())
        if over:
            return


def refused(limit: RejectLimit, batch: Batch, count: int) -> set[TopicPartition]:
    return limit.count_refused(batch, {tp(0): count})


@pytest.mark.parametrize(("count", "over"), [(4, False), (5, False), (6, True), (10, True)])
def test_records_that_the_sink_refuses_count_after_their_batch_was_written(count, over):
    limit, batch = RejectLimit(max_share=0.5, min_records=10), mixed(10, 0)
    assert limit.count(batch) == set()

    assert refused(limit, batch, count) == ({tp(0)} if over else set())


@pytest.mark.parametrize("read_ahead", [0, 1, 10, 100])
def test_the_size_of_the_batch_that_was_read_meanwhile_makes_no_share_larger(read_ahead):
    """Old batches weigh less: what is refused of one weighs as much as its records do by then."""
    limit, batch = RejectLimit(max_share=0.5, min_records=10), mixed(100, 0)
    limit.count(batch)
    if read_ahead:
        limit.count(mixed(read_ahead, 0, first=100))

    assert refused(limit, batch, 45) == set()


def test_a_share_of_1_is_no_limit_for_what_the_sink_refuses_either():
    limit = RejectLimit(max_share=1.0, min_records=1)
    for number in range(20):
        batch = mixed(10, 0, first=10 * number)
        limit.count(batch)
        limit.count(mixed(1, 0, first=10 * number + 10))

        assert refused(limit, batch, 10) == set()


def test_what_is_redelivered_is_counted_once():
    """A refused record is tried for half a minute: its batch must not weigh ten times what was refused of it."""
    limit, batch, after = RejectLimit(max_share=0.5, min_records=10), mixed(10, 0), mixed(10, 0, first=10)
    for _ in range(10):
        limit.count(batch)
        limit.count(after)
        for each in (batch, after):
            limit.redelivered(each)
    assert limit.count(batch) == limit.count(mixed(5, 0, first=15)) == set()

    assert refused(limit, batch, 10) == set()
    assert refused(limit, after, 10) == {tp(0)}


def test_an_incarnation_of_a_topic_says_nothing_about_the_next():
    limit, batch = RejectLimit(max_share=0.5, min_records=10), mixed(0, 9)
    limit.count(batch)
    limit.redelivered(mixed(1_000, 0))
    batch.partitions[tp(0)].topic = TopicIdentity("numtest", UUID(int=7))

    assert limit.count(batch) == {tp(0)}
