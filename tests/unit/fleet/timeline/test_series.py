"""Figures by the second for ten minutes, and coarser for a day, in memory that does not grow."""

from __future__ import annotations

import pytest

from workers.fleet.timeline.series import Series


def filled(seconds: int) -> Series:
    series = Series(0.0)
    for second in range(seconds):
        series.advance(second + 1.0)
        series.spread("stored", second % 7, float(second), second + 1.0)
        series.put("waiting", second, float(second))
    return series


def test_ten_minutes_by_the_second_and_a_day_by_two_minutes():
    series = filled(90_000)
    interval, times, values = series.told(600, 90_000.5)
    assert (interval, len(times), times[-1]) == (1.0, 600, 90_000.0)
    assert values["stored"] == [(second - 1) % 7 for second in range(89_401, 90_001)]
    assert values["sent"] == [None] * 600

    interval, times, values = series.told(86_400, 90_000.5)
    assert (interval, len(times)) == (120.0, 720)
    assert all(value == pytest.approx(3, abs=0.1) for value in values["stored"])
    assert values["waiting"] == [time - 1 for time in times], "the most, not the mean"


def test_an_hour_has_no_seam_between_what_is_added_up_and_what_is_not():
    interval, times, values = filled(5_000).told(3_600, 5_000.5)

    assert (interval, len(times)) == (10.0, 360)
    assert values["waiting"] == [time - 1 for time in times]


def test_an_amount_is_spread_evenly_and_nothing_of_it_is_lost():
    series = Series(0.0)
    series.advance(10.0)
    series.spread("sent", 100, 2.5, 7.5)
    series.spread("sent", 7, 5.2, 5.3)

    values = series.told(60, 10.0)[2]["sent"]
    assert values[-10:] == [None, None, 10.0, 20.0, 20.0, 27.0, 20.0, 10.0, None, None]
    series.spread("stored", 0, 3.0, 4.0)
    assert series.told(60, 10.0)[2]["stored"][-8:-5] == [None, 0.0, None], "nothing is something that is known"


def test_the_age_of_a_hole_is_told_though_nobody_asked_kafka_then():
    series = Series(0.0)
    series.advance(10.0)
    series.put("age", 4, 0.2)
    series.hole(3.5, 6.25)

    assert series.told(60, 10.0)[2]["age"][-8:-3] == [None, 0.5, 1.5, 2.5, 2.75]


def test_a_process_that_did_not_look_for_a_while_knows_nothing_of_then():
    series = Series(0.0)
    series.put("waiting", 0, 1.0)
    series.advance(500.0)
    series.put("waiting", 500, 2.0)
    series.advance(5_000.0)

    assert set(series.told(600, 5_000.0)[2]["waiting"]) == {None}
    assert [value for value in series.told(7_200, 5_000.0)[2]["waiting"] if value is not None] == [1.0, 2.0]
