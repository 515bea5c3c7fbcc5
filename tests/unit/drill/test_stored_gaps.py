"""A gap is from the last record stored in one assignment to the first one in the next, where records waited."""

from __future__ import annotations

import time

import pytest

from tests.support.batches import tp
from tests.support.fake_broker import FakeRecord
from workers.drill.stored_gaps import Arrivals, Gap, StoredGaps
from workers.state.progress import Stored, WorkerProgress


def progress(pid: int, partition: int, *stored: float) -> WorkerProgress:
    """Args: stored: next offset, last, first."""
    return WorkerProgress(pid, pid, {tp(partition): Stored(*stored)})


def test_a_change_of_owner_is_a_gap_and_going_on_is_none():
    gaps = StoredGaps()
    for last in (99.0, 99.4, 99.9):
        gaps.observe({"worker_00": progress(7, 0, int(last * 10), last, 50.0)})
    # The file of the dead worker stays.
    gaps.observe({"worker_00": progress(7, 0, 999, 99.9, 50.0), "worker_01": progress(8, 0, 1_020, 101.5, 101.2)})
    gaps.observe({"worker_00": progress(7, 0, 999, 99.9, 50.0), "worker_01": progress(8, 0, 1_030, 101.9, 101.2)})

    assert gaps.since(100.0) == [Gap(tp(0), 99.9, 101.2, 999, "worker_01")]
    assert gaps.since(102.0) == []
    assert gaps.stored_since(101.8) == {tp(0)}
    assert gaps.stored_since(101.9) == set()


def test_a_rebalance_is_a_gap_of_those_too_who_keep_their_partitions():
    gaps = StoredGaps()
    gaps.observe({"worker_01": progress(8, 3, 10, 99.0, 50.0)})
    gaps.observe({"worker_01": WorkerProgress(8, 8, {})})
    gaps.observe({"worker_01": progress(8, 3, 40, 100.5, 100.4)})

    assert [gap.seconds() for gap in gaps.since(0)] == [pytest.approx(1.4)]


def test_the_longest_comes_first():
    gaps = StoredGaps()
    for at in (100.0, 100.5, 103.5, 105.0):
        gaps.observe({"worker_01": progress(8, 0, 1, at, at)})

    assert [gap.seconds() for gap in gaps.since(0)] == [3.0, 1.5, 0.5]


def test_before_the_first_record_arrived_nothing_waited():
    gap = Gap(tp(0), 99.0, 101.0, 20, "worker_01")

    assert (gap.seconds(), gap.seconds(98.0), gap.seconds(100.5)) == (2.0, 2.0, 0.5)
    assert gap.seconds(500.0) == 2.0, "the producer's clock is ahead"


def test_the_record_that_waited_is_found_in_the_log_also_behind_a_gap_in_the_offsets():
    gap, other = (Gap(tp(partition), 99.0, 101.0, 20, "worker_01") for partition in (0, 1))
    arrivals = Arrivals([gap, other])
    now = time.time()
    sent = [(18, 9.0), (19, 8.0), (22, 3.0), (23, 2.0)]
    arrivals.note(tp(0), [FakeRecord(0, offset, b"{}", timestamp=int((now - ago) * 1000)) for offset, ago in sent])
    arrivals.note(tp(0), [FakeRecord(0, 24, b"{}", timestamp=int(now * 1000))])

    assert arrivals.of(gap) == pytest.approx(time.monotonic() - 3.0, abs=0.1)
    assert arrivals.of(other) is None
