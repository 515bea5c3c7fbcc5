"""A schedule in which the collection of a partition cannot be used for a while, and the mistakes that it must catch."""

from __future__ import annotations

from collections.abc import Mapping

from tests.model.world import MOST, Variant, World
from tests.support.fakes import FakeSink
from tests.support.oracle import BrokenPromiseError
from workers.pipeline.loop import Loop
from workers.types import Batch, TopicPartition, WriteResult


def closed_collection(world: World) -> None:
    """One partition is halted, with nothing of it committed; the others go on; a restart finds all of it."""
    try:
        world.start()
        world.turns(3)
        world.produce(0, 2, poison=False)
        world.produce(1, 2, poison=False)
        world.turns(4)
        world.database.closed = {0}
        world.produce(0, 3 * MOST, poison=False)
        world.produce(1, 3 * MOST, poison=False)
        world.produce(0, 2, poison=True)
        world.turns(40)
        committed = world.seen().committed
        if (committed.get(0), committed.get(1)) != (2, 2 + 3 * MOST):
            raise BrokenPromiseError(
                f"what could not be written, or what could, is not what was committed: {committed}"
            )
        # Made usable again, it is read on after a restart and not before.
        world.database.closed = set()
        world.turns(10)
        if world.seen().committed.get(0) != 2:
            raise BrokenPromiseError("a halted partition was read on")
        for worker in list(world.workers):
            world.stop(worker)
        world.start()
        world.heal_and_drain()
    finally:
        world.end()


def reopened_at_once(world: World) -> None:
    """The collection cannot be used for one write only, after which the worker has read on already."""
    world.writes_late = True
    try:
        world.start()
        world.turns(3)
        world.produce(0, 4 * MOST, poison=False)
        world.database.closed = {0}
        (worker,) = world.workers
        while worker.at != "written":
            world.advance(worker, "written")
        world.database.closed = set()
        world.turns(10)
        if world.seen().committed.get(0):
            raise BrokenPromiseError("committed, but in no collection")
        world.stop(worker)
        world.start()
        world.heal_and_drain()
    finally:
        world.end()


class NotWrittenCommitted(Loop):
    """Commits a batch as a whole."""

    def _commit(self, batch: Batch) -> object:
        return super()._commit(self._whole.pop(0)) if self._whole else super()._commit(batch)

    def run(self) -> None:
        self._whole: list[Batch] = []
        begin = self.writer.begin

        def remembering(batch: Batch) -> None:
            self._whole.append(Batch(batch.assignment_epoch, dict(batch.partitions)))
            begin(batch)

        self.writer = _Begun(remembering, self.writer.finish)
        super().run()


class _Begun:
    def __init__(self, begin: object, finish: object) -> None:
        self.begin, self.finish = begin, finish


class ReadOnBehind(Loop):
    """Leaves out what was not written, and reads on behind it."""

    def _halt(self, reasons: Mapping[TopicPartition, str], batch: Batch) -> None: ...


class NextBatchWritten(Loop):
    """Halts the partition, and writes the batch of it that was read meanwhile."""

    def _halt_after_write(self, next_batch: Batch | None) -> Batch | None:
        super()._halt_after_write(Batch())
        return next_batch


class NotWrittenCounted(FakeSink):
    """Counts what was not written as stored."""

    def write(self, batch: Batch) -> WriteResult:
        parts = dict(batch.partitions)
        result = super().write(batch)
        more = {p: len(parts[p].operations) for p in result.not_written}
        return result._replace(stored={**result.stored, **more}, not_written={})


MUTANTS = {
    "committed although not written": (
        Variant(loop=NotWrittenCommitted),
        closed_collection,
        "committed, but in no collection",
    ),
    "read on behind what was not written": (
        Variant(loop=ReadOnBehind),
        closed_collection,
        "committed, but in no collection|not what was committed",
    ),
    "the next batch is written all the same": (
        Variant(loop=NextBatchWritten),
        reopened_at_once,
        "committed, but in no collection",
    ),
    "not written, and counted as stored": (
        Variant(sink=NotWrittenCounted),
        closed_collection,
        "was counted as|committed, but in no collection",
    ),
}
"""Each with the schedule that shows it, and as what."""
