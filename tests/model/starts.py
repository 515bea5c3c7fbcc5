"""How a group begins a topic: schedules of its first moments, and the mistakes that they must show."""

from __future__ import annotations

import random
from collections.abc import Collection

from tests.model.world import FAILURES, MOST, MOST_PARTITIONS, MOST_WORKERS, PARTITIONS, POINTS, Variant, World
from tests.support.fake_broker import Answer, FakeBroker
from tests.support.fake_start import FakeStart
from tests.support.fakes import FakeSource
from workers.identity import TopicIdentity
from workers.kafka.commit_mark import Commit
from workers.kafka.topic_start import TopicStart
from workers.settings.start import LATEST
from workers.types import Fetched, TopicPartition

MOMENTS = 12


def play_starts(world: World, seed: int) -> None:
    """Workers come, are killed and given up while records arrive and partitions are added: before the first commit, and around it."""
    chance = random.Random(seed)
    world.start_at = LATEST
    try:
        for partition in range(PARTITIONS):
            world.produce(partition, chance.randint(0, 3), poison=False)
        for _ in range(chance.randint(1, MOST_WORKERS)):
            world.start()
        for _ in range(MOMENTS):
            _act(world, chance)
            world.check()
        world.heal_and_drain()
    finally:
        world.end()


def _act(world: World, chance: random.Random) -> None:
    action = chance.random()
    worker = chance.choice(world.workers) if world.workers else None
    if action < 0.3:
        world.produce(chance.randrange(len(world.broker.partitions)), chance.randint(1, 3), poison=False)
    elif action < 0.35 and len(world.broker.partitions) < MOST_PARTITIONS:
        world.add_partition()
    elif action < 0.4:
        world.broker.next_answer = chance.choice(FAILURES)
    elif action < 0.65:
        world.turns(chance.randint(1, 3))
    elif worker is None or (action < 0.75 and len(world.workers) < MOST_WORKERS):
        world.join()
    else:
        world.advance(worker, chance.choice(POINTS[1:]))
        if action >= 0.85:
            chance.choice([world.kill, world.kill, world.evict, world.stop])(worker)


def late_commit(world: World) -> None:
    """The first commit is not answered, and lands after its member has looked once more."""
    world.start_at = LATEST
    try:
        for partition in range(PARTITIONS):
            world.produce(partition, 2, poison=False)
        first, second = world.start(), world.start()
        while first.at != "commit":
            world.advance(second, "poll")
            world.advance(first, "commit")
        late = _Late(world.broker)
        world.broker.next_answer = Answer.NEVER_ARRIVES
        world.advance(first, "hold")
        world.produce(PARTITIONS - 1, 2 * MOST + 1, poison=False)
        while first.at != "commit":
            world.advance(first, "commit")
        late.lands()
        while second.at != "committed":
            world.advance(second, "committed")
        world.advance(first, "committed")
        world.kill(second)
        world.heal_and_drain()
    finally:
        world.end()


class _Late:
    """The commit that comes next, for another time."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker, self._commit = broker, broker.commit
        broker.commit = self._keep  # type: ignore[method-assign]

    def _keep(self, *commit: object) -> Answer:
        self._broker.commit = self._commit  # type: ignore[method-assign]
        self._kept = commit
        return self._commit(*commit)  # type: ignore[arg-type]

    def lands(self) -> None:
        self._commit(*self._kept)  # type: ignore[arg-type]
        # Its member does not know, and commits the same once more: others read what they had committed behind it again.
        self._broker.went_back = dict(self._broker.committed)


class EachOwnerForItself(FakeStart):
    """Every member decides where its own partitions begin, and commits them by itself."""

    def decides(self) -> bool:
        return True

    def to_decide(self) -> Collection[TopicPartition]:
        return self.assigned


class EverybodyDecides(FakeStart):
    """Every member decides for all."""

    def decides(self) -> bool:
        return True


class OthersRead(FakeStart):
    """Who does not decide reads from the beginning meanwhile."""

    def begin(self, topic: TopicIdentity, assigned: Collection[TopicPartition], generation: int) -> None:
        super().begin(topic, assigned, generation)
        if not self.decides():
            self.held = set()


class AlsoOfAddedPartitions(FakeStart):
    """Takes every partition without a commit for one that was there when the group began."""

    def begin(self, topic: TopicIdentity, assigned: Collection[TopicPartition], generation: int) -> None:
        super().begin(topic, assigned, generation)
        self._start.is_begun = False
        self.held = set(assigned) - self.commits().keys()

    def sees(self) -> bool:
        return not self.held - self.commits().keys()

    def decides(self) -> bool:
        return True

    def to_decide(self) -> Collection[TopicPartition]:
        return self.held


class DecidesAgainAfterACrash(FakeStart):
    """Takes a commit behind which nothing was read for none."""

    def sees(self) -> bool:
        self._start.is_begun = self._start.is_begun and bool(self.held)
        return super().sees()

    def commits(self) -> dict[TopicPartition, Commit | None]:
        found = super().commits()
        unread = all(each and each.offset == each.history.left_out.start for each in found.values())
        return {} if unread and not self._start._offered and not self._start._decided else found


class OldDecisionStart(TopicStart):
    def forget(self) -> None:
        self._offered = False


class OffersAnOldDecision(FakeStart):
    """Goes on with what it decided in an earlier generation, although another member decides now."""

    def begin(self, topic: TopicIdentity, assigned: Collection[TopicPartition], generation: int) -> None:
        self._start.__class__ = OldDecisionStart
        super().begin(topic, assigned, generation)


class NewDecisionStart(TopicStart):
    def ended(self, partition: TopicPartition, offset: int) -> bool:
        if ended := super().ended(partition, offset):
            self._generation = None
        return ended


class DecidesAgainAfterATimeout(FakeStart):
    """Takes a commit that was not answered for one that will never arrive."""

    def begin(self, topic: TopicIdentity, assigned: Collection[TopicPartition], generation: int) -> None:
        self._start.__class__ = NewDecisionStart
        super().begin(topic, assigned, generation)


class CommitsAfterReading(FakeSource):
    """Reads from where it begins, and commits that with the first batch."""

    def _fetch(self, most: int) -> Fetched | None:
        if self.starts.held and not self.starts.sees() and self.starts.decides():
            self.starts.look()
            self._skipped |= self.starts.take()
            for partition in self.starts.held:
                self._begin_partition(partition)
                self._positions[partition] = self._skipped[partition]
                self._histories[partition] = self.starts.history(partition)
            self.starts.held = set()
        return super()._fetch(most)


def _source(starts: type[FakeStart]) -> Variant:
    return Variant(source=type(starts.__name__, (FakeSource,), {"start_type": starts}))


MUTANTS_OF_STARTS = {
    "each owner decides for itself": _source(EachOwnerForItself),
    "every member decides for all": _source(EverybodyDecides),
    "others read from the beginning": _source(OthersRead),
    "start applied to added partitions": _source(AlsoOfAddedPartitions),
    "start committed after reading": Variant(source=CommitsAfterReading),
    "start decided again after a crash": _source(DecidesAgainAfterACrash),
    "decision of an earlier generation": _source(OffersAnOldDecision),
}
MUTANT_OF_A_LATE_COMMIT = _source(DecidesAgainAfterATimeout)
"""It shows where a commit that was not answered lands after all, and nowhere else."""
