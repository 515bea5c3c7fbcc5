"""Pauses that come and go while workers are killed and partitions move; and the mistakes they must show."""

from __future__ import annotations

import random

from tests.model.schedules import play
from tests.model.world import MOST, Variant, World
from tests.support.fakes import FakeSource
from tests.support.oracle import BrokenPromiseError
from workers.types import Fetched, TopicPartition

PAUSES = 0.25
"""Before so many of the actions somebody pauses or resumes something."""


def pauses_come_and_go(world: World, seed: int) -> None:
    """The schedules of the model, with a pause or its end at any time."""
    play(world, seed, before=_pause_or_resume)


def a_night(world: World) -> None:
    """Everything is paused under load; workers are killed and started meanwhile; all is stored when it is resumed."""
    try:
        for _ in range(2):
            world.start()
        world.turns(3)
        for partition in range(3):
            world.produce(partition, 3 * MOST, poison=False)
        world.turns(2)
        world.pause(None)
        world.turns(4)
        before = dict(world.seen().committed)
        world.kill(world.workers[0])
        world.join()
        for partition in range(3):
            world.produce(partition, 2 * MOST, poison=False)
        world.turns(12)
        if world.seen().committed != before:
            raise BrokenPromiseError(f"committed {world.seen().committed} in a pause that began at {before}")
        world.resume()
        world.heal_and_drain()
    finally:
        world.end()


def _pause_or_resume(world: World, chance: random.Random) -> None:
    if chance.random() < PAUSES:
        if world.pauses.all and chance.random() < 0.5:
            world.resume()
        else:
            world.pause(chance.choice([None, 0, 1, 2]))


class PausedSkipped(FakeSource):
    """Commits past what it does not read: takes a pause for an order to leave records out."""

    def _fetch(self, most: int) -> Fetched | None:
        fetched = super()._fetch(most)
        for partition in self._paused:
            self._positions[partition] = self._broker.partitions[partition.partition].end
        return fetched


class DroppedByAPause(FakeSource):
    """Drops what it has fetched of a partition when that is paused, and does not go back to it."""

    def _fetch(self, most: int) -> Fetched | None:
        paused, self._paused = self._paused, {}
        fetched = super()._fetch(most)
        self._paused = paused
        if fetched is None:
            return None
        left = {partition: records for partition, records in fetched.records.items() if partition not in paused}
        return fetched._replace(records=left) if left or fetched.skipped else None


class ResumedBehind(FakeSource):
    """Goes on one record behind where it was: at the position of a fetch that was thrown away."""

    def _apply_pauses(self, *, anew: bool = False) -> None:
        before = self._paused
        super()._apply_pauses(anew=anew)
        for partition in before.keys() - self._paused.keys():
            log = self._broker.partitions[partition.partition]
            if self._positions.get(partition, log.end) < log.end:
                self._positions[partition] += 1


class PauseForgotten(FakeSource):
    """Obeys a pause until partitions are assigned anew, as the client by itself does."""

    def _begin(self, positions: dict[TopicPartition, int]) -> None:
        super()._begin(positions)
        self._forgets = True

    def _is_read(self, partition: TopicPartition) -> bool:
        return partition not in self._halted and (partition not in self._paused or getattr(self, "_forgets", False))


class TooEarly(FakeSource):
    """Says that nothing of a partition is in flight as soon as it is paused."""

    def _apply_pauses(self, *, anew: bool = False) -> None:
        super()._apply_pauses(anew=anew)
        self._settling = False
        self._observer.paused(self._paused)


MUTANTS_OF_PAUSES = {
    "paused, but committed past": (Variant(source=PausedSkipped), "committed, but in no collection"),
    "fetched records dropped by a pause": (Variant(source=DroppedByAPause), "committed, but in no collection"),
    "resumed at a wrong offset": (Variant(source=ResumedBehind), "committed, but in no collection"),
    "pause forgotten over a rebalance": (Variant(source=PauseForgotten), "a paused partition was written"),
    "paused while a batch is in flight": (Variant(source=TooEarly), "a paused partition was written"),
}
