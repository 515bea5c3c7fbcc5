"""The plan of a drill."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workers.drill.faults import CALM_SECONDS, KINDS, MORE_KINDS, NOTICE_SECONDS, plan

SEEDS = st.integers(0, 10**6)
SECONDS = st.floats(5, 120)


@given(SEEDS, SECONDS)
def test_the_same_seed_gives_the_same_plan(seed, seconds):
    assert plan(seconds, seed, 4, 10, embedded=True) == plan(seconds, seed, 4, 10, embedded=True)


def test_another_seed_gives_another_plan():
    assert len({tuple(plan(60, seed, 4, 10, embedded=True)) for seed in range(50)}) == 50


@given(SEEDS, SECONDS, st.integers(1, 8))
def test_faults_are_in_order_within_the_time_and_of_slots_that_exist(seed, seconds, slots):
    faults = plan(seconds, seed, slots, 10, embedded=True)

    times = [fault.at for fault in faults]
    assert times == sorted(times)
    assert all(CALM_SECONDS <= at < seconds - 1 for at in times)
    assert {fault.slot for fault in faults} <= set(range(slots))
    assert {fault.kind for fault in faults} <= set(KINDS)


@given(SEEDS, SECONDS)
def test_what_only_a_writing_fleet_feels_is_done_to_one(seed, seconds):
    calm_at = 0.0
    for fault in plan(seconds, seed, 4, 10, embedded=True):
        assert fault.at >= calm_at or not KINDS[fault.kind].needs_calm
        calm_at = max(calm_at, fault.at + KINDS[fault.kind].settles)


@given(SEEDS, SECONDS)
def test_the_fleet_has_time_to_notice_that_the_database_is_away(seed, seconds):
    for fault, following in pairwise(plan(seconds, seed, 4, 10, embedded=True)):
        assert fault.kind != "kill the database" or following.at >= fault.at + NOTICE_SECONDS


@given(SEEDS)
def test_one_worker_stands_still_for_longer_than_kafka_believes_in_it_where_there_is_time(seed):
    long = [fault for fault in plan(60, seed, 4, 10, embedded=True) if fault.lasts > 10]
    short = [fault for fault in plan(25, seed, 4, 10, embedded=True) if fault.lasts > 10]

    assert [fault.kind for fault in long] == ["stop and continue a worker"]
    assert long[0].lasts >= 15
    assert short == []


@given(SEEDS)
def test_servers_that_are_not_the_embedded_ones_are_left_alone(seed):
    assert not any(KINDS[fault.kind].needs_stack for fault in plan(120, seed, 4, 10, embedded=False))


@given(SEEDS)
def test_every_kind_of_fault_comes_up_in_a_drill_of_a_minute(seed):
    assert {fault.kind for fault in plan(60, seed, 4, 10, embedded=True)} == set(KINDS)


@given(SEEDS)
def test_every_kind_old_and_new_comes_up_in_a_drill_of_some_minutes(seed):
    kinds = KINDS | MORE_KINDS

    assert {fault.kind for fault in plan(150, seed, 4, 10, embedded=True, all_kinds=kinds)} == set(kinds)
    away = plan(150, seed, 4, 10, embedded=False, all_kinds=kinds)
    assert not any(kinds[fault.kind].needs_stack for fault in away)
