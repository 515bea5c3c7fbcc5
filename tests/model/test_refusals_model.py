"""The loop over a database that refuses for no known cause: no good record is blamed, and none is held up for ever."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.model.refusals import MUTANTS, busy, flood_of_refusals, overload
from tests.model.world import World
from tests.support.oracle import BrokenPromiseError

SCHEDULES = 400


def test_hundreds_of_schedules_with_a_database_that_refuses_now_and_then():
    sightings: Counter[str] = Counter()

    for seed in range(SCHEDULES):
        try:
            busy(World(sightings=sightings), seed)
        except Exception as error:
            error.add_note(f"schedule {seed}: tests.model.refusals.busy(World(), {seed}) repeats it")
            raise

    assert {"records refused for no known cause", "dead letters", "commits rebalanced"} <= set(+sightings)


@pytest.mark.parametrize("schedule", [overload, flood_of_refusals])
@pytest.mark.parametrize("late", [False, True])
def test_an_overload_is_waited_for_and_a_flood_of_refusals_is_halted(schedule, late):
    schedule(World(writes_late=late))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_caught(mutant):
    variant, schedule, complaint = MUTANTS[mutant]

    with pytest.raises(BrokenPromiseError, match=complaint):
        schedule(World(variant))
