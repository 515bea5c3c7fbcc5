"""The loop over a sink that cannot take the records of one partition: nothing of it is committed, and the others go on."""

from __future__ import annotations

import pytest

from tests.model.not_written import MUTANTS, closed_collection, reopened_at_once
from tests.model.world import World
from tests.support.oracle import BrokenPromiseError


@pytest.mark.parametrize("late", [False, True])
def test_only_what_cannot_be_written_waits_for_a_restart(late: bool) -> None:
    closed_collection(World(writes_late=late))


def test_a_collection_that_can_be_used_again_at_once_is_not_written_behind_what_is_missing() -> None:
    reopened_at_once(World())


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_caught(mutant: str) -> None:
    variant, schedule, complaint = MUTANTS[mutant]

    with pytest.raises(BrokenPromiseError, match=complaint):
        schedule(World(variant))
