"""Schedules of a database that refuses documents and does not say why, and the mistakes that they must catch."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.model.schedules import play
from tests.model.world import LEAST_FOR_THE_LIMIT, MOST, PARTITIONS, Variant, World
from tests.support.fakes import PATIENCE_WRITES, FakeSink
from tests.support.oracle import BrokenPromiseError
from workers.pipeline.loop import Loop
from workers.pipeline.reject_limit import RejectLimit
from workers.sinks.refusals import Refusal, Suspects
from workers.types import Batch, Insert, Reject, TopicPartition


def busy(world: World, seed: int) -> None:
    """One schedule of every fault, with a database that is busy now and then, and records that it chokes on."""
    play(world, seed, _refuse)


def _refuse(world: World, chance: random.Random) -> None:
    """Not before a document is stored: where there is none to compare with, records wait for one, as they must."""
    action = chance.random()
    if not world.database.documents:
        world.produce(chance.randrange(PARTITIONS), 1, poison=False)
    elif action < 0.15:
        world.refuse(chance.choice([0, 1, 2, 5, 20, 60]))
    elif action < 0.25:
        partition = chance.randrange(PARTITIONS)
        world.produce(partition, 1, poison=False)
        world.produce_choking(partition)


def overload(world: World) -> None:
    """Nothing is stored for much longer than the patience; then all of it is, and nothing was put aside."""
    try:
        world.start()
        world.turns(3)
        world.produce(0, 2 * MOST, poison=False)
        world.turns(3)
        world.refuse(10_000)
        world.produce(0, 2 * MOST, poison=False)
        world.produce(1, MOST, poison=False)
        world.turns(20 * PATIENCE_WRITES)
        world.heal_and_drain()
    finally:
        world.end()


def flood_of_refusals(world: World) -> None:
    """One partition turns into what the database refuses: it is halted, what was written is committed, the rest stays."""
    world.reject_share = 0.5
    try:
        world.start()
        world.turns(3)
        world.produce(0, 2, poison=False)
        for _ in range(20 * LEAST_FOR_THE_LIMIT):
            world.produce_choking(0)
        world.produce(1, 3 * LEAST_FOR_THE_LIMIT, poison=False)
        world.turns(300)
        seen = world.seen()
        if len(seen.dead_letters) > 2 * LEAST_FOR_THE_LIMIT:
            raise BrokenPromiseError(f"{len(seen.dead_letters)} dead letters, beyond the reject limit")
        if seen.committed.get(0, 0) != len(seen.dead_letters) + 2:
            raise BrokenPromiseError("what was written of a halted partition is not what was committed")
        if seen.committed.get(1) != 3 * LEAST_FOR_THE_LIMIT:
            raise BrokenPromiseError("the other partitions were not read on")
        for worker in list(world.workers):
            world.stop(worker)
        world.reject_share = 1.0
        world.start()
        world.turns(500)
        world.heal_and_drain()
    finally:
        world.end()


class Impatient(FakeSink):
    """Blames a record as soon as it is refused alone."""

    def _judge(self, inserts: list[Insert], suspects: dict[str, Refusal]) -> list[Reject]:
        self._suspects = Suspects(0, lambda: self._database.writes)
        return super()._judge(inserts, suspects)

    def _prove(self, inserts: list[Insert], suspects: dict[str, Refusal]) -> None: ...


class WithoutProof(FakeSink):
    """Waits, and then blames a record although the database takes no other document."""

    def _prove(self, inserts: list[Insert], suspects: dict[str, Refusal]) -> None: ...


class RefusedCountedAsStored(FakeSink):
    """Takes what was refused for written."""

    def _judge(self, inserts: list[Insert], suspects: dict[str, Refusal]) -> list[Reject]:
        return []


class UncountedLimit(RejectLimit):
    """Leaves out what the sink refuses."""

    def count_refused(self, batch: Batch, refused: Mapping[TopicPartition, int]) -> set[TopicPartition]:
        return set()


class RefusedNotCounted(Loop):
    """Counts only what decoding rejects."""

    def run(self) -> None:
        self.reject_limit = UncountedLimit(self.reject_limit.max_share, self.reject_limit.min_records)
        super().run()


class NextBatchDropped(Loop):
    """Leaves out the next batch of a partition that is over the limit, and reads on behind it."""

    def _halt_after_write(self, next_batch: Batch | None) -> Batch | None:
        partitions, self._to_halt = self._to_halt, {}
        batch = next_batch.without(partitions) if next_batch else None
        return batch if batch and batch.partitions else None


class HaltedBeforeTheCommit(Loop):
    """Halts a partition at the batch that was written, without a commit of it."""

    def _halt_after_write(self, next_batch: Batch | None) -> Batch | None:
        self._given_up = getattr(self, "_given_up", set()) | self._to_halt.keys()
        return super()._halt_after_write(next_batch)

    def _commit(self, batch: Batch) -> object:
        return super()._commit(batch.without(getattr(self, "_given_up", set())))


MUTANTS = {
    "blamed at once": (Variant(sink=Impatient), overload, "a good record among the dead letters"),
    "blamed without proof": (Variant(sink=WithoutProof), overload, "a good record among the dead letters"),
    "refused counted as stored": (Variant(sink=RefusedCountedAsStored), overload, "committed, but in no collection"),
    "refused not counted": (Variant(loop=RefusedNotCounted), flood_of_refusals, "beyond the reject limit"),
    "next batch dropped": (Variant(loop=NextBatchDropped), flood_of_refusals, "committed, but in no collection"),
    "halted before the commit": (Variant(loop=HaltedBeforeTheCommit), flood_of_refusals, "not what was committed"),
}
"""Each with the schedule that shows it, and as what."""
