"""The checker is checked: every known mistake is caught, for its own reason, within the first schedules."""

from __future__ import annotations

import re

import pytest

from tests.model.mutants import (
    MUTANT_OF_A_LATE_WRITE,
    MUTANT_OF_OWNERS,
    MUTANT_OF_THE_INDEX,
    MUTANTS,
    MUTANTS_OF_THE_LIMIT,
    MUTANTS_OF_TRUNCATION,
)
from tests.model.schedules import flood, late_write, owners_behind_a_cut, play, twins
from tests.model.starts import MUTANT_OF_A_LATE_COMMIT, MUTANTS_OF_STARTS, late_commit, play_starts
from tests.model.tombstones import MUTANT_OF_THE_COUNT, MUTANTS_OF_TOMBSTONES, deletes, outage_over_rejects
from tests.model.world import Variant, World
from tests.support.oracle import BrokenPromiseError

SCHEDULES = 400
CAUGHT_AS = {
    "commit before write": "committed, but in no collection",
    "commit offset instead of offset + 1": "partitions committed short of their end",
    "batch in flight committed for the one before": "committed, but in no collection",
    "batch skipped on a write error": "committed, but in no collection",
    "batch read ahead forgotten on a write error": "committed, but in no collection",
    "batch committed in another assignment": "then",
    "positions kept over a rebalance": "partitions committed short of their end",
    "loss without records behind it not committed": "losses that would be told again",
    "truncated log not noticed": "never arrived|committed short of their end",
    "offsets used twice not known": "a good record among the dead letters",
    "stale commit retried after another poll": "then",
    "random _id": "stored, but never sent",
    "dead letters dropped": "committed, but in no collection",
    "ordered bulk that drops the tail": "committed, but in no collection",
    "unacknowledged write counted as written": "committed, but in no collection",
    "content of a document not kept": "stored with another content",
    "ignored, but not committed": "partitions committed short of their end",
    "ignored, although it has a value": "committed, but in no collection",
    "reject limit swallowed": "beyond the reject limit",
    "halted partition read on": "committed, but in no collection",
}


def first_complaint(variant: Variant, truncations: float = 0.0) -> str | None:
    for seed in range(SCHEDULES):
        try:
            play(World(variant), seed, truncations=truncations)
        except BrokenPromiseError as broken:
            return f"{broken} (schedule {seed})"
    return None


@pytest.mark.parametrize("mutant", [*MUTANTS, *MUTANTS_OF_TOMBSTONES])
def test_a_mutant_is_caught(mutant):
    complaint = first_complaint((MUTANTS | MUTANTS_OF_TOMBSTONES)[mutant])

    assert complaint is not None
    assert re.search(CAUGHT_AS[mutant], complaint)


@pytest.mark.parametrize("mutant", MUTANTS_OF_TRUNCATION)
def test_a_mutant_of_what_is_known_of_truncated_logs_is_caught(mutant):
    complaint = first_complaint(MUTANTS_OF_TRUNCATION[mutant], truncations=0.2)

    assert complaint is not None
    assert re.search(CAUGHT_AS[mutant], complaint)


@pytest.mark.parametrize("mutant", MUTANTS_OF_STARTS)
def test_a_mutant_of_how_a_topic_is_begun_is_caught(mutant):
    def play_all() -> None:
        for seed in range(SCHEDULES):
            play_starts(World(MUTANTS_OF_STARTS[mutant]), seed)

    with pytest.raises(BrokenPromiseError, match=r"committed, but in no collection|before the start"):
        play_all()


def test_the_mutant_that_decides_again_while_a_commit_may_still_arrive_is_caught():
    with pytest.raises(BrokenPromiseError, match="committed, but in no collection"):
        late_commit(World(MUTANT_OF_A_LATE_COMMIT))


@pytest.mark.parametrize("mutant", MUTANTS_OF_THE_LIMIT)
def test_a_mutant_of_the_reject_limit_is_caught(mutant):
    with pytest.raises(BrokenPromiseError, match=CAUGHT_AS[mutant]):
        flood(World(MUTANTS_OF_THE_LIMIT[mutant]))


def test_the_mutant_that_does_not_commit_which_offsets_were_used_twice_is_caught():
    with pytest.raises(BrokenPromiseError, match="a good record among the dead letters"):
        owners_behind_a_cut(World(MUTANT_OF_OWNERS))


def test_the_mutant_that_does_not_commit_what_is_still_to_be_compared_is_caught():
    with pytest.raises(BrokenPromiseError, match="a good record among the dead letters"):
        late_write(World(MUTANT_OF_A_LATE_WRITE), meets_a_dead_letter=False)


def test_the_mutant_that_counts_a_duplicate_on_another_index_as_stored_is_caught():
    with pytest.raises(BrokenPromiseError, match="committed, but in no collection"):
        twins(World(MUTANT_OF_THE_INDEX))


@pytest.mark.parametrize("schedule", [deletes, outage_over_rejects])
def test_a_reject_limit_that_counts_tombstones_and_redelivered_rejects_is_caught(schedule):
    with pytest.raises(BrokenPromiseError, match=r"never arrived|committed short"):
        schedule(World(MUTANT_OF_THE_COUNT))
