"""Where a partition begins, for every kind of commit and of log."""

from __future__ import annotations

from dataclasses import replace

from workers.identity import OffsetRange
from workers.kafka.beginning import NEVER, Leader, begin
from workers.kafka.commit_mark import Commit
from workers.kafka.log_history import LogHistory, Validation
from workers.types import Truncation

LEADER = Leader(start=10, end=300, epoch=7)
COMMIT = Commit(100, LogHistory([(4, 0), (5, 50)]))
VALID = Validation(None)


def test_a_commit_of_this_log_counts():
    found = begin(COMMIT, LEADER, VALID, None, 10)

    assert (found.offset, found.truncation) == (100, None)
    assert found.history.epoch_before(100) == 5


def test_without_a_commit_the_log_is_read_from_its_start():
    found = begin(None, LEADER, VALID, None, 10)

    assert (found.offset, found.truncation, found.history.delivered_before) == (10, None, (7, 300))


def test_behind_a_commit_of_somebody_else_everything_may_have_been_delivered_before():
    commit = replace(COMMIT, marked=False)

    assert begin(commit, LEADER, VALID, None, 10).history.delivered_before == (7, 300)
    assert begin(commit, LEADER._replace(end=None), VALID, None, 10).history.delivered_before == (NEVER, NEVER)


def test_where_the_log_was_truncated_it_is_read_on_from_where_the_logs_part():
    found = begin(COMMIT, LEADER, Validation(60), None, 10)

    assert (found.offset, found.truncation) == (60, Truncation(100, 60, 5, 7))
    assert found.history.reused == [OffsetRange(60, 110)], "what was in flight behind the commit may be stored too"
    assert found.history.epoch_before(60) == 5


def test_what_was_read_and_not_committed_counts_too():
    found = begin(COMMIT, LEADER, VALID, OffsetRange(105, 150), 10)

    assert (found.offset, found.truncation) == (100, Truncation(150, 105, 5, 7))
    assert found.history.reused == [OffsetRange(105, 150)]
    assert begin(COMMIT, LEADER, Validation(60), OffsetRange(60, 150), 10).history.reused == [OffsetRange(60, 150)]


def test_a_log_that_has_nothing_of_what_is_known_is_read_from_its_start():
    found = begin(COMMIT, LEADER, Validation(0, everything=True), None, 10)

    assert (found.offset, found.truncation) == (10, Truncation(100, 10, 5, 7))
    assert found.history.epochs == [], "they may be greater than those of the log that is there, and hide them"


def test_a_commit_without_an_epoch_behind_the_end_is_read_from_the_log_start():
    found = begin(Commit(400, LogHistory(), marked=False), LEADER, Validation(300, 300), None, 10)

    assert (found.offset, found.truncation) == (10, Truncation(400, 300, -1, 7))
    assert found.history.reused == [OffsetRange(300, 410)]
