"""A worker ends after so many records, or when it has grown, not all at the same time, and never one that is new."""

from __future__ import annotations

import pytest

from tests.support.batches import batch_of, document
from workers.types import CommitResult
from workers.worker import recycling as recycle
from workers.worker.recycling import Recycling


class Watched:
    """Told what it writes, with its clock; `stopped` is what it asked for."""

    def __init__(self, max_records=0, max_memory=0, not_before=0.0, jitter=0.0):
        self.now, self.stopped = 100.0, []
        self.recycle = Recycling(
            max_records, max_memory, not_before, self.stopped.append, lambda: self.now, lambda: jitter
        )

    def commit(self, records, result=CommitResult.OK):
        self.now += 1
        self.recycle.committed(batch_of(*map(document, range(records))), result)
        return self.stopped


def test_it_ends_after_the_batch_that_reaches_the_limit():
    watched = Watched(max_records=25)

    assert watched.commit(10) == []
    assert watched.commit(10) == []
    assert watched.commit(10) == ["recycled"]
    assert watched.commit(10) == ["recycled"]


def test_only_records_that_are_done_with_count():
    watched = Watched(max_records=15)

    assert watched.commit(10, CommitResult.REBALANCED) == []
    assert watched.commit(10, CommitResult.TIMEOUT) == []
    assert watched.commit(10) == []
    assert watched.commit(10) == ["recycled"]


@pytest.mark.parametrize(("jitter", "records"), [(0.0, 100), (0.5, 95), (1.0, 90)])
def test_each_process_has_a_limit_of_its_own(jitter, records):
    watched = Watched(max_records=100, jitter=jitter)

    assert watched.commit(records - 1) == []
    assert watched.commit(1) == ["recycled"]


def test_a_limit_that_is_too_low_does_not_end_a_new_worker():
    watched = Watched(max_records=1, not_before=10)

    for _ in range(9):
        assert watched.commit(100) == []
    assert watched.commit(1) == ["recycled"]


def test_without_a_limit_it_never_ends():
    watched = Watched()

    assert watched.commit(10_000) == []


def test_one_that_has_grown_too_large_ends(monkeypatch):
    sizes = iter([100, 150, 201])
    monkeypatch.setattr(recycle, "resident_mebibytes", lambda: next(sizes))
    watched = Watched(max_memory=200)

    assert watched.commit(1) == []
    assert watched.commit(1) == []
    assert watched.commit(1) == ["recycled"]


def test_memory_is_looked_at_once_a_second_and_not_with_every_batch(monkeypatch):
    looks = []
    monkeypatch.setattr(recycle, "resident_mebibytes", lambda: looks.append(1) or 1)
    watched = Watched(max_memory=200)
    for _ in range(100):
        watched.now -= 0.99
        watched.commit(1)

    assert len(looks) == 1
