"""Who looks on sees how far a worker is, and since when, also after the worker has died."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.batches import batch_of, document, reject, tp
from workers.state.checked_file import checked
from workers.state.progress import VERSION, WRITE_SECONDS, Progress, Stored, read_progress
from workers.state.write_failures import WriteFailures
from workers.types import WriteResult


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress"


def store(progress: Progress, *offsets: int, partition: int = 0) -> None:
    progress.written(batch_of(*[document(offset, partition) for offset in offsets]), WriteResult({}, {}, {}), 0.1)


def test_it_tells_how_far_each_partition_is_stored_and_since_when(path):
    clock = Clock()
    progress = Progress.open(path, WriteFailures(), clock)
    progress.owns([tp(0), tp(1), tp(2)])
    store(progress, 5, 6)
    clock.now += 1
    store(progress, 7)
    progress.written(batch_of(rejects=[reject(3, 1)]), WriteResult({}, {}, {}), 0.1)
    clock.now += WRITE_SECONDS
    progress.iterated()

    found = read_progress(path)
    assert found is not None
    assert found.partitions == {tp(0): Stored(8, 101.0, 100.0), tp(1): Stored(4, 101.0, 101.0)}


def test_a_new_assignment_begins_anew(path):
    clock = Clock()
    progress = Progress.open(path, WriteFailures(), clock)
    progress.owns([tp(0), tp(1)])
    store(progress, 5)
    clock.now += 1
    progress.owns([tp(0)])
    assert read_progress(path).partitions == {}

    clock.now += 1
    store(progress, 6)
    assert read_progress(path).partitions == {tp(0): Stored(7, 102.0, 102.0)}


def test_a_busy_worker_writes_a_few_times_a_second_and_an_idle_one_nothing(path):
    clock = Clock()
    progress = Progress.open(path, WriteFailures(), clock)
    store(progress, 0)
    writes = []
    progress._file.write = writes.append
    for offset in range(1, 101):
        clock.now += WRITE_SECONDS / 10
        store(progress, offset)
        progress.iterated()
    assert 9 <= len(writes) <= 11

    clock.now += WRITE_SECONDS
    progress.iterated()
    writes.clear()
    for _ in range(100):
        clock.now += WRITE_SECONDS
        progress.iterated()
    assert writes == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        checked([]),
        checked({"version": VERSION + 1, "pid": 1, "started": 1, "partitions": {}}),
        checked({"version": VERSION, "pid": 1, "started": 1, "partitions": {"t": {"0": [1]}}}),
        checked({"version": VERSION, "pid": 1, "started": 1, "partitions": {}})[:-3],
    ],
)
def test_what_is_no_progress_is_none(path, content):
    path.write_bytes(content)

    assert read_progress(path) is None
