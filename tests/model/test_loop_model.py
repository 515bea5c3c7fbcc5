"""The real loop over a fake source and a fake store: whatever fails, nothing is lost and nothing is there twice."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import LoopMachine
from tests.model.schedules import first_batch_again, flood, late_write, owners_behind_a_cut, play, twins
from tests.model.starts import late_commit, play_starts
from tests.model.tombstones import deletes, outage_over_rejects
from tests.model.world import World

SCHEDULES = 2_000
TRUNCATED = 400
"""Schedules in which every fifth action truncates a log."""
STARTS = 300
"""Schedules of the first moments of a group with `start = latest`."""
MUST_HAVE_HAPPENED = {
    "commits error",
    "commits ok",
    "commits rebalanced",
    "commits timeout",
    "dead letters",
    "evicted at commit",
    "evicted at dead letters",
    "evicted at half",
    "evicted at write",
    "killed at commit",
    "killed at committed",
    "killed at dead letters",
    "killed at half",
    "killed at write",
    "killed at written",
    "logs truncated",
    "partitions added",
    "partitions assigned",
    "partitions lost",
    "partitions revoked",
    "records redelivered",
    "records before the start",
    "records lost to retention",
    "records stored",
    "stored beside replaced records",
    "tombstones ignored",
    "writes retried",
}


def test_every_record_ends_as_exactly_one_document_or_dead_letter():
    """Hypothesis searches for a schedule that breaks the promise, and would shrink it to a few lines."""
    run_state_machine_as_test(
        LoopMachine, settings=settings(stateful_step_count=30, max_examples=2 * settings().max_examples)
    )


def test_thousands_of_schedules_and_every_fault_did_bite():
    sightings: Counter[str] = Counter()

    for seed in range(SCHEDULES):
        try:
            play(World(sightings=sightings), seed, starts=seed % 3 == 0)
        except Exception as error:
            error.add_note(
                f"schedule {seed}: tests.model.schedules.play(World(), {seed}, starts={seed % 3 == 0}) repeats it"
            )
            raise

    assert set() == MUST_HAVE_HAPPENED - set(+sightings), sightings


def test_logs_that_are_truncated_again_and_again():
    for seed in range(TRUNCATED):
        play(World(), seed, truncations=0.2)


def test_a_flood_of_poison_is_stopped_and_comes_out_whole_when_the_limit_is_raised():
    flood(World())


@pytest.mark.parametrize("ignored", [False, True])
def test_a_topic_of_deletes_is_read_to_its_end_whatever_becomes_of_its_tombstones(ignored):
    deletes(World(ignores_tombstones=ignored))


def test_a_few_rejects_that_an_outage_has_redelivered_often_are_a_few():
    outage_over_rejects(World())


def test_a_second_record_that_a_unique_index_refuses_is_a_dead_letter():
    twins(World())


@pytest.mark.parametrize("meets_a_dead_letter", [False, True])
def test_what_a_late_writer_stored_of_another_log_makes_no_good_record_a_dead_letter(meets_a_dead_letter):
    late_write(World(), meets_a_dead_letter=meets_a_dead_letter)


def test_what_follows_a_cut_may_be_read_by_many_owners():
    owners_behind_a_cut(World())


def test_a_topic_that_is_begun_at_its_end_leaves_out_what_was_there_before_and_nothing_else():
    for seed in range(STARTS):
        play_starts(World(), seed)


def test_a_start_whose_commit_arrives_late_loses_nothing():
    late_commit(World())


def test_a_log_that_is_lost_before_its_first_batch_is_read_again_is_read_from_its_start():
    first_batch_again(World())
