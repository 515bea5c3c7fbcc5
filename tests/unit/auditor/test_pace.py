"""The auditor's cost is bounded: how long it rests follows from what it has spent."""

from __future__ import annotations

import pytest

from workers.auditor.pace import BEHIND_SHARE, CATCH_UP_SHARE, Pace

CALM = {"done": True, "is_behind": False, "is_catching_up": False}


def test_rounds_begin_once_an_interval():
    pace = Pace(5.0, 0.0)
    pace.after_round(100.0, 101.0, **CALM)

    assert (pace.round_at, pace.due) == (105.0, 105.0)


def test_older_records_are_verified_with_their_share_of_a_core():
    pace = Pace(5.0, 0.01)
    pace.after_round(100.0, 101.0, **CALM)
    assert pace.pass_at == 101.0

    pace.after_piece(101.0, 101.4, 0.05, is_catching_up=False, goes_on=True)
    assert pace.pass_at == pytest.approx(101.4 + 0.05 * 99)
    pace.after_round(105.0, 105.1, **CALM)
    assert pace.pass_at == pytest.approx(101.4 + 0.05 * 99), "a round does not shorten the rest"


def test_the_first_pass_is_quick_and_leaves_the_database_most_of_the_time():
    pace = Pace(5.0, 0.01)
    pace.after_round(100.0, 101.0, **(CALM | {"is_catching_up": True}))
    pace.after_piece(101.0, 101.4, 0.05, is_catching_up=True, goes_on=True)

    assert pace.pass_at == pytest.approx(101.4 + 0.4 * (1 / CATCH_UP_SHARE - 1))


def test_a_pass_over_little_is_made_once_a_round():
    pace = Pace(5.0, 0.5)
    pace.after_round(100.0, 100.1, **CALM)
    pace.after_piece(100.1, 100.11, 0.001, is_catching_up=False, goes_on=False)

    assert pace.pass_at == 105.0


def test_without_a_share_only_the_first_pass_is_made():
    pace = Pace(5.0, 0.0)
    pace.after_round(100.0, 100.1, **(CALM | {"is_catching_up": True}))
    assert pace.pass_at == 100.1
    pace.after_piece(100.1, 100.2, 0.1, is_catching_up=True, goes_on=False)
    pace.after_piece(105.0, 105.1, 0.1, is_catching_up=False, goes_on=True)
    assert pace.pass_at is None
    pace.after_round(105.0, 105.1, **CALM)
    assert pace.pass_at is None


def test_what_is_new_comes_first_when_there_is_much_of_it():
    pace = Pace(5.0, 0.01)
    pace.after_round(100.0, 101.0, **(CALM | {"is_behind": True}))

    assert pace.round_at == pytest.approx(101.0 + (1 / BEHIND_SHARE - 1))
    assert pace.pass_at is None


def test_nothing_else_is_tried_while_a_server_is_away():
    pace = Pace(5.0, 0.01)
    pace.after_round(100.0, 100.1, **CALM)
    pace.after_round(105.0, 108.0, **(CALM | {"done": False}))

    assert (pace.due, pace.pass_at) == (110.0, None)
