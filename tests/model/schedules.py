"""Schedules by seed: the same actions as the machine's, cheap enough for thousands of them. One seed, one run."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.model.world import (
    FAILURES,
    LEAST_FOR_THE_LIMIT,
    MOST,
    MOST_PARTITIONS,
    MOST_WORKERS,
    PARTITIONS,
    POINTS,
    World,
)
from tests.support.fake_broker import Answer
from tests.support.oracle import BrokenPromiseError, Sent
from workers.settings.start import LATEST

ACTIONS = 30


def play(
    world: World,
    seed: int,
    before: Callable[[World, random.Random], None] | None = None,
    truncations: float = 0.0,
    *,
    starts: bool = False,
) -> None:
    """Run one schedule to its end; raises what broke the promise.

    Args:
        before: acts before each action.
        truncations: the share of them among the actions.
        starts: with `start = latest`, and a topic that may grow.
    """
    chance = random.Random(seed)
    try:
        world.writes_late = chance.random() < 0.5
        if starts:
            # Records that were there before the group; some workers may be killed before the first commit.
            world.start_at = LATEST
            for partition in range(PARTITIONS):
                world.produce(partition, chance.randint(0, 3), poison=False)
        # Half of them have poison, the others poison in one partition, and tombstones in its place in the rest.
        world.ignores_tombstones = seed % 2 == 0
        for _ in range(chance.randint(1, 2)):
            world.start()
        if world.start_at != LATEST or chance.random() < 0.3:
            world.turns(3)
        for _ in range(ACTIONS):
            if before:
                before(world, chance)
            if truncations and chance.random() < truncations:
                world.truncate(chance.randrange(PARTITIONS), chance.randint(1, 8))
            _act(world, chance)
            world.check()
        world.heal_and_drain()
    finally:
        world.end()


def flood(world: World) -> None:
    """One partition turns into poison and is stopped where it stands; with the limit raised, all of it is put aside."""
    world.reject_share = 0.5
    try:
        world.start()
        world.turns(3)
        world.produce(0, 2, poison=False)
        world.produce(0, 20 * LEAST_FOR_THE_LIMIT, poison=True)
        world.produce(0, 4 * LEAST_FOR_THE_LIMIT, poison=False)
        world.produce(1, 3 * LEAST_FOR_THE_LIMIT, poison=False)
        world.turns(120)
        seen = world.seen()
        if len(seen.dead_letters) > LEAST_FOR_THE_LIMIT:
            raise BrokenPromiseError(f"{len(seen.dead_letters)} dead letters, beyond the reject limit")
        if seen.committed.get(0, 0) > LEAST_FOR_THE_LIMIT:
            raise BrokenPromiseError("a stopped partition was committed further")
        if seen.committed.get(1) != 3 * LEAST_FOR_THE_LIMIT:
            raise BrokenPromiseError("the other partitions were not read on")
        for worker in list(world.workers):
            world.stop(worker)
        world.reject_share = 1.0
        world.heal_and_drain()
    finally:
        world.end()


def twins(world: World) -> None:
    """The user's unique index takes a number once: the second record of that number is a dead letter."""
    world.database.unique_field = "number"
    try:
        world.start()
        world.turns(3)
        world.produce(0, 3, poison=False)
        world.turns(3)
        twin = world.broker.append(1, b'{"number": 0}')
        world.oracle.acknowledged(Sent(1, twin.offset, twin.value, poison=True))
        world.turns(3)
        world.heal_and_drain()
    finally:
        world.end()


def owners_behind_a_cut(world: World) -> None:
    """A log loses more than two batches; what follows at these offsets is read by one owner after the other."""
    try:
        world.start()
        world.turns(3)
        world.produce(0, 5 * MOST, poison=False)
        world.turns(12)
        world.truncate(0, 4 * MOST)
        # So that no number is sent a second time.
        world.produce(1, 5 * MOST, poison=False)
        for _ in range(4):
            world.produce(0, MOST, poison=False)
            world.turns(6)
            for worker in list(world.workers):
                world.stop(worker)
            world.start()
        world.heal_and_drain()
    finally:
        world.end()


def first_batch_again(world: World) -> None:
    """A log that begins with a gap is lost as a whole while a worker is about to read its first batch once more."""
    try:
        world.broker.append_gap(0)
        world.start()
        world.turns(3)
        world.produce(0, 3, poison=False)
        world.broker.next_answer = Answer.LOST
        while world.workers[0].at != "hold":
            world.advance(world.workers[0], "hold")
        world.truncate(0, 4)
        world.produce(0, 5, poison=False)
        world.heal_and_drain()
    finally:
        world.end()


def late_write(world: World, *, meets_a_dead_letter: bool) -> None:
    """A worker that the group gave up stores records which the log has lost; their successors are read by two owners."""
    try:
        world.start()
        world.turns(3)
        world.produce(0, 1, poison=False)
        world.turns(3)
        if meets_a_dead_letter:
            world.produce(0, 1, poison=False)
        else:
            world.broker.append_gap(0)
        world.produce(0, 1, poison=False)
        (late,) = world.workers
        world.advance(late, "write")
        world.evict(late)
        world.truncate(0, 2)
        world.turns(4)
        world.produce(0, 1, poison=meets_a_dead_letter)
        world.turns(4)
        world.stop(late)
        world.start()
        world.turns(3)
        world.produce(0, 1, poison=False)
        world.heal_and_drain()
    finally:
        world.end()


def _act(world: World, chance: random.Random) -> None:
    partition, point = chance.randrange(len(world.broker.partitions)), chance.choice(POINTS[1:])
    worker = chance.choice(world.workers) if world.workers else None
    action = chance.random()
    if action < 0.25:
        count, poison = chance.randint(1, 4), chance.random() < 0.25
        if poison and partition and world.ignores_tombstones:
            world.delete(partition, count)
        else:
            world.produce(partition, count, poison)
    elif action < 0.27:
        world.broker.append_gap(partition)
    elif action < 0.30:
        world.truncate(partition, chance.randint(0, 8))
    elif action < 0.31:
        if world.start_at == LATEST and len(world.broker.partitions) < MOST_PARTITIONS and chance.random() < 0.5:
            world.add_partition()
        else:
            world.broker.elect(partition)
    elif action < 0.32:
        world.pause(chance.choice([None, partition]))
    elif action < 0.34:
        world.resume()
    elif action < 0.36:
        world.expire(partition, chance.randint(1, 8))
    elif action < 0.45:
        world.turns(chance.randint(1, 3))
    elif action < 0.52:
        world.break_the_database(chance.choice([None, None, 0, 1, 2, 3, 5]))
    elif action < 0.55:
        world.writes_late = not world.writes_late
    elif action < 0.62:
        world.broker.next_answer = chance.choice(FAILURES)
    elif worker is None or (action < 0.73 and len(world.workers) < MOST_WORKERS):
        world.join()
    elif action < 0.85:
        world.advance(worker, point)
    else:
        world.advance(worker, point)
        end = chance.choice([world.kill, world.evict, world.evict, world.stop])
        end(worker)
