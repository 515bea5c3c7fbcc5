"""The schedules: Hypothesis chooses which worker moves, what fails and when, and shrinks what breaks the promise."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model.world import FAILURES, MOST_PARTITIONS, MOST_WORKERS, PARTITIONS, POINTS, FakeWorker, Variant, World
from tests.support.fake_broker import Answer
from workers.settings.start import LATEST

PARTITION = st.integers(0, PARTITIONS - 1)
WHICH = st.integers(0, 5)
POINT = st.sampled_from(POINTS)


class LoopMachine(RuleBasedStateMachine):
    """Subclasses name the variant that is under test."""

    variant = Variant()
    sightings: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.variant, self.sightings)

    def _worker(self, which: int) -> FakeWorker:
        return self.world.workers[which % len(self.world.workers)]

    @initialize(
        count=st.integers(1, 2),
        records=st.lists(st.integers(0, 6), min_size=PARTITIONS, max_size=PARTITIONS),
        ignores_tombstones=st.booleans(),
        leaves_out=st.booleans(),
    )
    def begin(self, count: int, records: list[int], ignores_tombstones: bool, leaves_out: bool) -> None:
        self.world.ignores_tombstones = ignores_tombstones
        if leaves_out:
            self.world.start_at = LATEST
        for _ in range(count):
            self.world.start()
        if not leaves_out:
            self.world.turns(3)
        for partition, number in enumerate(records):
            self.world.produce(partition, number, poison=False)

    @rule(partition=PARTITION, count=st.integers(1, 4), poison=st.booleans())
    def produce(self, partition: int, count: int, poison: bool) -> None:
        self.world.produce(partition, count, poison)

    @rule(partition=PARTITION, count=st.integers(1, 6))
    def delete(self, partition: int, count: int) -> None:
        self.world.delete(partition, count)

    @rule(partition=PARTITION, records=st.integers(0, 4))
    def leave_a_gap(self, partition: int, records: int) -> None:
        """Offsets without a record: a transaction's marker at the end, or retention at the beginning."""
        if records:
            self.world.expire(partition, records)
        else:
            self.world.broker.append_gap(partition)

    @rule(partition=PARTITION, records=st.integers(0, 6))
    def elect_a_leader(self, partition: int, records: int) -> None:
        """Of a replica that lacks the last records, or has them all."""
        if records:
            self.world.truncate(partition, records)
        else:
            self.world.broker.elect(partition)

    @precondition(lambda self: len(self.world.broker.partitions) < MOST_PARTITIONS)
    @rule()
    def add_partition(self) -> None:
        self.world.add_partition()
        self.world.produce(len(self.world.broker.partitions) - 1, 2, poison=False)

    @rule(rounds=st.integers(1, 3))
    def turns(self, rounds: int) -> None:
        """Everybody turns; after three rounds a rebalance under way is over."""
        self.world.turns(rounds)

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH, point=POINT)
    def advance(self, which: int, point: str) -> None:
        """One worker goes on alone, and stands still before this step, with whatever it has in hand."""
        self.world.advance(self._worker(which), point)

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH, point=POINT)
    def kill(self, which: int, point: str) -> None:
        self.advance(which, point)
        self.world.kill(self._worker(which))

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH, point=POINT)
    def evict(self, which: int, point: str) -> None:
        """It was silent for too long at this step. It does not know, and goes on later."""
        self.advance(which, point)
        self.world.evict(self._worker(which))

    @precondition(lambda self: self.world.workers)
    @rule(which=WHICH)
    def stop(self, which: int) -> None:
        self.world.stop(self._worker(which))

    @precondition(lambda self: self.world.ghosts or len(self.world.workers) < MOST_WORKERS)
    @rule()
    def join(self) -> None:
        """A process starts; where one was killed it first evicts that one from the group."""
        self.world.join()

    @rule(writes=st.none() | st.integers(0, 6))
    def break_the_database(self, writes: int | None) -> None:
        """It goes away after so many writes; None: it is back."""
        self.world.break_the_database(writes)

    @rule(documents=st.integers(0, 40))
    def refuse(self, documents: int) -> None:
        """The database is busy for so many documents, and does not say that it is."""
        self.world.refuse(documents)

    @precondition(lambda self: self.world.database.documents)
    @rule(partition=PARTITION)
    def produce_choking(self, partition: int) -> None:
        """A record that the database refuses, and a neighbour of it."""
        self.world.produce(partition, 1, poison=False)
        self.world.produce_choking(partition)

    @rule(partition=st.none() | PARTITION)
    def pause(self, partition: int | None) -> None:
        """Somebody pauses a partition, or everything, while workers stand anywhere."""
        self.world.pause(partition)

    @rule()
    def resume(self) -> None:
        self.world.resume()

    @rule(late=st.booleans())
    def write_late(self, late: bool) -> None:
        """The database is slow, or quick: a batch is written after the next poll, or before it."""
        self.world.writes_late = late

    @rule(answer=st.sampled_from(FAILURES))
    def fail_the_next_commit(self, answer: Answer) -> None:
        self.world.broker.next_answer = answer

    @invariant()
    def nothing_lost_nothing_twice(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.heal_and_drain()
        finally:
            self.world.end()
