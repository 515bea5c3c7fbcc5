"""What the loop does with a sink that asks to wait, and with records that a sink refuses; the rest is in tests/model."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tests.support.batches import batch_of, document, tp
from workers.errors import RetryReason, SinkUnavailableError
from workers.pipeline.backoff import Backoff
from workers.pipeline.loop import Loop
from workers.pipeline.observer import NullObserver
from workers.pipeline.reject_limit import RejectLimit
from workers.types import Batch, CommitResult, Fetched, TopicPartition, WriteResult

NOTHING_REFUSED = WriteResult({}, {}, {})


class World:
    """Source, reader and writer in one: it delivers these batches, and each write ends as these say."""

    def __init__(self, batches: list[Batch], ends: list[WriteResult | SinkUnavailableError]) -> None:
        self.batches, self.ends = batches, ends
        self.told: list[object] = []

    def poll(self, most: int, *, wait: bool) -> Fetched | None:
        return Fetched({}, {}) if self.batches else None

    def read(self, fetched: Fetched) -> Batch:
        return self.batches.pop(0)

    def begin(self, batch: Batch) -> None:
        self.told.append(("begin", batch.first_offsets))

    def finish(self) -> tuple[WriteResult, float]:
        end = self.ends.pop(0)
        if isinstance(end, SinkUnavailableError):
            raise end
        return end, 0.0

    def commit(self, next_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> CommitResult:
        self.told.append(("commit", next_offsets))
        return CommitResult.OK

    def rewind(self, first_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> None:
        self.told.append(("rewind", first_offsets))

    def halt(self, partitions: Collection[TopicPartition]) -> None:
        self.told.append(("halt", set(partitions)))

    def hold(self, seconds: float) -> None:
        self.told.append(("hold", seconds))

    def close(self) -> None: ...


def run(world: World) -> list[object]:
    limit, backoff = RejectLimit(max_share=0.5, min_records=2), Backoff(jitter=lambda: 1.0)
    stopping = lambda: not world.batches and not world.ends  # noqa: E731
    Loop(world, world, world, NullObserver(), stopping, reject_limit=limit, backoff=backoff).run()
    return world.told


def test_the_sink_is_left_alone_for_as_long_as_it_asks():
    busy = SinkUnavailableError(RetryReason.BUSY, "code 16500: RetryAfterMs=7000", 7.0)

    assert ("hold", 7.0) in run(World([batch_of(document(0))], [busy]))


def test_what_was_written_is_committed_and_its_partition_is_read_no_further():
    """The next batch was read already: its records of that partition are rewound, those of others are written."""
    first = batch_of(document(0), document(1), document(0, 1))
    after = batch_of(document(2), document(1, 1))
    refused = WriteResult({}, {}, {}, {tp(0): 2})

    told = run(World([first, after], [refused, NOTHING_REFUSED]))

    assert told == [
        ("begin", {tp(0): 0, tp(1): 0}),
        ("rewind", {tp(0): 2}),
        ("halt", {tp(0)}),
        ("begin", {tp(1): 1}),
        ("commit", {tp(0): 2, tp(1): 1}),
        ("commit", {tp(1): 2}),
    ]


def test_what_could_not_be_written_is_not_committed_and_is_read_no_further():
    """The others of its batch are committed. It is rewound to its first record that was not written."""
    first = batch_of(document(0), document(1), document(0, 1))
    after = batch_of(document(2), document(1, 1))
    unusable = WriteResult({tp(1): 1}, {}, {}, {}, {tp(0): "orders is capped"})

    told = run(World([first, after], [unusable, NOTHING_REFUSED]))

    assert told == [
        ("begin", {tp(0): 0, tp(1): 0}),
        ("rewind", {tp(0): 0}),
        ("rewind", {}),
        ("halt", {tp(0)}),
        ("begin", {tp(1): 1}),
        ("commit", {tp(1): 1}),
        ("commit", {tp(1): 2}),
    ]


def test_a_batch_of_which_nothing_could_be_written_commits_nothing():
    told = run(World([batch_of(document(0))], [WriteResult({}, {}, {}, {}, {tp(0): "orders is a view"})]))

    assert told == [("begin", {tp(0): 0}), ("rewind", {tp(0): 0}), ("rewind", {}), ("halt", {tp(0)})]


def test_a_partition_of_which_nothing_more_was_read_is_halted_too():
    told = run(World([batch_of(document(0), document(1))], [WriteResult({}, {}, {}, {tp(0): 2})]))

    assert told[-3:] == [("rewind", {}), ("halt", {tp(0)}), ("commit", {tp(0): 2})]
