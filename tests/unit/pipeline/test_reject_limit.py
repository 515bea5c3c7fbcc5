"""The brake on dead letters: when it takes hold, when it must not, and that one partition says nothing about another."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batches import batch_of, document, reject, tp
from tests.support.fake_broker import FakeRecord
from workers.identity import TopicIdentity
from workers.pipeline.reject_limit import RejectLimit
from workers.types import Batch, Reject, RejectReason, TopicPartition


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

    assert [limit.count(mixed(0, 3, first=3 * turn)) for turn in range(4)] == [set(), set(), set(), {tp(0)}]


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

    assert [limit.count(mixed(0, 1000, first=1000 * turn)) for turn in range(5)] == [set()] * 5


def test_what_was_long_ago_counts_less():
    """A million good records must not cover up a producer that breaks now."""
    limit = RejectLimit(max_share=0.5, min_records=10)
    for turn in range(1000):
        assert limit.count(mixed(100, 0, first=100 * turn)) == set()

    assert any(limit.count(mixed(0, 20, first=100_000 + 20 * turn)) for turn in range(10))


def test_a_partition_that_recovered_is_not_over():
    """Only a batch with a reject in it can be stopped: good records always pass."""
    limit = RejectLimit(max_share=0.5, min_records=10)
    limit.count(mixed(0, 9))

    assert limit.count(mixed(1, 0, first=9)) == set()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40))
def test_a_partition_with_no_more_than_the_share_in_every_batch_is_never_over(batches):
    limit, first = RejectLimit(max_share=0.5, min_records=10), 0

    for good, bad in batches:
        assert limit.count(mixed(max(good, bad), min(good, bad), first=first)) == set()
        first += good + bad


@given(st.lists(st.integers(1, 30), min_size=40, max_size=60))
def test_a_partition_of_nothing_but_rejects_is_over_as_soon_as_enough_were_seen(batches):
    limit, seen = RejectLimit(max_share=0.99, min_records=25), 0

    for bad in batches:
        over = limit.count(mixed(0, bad, first=seen))
        seen += bad
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
    assert limit.count(batch) == limit.count(mixed(5, 0, first=15)) == set()

    assert refused(limit, batch, 10) == set()
    assert refused(limit, after, 10) == {tp(0)}


def tombstones(count: int, first: int = 0) -> list[Reject]:
    return [
        Reject(f"t{offset}", RejectReason.TOMBSTONE, "null", FakeRecord(0, offset, None))
        for offset in range(first, first + count)
    ]


def test_tombstones_are_neither_records_nor_rejects():
    """A topic of deletes is normal: nothing but tombstones, or one behind each delete event."""
    limit = RejectLimit(max_share=0.5, min_records=10)

    assert limit.count(batch_of(rejects=tombstones(1_000))) == set()
    assert limit.count(mixed(4, 5, first=1_000)) == set(), "the tombstones counted as good records, or as rejects"
    assert limit.count(mixed(0, 1, first=2_000)) == {tp(0)}, "they made room for rejects"


def test_a_batch_that_is_redelivered_was_counted_before():
    """The database is away for an hour: ten rejects that are read a hundred times are ten."""
    limit = RejectLimit(max_share=0.5, min_records=100)

    assert [limit.count(mixed(0, 10)) for _ in range(100)] == [set()] * 100
    assert limit.count(mixed(0, 80)) == set(), "ten of these were counted before, and eighty are not enough"
    assert limit.count(mixed(0, 101)) == {tp(0)}


def test_of_a_batch_that_is_redelivered_in_part_the_rest_is_counted():
    limit = RejectLimit(max_share=0.5, min_records=10)

    assert limit.count(mixed(0, 8)) == set()
    assert limit.count(mixed(5, 3, first=1)) == set(), "of these only offset 8 is new: nine rejects"
    assert limit.count(mixed(0, 1, first=9)) == {tp(0)}


def test_the_offsets_of_a_recreated_topic_are_counted_from_the_beginning():
    limit = RejectLimit(max_share=0.5, min_records=10)
    assert limit.count(mixed(100, 0)) == set()
    recreated = mixed(0, 200)
    recreated.partitions[tp(0)].topic = TopicIdentity("numtest", UUID(int=1))

    assert limit.count(recreated) == {tp(0)}


def written_by(leader_epoch: int, batch: Batch) -> Batch:
    """The same records, of this leader of the partition."""
    for part in batch.partitions.values():
        part.last_epoch = leader_epoch
        part.operations, part.rejects = (
            [one._replace(record=one.record._replace(leader_epoch=leader_epoch)) for one in each]
            for each in (part.operations, part.rejects)
        )
    return batch


def test_records_in_the_place_of_a_truncated_log_are_counted():
    """Their offsets were counted before, with other records."""
    limit = RejectLimit(max_share=0.5, min_records=10)
    assert limit.count(written_by(3, mixed(15, 0))) == set()

    assert limit.count(written_by(4, mixed(0, 8, first=5))) == set(), "8 of 23"
    assert limit.count(written_by(4, mixed(0, 8, first=13))) == {tp(0)}, (
        "16 of 31: offsets 13 and 14 are of the new log too"
    )


def test_a_new_leader_alone_does_not_make_redelivered_records_count_again():
    limit = RejectLimit(max_share=0.5, min_records=100)
    assert limit.count(written_by(3, mixed(0, 10))) == limit.count(written_by(4, mixed(0, 10, first=10))) == set()

    for _ in range(50):
        assert limit.count(written_by(3, mixed(0, 10))) == set()
        assert limit.count(written_by(4, mixed(0, 10, first=10))) == set()
