"""`until` is never later than what is proven, whatever clocks and logs do."""

from __future__ import annotations

from tests.support.batches import tp
from workers.auditor import horizon
from workers.auditor.horizon import Horizon


def test_it_moves_when_everything_that_was_there_is_passed():
    seen = Horizon()
    seen.saw(10.0, {tp(0): 5, tp(1): 3})
    assert seen.reach({tp(0): 5, tp(1): 2}) is None, "one record of one partition is left"

    seen.saw(12.0, {tp(0): 9, tp(1): 4})
    assert seen.reach({tp(0): 5, tp(1): 3}) == 10.0
    assert seen.reach({tp(0): 8, tp(1): 4}) == 10.0
    assert seen.reach({tp(0): 9, tp(1): 4}) == 12.0


def test_it_keeps_what_was_reached_before():
    assert Horizon(7.0).reach({}) == 7.0


def test_a_partition_that_was_added_later_counts_from_then_on():
    seen = Horizon()
    seen.saw(10.0, {tp(0): 5})
    seen.saw(12.0, {tp(0): 5, tp(1): 1})

    assert seen.reach({tp(0): 5}) == 10.0
    assert seen.reach({tp(0): 5, tp(1): 1}) == 12.0


def test_a_clock_that_is_set_back_takes_the_time_back():
    seen = Horizon()
    seen.saw(1_000.0, {tp(0): 5})
    seen.reach({tp(0): 5})
    seen.saw(1_002.0, {tp(0): 6})

    seen.saw(100.0, {tp(0): 7})
    assert seen.reach({tp(0): 5}) == 100.0, "what comes now may have any time from 100 on"
    assert seen.reach({tp(0): 6}) == 100.0
    assert seen.reach({tp(0): 7}) == 100.0


def test_a_log_that_was_truncated_is_passed_at_its_new_end():
    seen = Horizon()
    seen.saw(10.0, {tp(0): 50, tp(1): 3})
    seen.saw(12.0, {tp(0): 20, tp(1): 3})

    assert seen.reach({tp(0): 20, tp(1): 3}) == 12.0


def test_what_it_remembers_is_bounded_and_forgetting_only_makes_it_slower(monkeypatch):
    monkeypatch.setattr(horizon, "MOST", 10)
    seen = Horizon()
    for second in range(100):
        seen.saw(float(second), {tp(0): second})

    assert len(seen._seen) <= 10
    for offset in range(100):
        until = seen.reach({tp(0): offset})
        assert until is None or until <= offset
    assert seen.until == 99.0
