"""Whoever pauses and resumes, and whenever: nothing is lost, and what is paused is not written."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.model.pauses import MUTANTS_OF_PAUSES, a_night, pauses_come_and_go
from tests.model.world import Variant, World
from tests.support.oracle import BrokenPromiseError

SCHEDULES = 400


def test_pauses_that_come_and_go_at_any_time_lose_nothing_and_are_obeyed():
    sightings: Counter[str] = Counter()

    for seed in range(SCHEDULES):
        try:
            pauses_come_and_go(World(sightings=sightings), seed)
        except Exception as error:
            error.add_note(f"schedule {seed}: tests.model.pauses.pauses_come_and_go(World(), {seed}) repeats it")
            raise

    assert sightings["partitions paused"] > SCHEDULES
    assert sightings["pauses ended"] > SCHEDULES


def _play_all(variant: Variant) -> None:
    for seed in range(SCHEDULES):
        pauses_come_and_go(World(variant), seed)


def test_what_arrives_in_a_night_of_kills_is_stored_in_the_morning():
    a_night(World())


@pytest.mark.parametrize("mutant", MUTANTS_OF_PAUSES)
def test_a_mutant_is_caught(mutant):
    variant, complaint = MUTANTS_OF_PAUSES[mutant]

    with pytest.raises(BrokenPromiseError, match=complaint):
        _play_all(variant)
