"""What is normal for a topic is no flood of rejects: schedules under the reject limit, and the mistakes they must show."""

from __future__ import annotations

from collections.abc import Callable

from tests.model.world import LEAST_FOR_THE_LIMIT, Variant, World
from tests.support.batches import reader
from workers.pipeline.loop import Loop
from workers.pipeline.reader import RecordReader
from workers.pipeline.reject_limit import RejectLimit
from workers.types import Batch, Fetched, PartitionBatch, TopicPartition


def deletes(world: World) -> None:
    """A change stream: three tombstones for each value. The limit stays, and all of it is read."""
    world.reject_share = 0.5
    _play(world, lambda: [_delete_and_value(world) for _ in range(3 * LEAST_FOR_THE_LIMIT)])


def outage_over_rejects(world: World) -> None:
    """A few bad records are read again at every attempt to write them: too few to judge their producer by."""
    world.reject_share = 0.5

    def send() -> None:
        world.break_the_database(0)
        world.produce(0, 2, poison=True)
        world.turns(10 * LEAST_FOR_THE_LIMIT)
        world.produce(0, 2, poison=False)

    _play(world, send)


def _play(world: World, send: Callable[[], object]) -> None:
    try:
        world.start()
        world.turns(3)
        send()
        world.turns(20)
        world.heal_and_drain()
    finally:
        world.end()


def _delete_and_value(world: World) -> None:
    world.delete(0, 3)
    world.produce(0, 1, poison=False)


class IgnoredNotCommitted(Loop):
    """Takes a batch with nothing to write for one with nothing in it."""

    def _read(self, *, wait: bool) -> Batch | None:
        batch = super()._read(wait=wait)
        parts = batch.partitions.values() if batch else ()
        return batch if any(part.operations or part.rejects or not part.ignored for part in parts) else None


class IgnoresWhatIsEmpty(RecordReader):
    """Takes every record that it cannot decode for a tombstone."""

    def read(self, fetched: Fetched) -> Batch:
        batch = super().read(fetched)
        for part in batch.partitions.values():
            part.ignored += len(part.rejects)
            part.rejects.clear()
        return batch


class TombstonesCount(RejectLimit):
    """Counts every reject."""

    def _not_counted_yet(self, partition: TopicPartition, part: PartitionBatch) -> tuple[int, int]:
        super()._not_counted_yet(partition, part)
        return part.size, len(part.rejects)


class CountsTombstones(Loop):
    def run(self) -> None:
        limit = self.reject_limit
        self.reject_limit = TombstonesCount(limit.max_share, limit.min_records)
        super().run()


def _careless_reader(*, ignore_tombstones: bool) -> RecordReader:
    careful = reader(ignore_tombstones=ignore_tombstones)
    return IgnoresWhatIsEmpty(careful._decoder_of) if ignore_tombstones else careful


MUTANTS_OF_TOMBSTONES = {
    "ignored, but not committed": Variant(loop=IgnoredNotCommitted),
    "ignored, although it has a value": Variant(reader=_careless_reader),
}
MUTANT_OF_THE_COUNT = Variant(loop=CountsTombstones)
"""It shows under the reject limit, and nowhere else."""
