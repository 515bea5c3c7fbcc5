"""The plan of a drill, and when a drill is void: a fault that had no effect proves nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.drill.chaos import Drill
from workers.drill.faults import CALM_SECONDS, KINDS, NOTICE_SECONDS, plan
from workers.drill.report import DrillReport
from workers.settings import load
from workers.settings.paths import StatePaths
from workers.verification.report import PartitionReport, VerifyReport

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


class Watched:
    """What the workers' metrics said."""

    def __init__(self, redelivered: int = 5, rebalances: int = 5, retries: int = 5) -> None:
        self.redelivered, self.rebalances, self.retries, self.longest_pause = redelivered, rebalances, retries, 1.25


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Judge a drill with these faults, this watch, and this account of its one partition."""

    def judge(faults: dict[str, int], watched: Watched | None = None, gone: int = 0, **counts: int) -> DrillReport:
        drill = Drill(load(), StatePaths(Path()), 7, lambda _line: None, embedded=True)
        account = PartitionReport(0)
        account.counts.update(counts)
        monkeypatch.setattr(
            "workers.drill.chaos.verify", lambda _settings: VerifyReport("numtest", "counters", [account], 0)
        )
        monkeypatch.setattr(drill, "_missing_from_kafka", lambda _acknowledged, _ends: gone)
        drill._report.faults = faults
        drill._evaluate(watched or Watched(), {}, {})
        return drill._report

    return judge


def test_a_drill_in_which_everything_bit_and_nothing_is_wrong_has_passed(judged):
    report = judged({"kill a worker": 3, "kill the database": 1}, stored=100)

    assert (report.passed, report.void, report.stored, report.longest_pause) == (True, [], 100, 1.2)


@pytest.mark.parametrize(
    ("faults", "watched", "word"),
    [
        ({}, Watched(), "no fault"),
        ({"kill a worker": 1}, Watched(redelivered=0), "redelivered"),
        ({"kill all workers": 1}, Watched(rebalances=0), "no rebalance"),
        ({"kill the database": 1}, Watched(retries=0), "no worker had to retry"),
    ],
)
def test_a_drill_in_which_a_fault_had_no_effect_is_void(judged, faults, watched, word):
    report = judged(faults, watched, stored=100)

    assert not report.passed
    assert any(word in line for line in report.void)
    assert (report.lost, report.twice, report.unexplained) == (0, 0, 0)


@pytest.mark.parametrize(
    ("counts", "lost", "twice", "unexplained"),
    [
        ({"missing": 2}, 2, 0, 0),
        ({"gone": 3}, 3, 0, 0),
        ({"twice": 1}, 0, 1, 0),
        ({"conflicting": 1, "unexpected": 2, "pending": 4}, 0, 0, 7),
    ],
)
def test_what_is_wrong_fails_the_drill(judged, counts, lost, twice, unexplained):
    report = judged({"kill a worker": 1}, stored=100, **counts)

    assert not report.passed
    assert (report.lost, report.twice, report.unexplained) == (lost, twice, unexplained)
