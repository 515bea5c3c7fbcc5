"""Where two logs part, found as a follower finds it; and what a group remembers of a log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batches import tp
from tests.support.fake_broker import FakePartition, FakeRecord
from tests.support.records import ListedRecords
from workers.identity import OffsetRange
from workers.kafka.log_history import MAX_EPOCHS, LogHistory, Question, Validation, validate

MARGIN = 10


def log_of(*epochs: int, leader: int = 0) -> FakePartition:
    """A log by the leader epoch of each offset; its leader's epoch is one more than the last, or this one."""
    log = FakePartition()
    for offset, epoch in enumerate(epochs):
        log.epoch = epoch
        log.append(FakeRecord(0, offset, b"", leader_epoch=epoch))
    log.epoch = leader or log.epoch + 1
    return log


def read_from(log: FakePartition, offset: int = 0) -> LogHistory:
    history = LogHistory()
    for record in log.read(offset, 10_000):
        history.read(ListedRecords([record]), MARGIN)
    return history


def divergence(history: LogHistory, offset: int, log: FakePartition) -> Validation:
    question = {tp(0): Question(history, offset, log.epoch)}
    return validate(question, lambda asked: {p: log.epoch_end(epoch) for p, epoch in asked.items()})[tp(0)]


@pytest.mark.parametrize(
    ("old", "new", "leader", "parts_at"),
    [
        ([1] * 10, [1] * 10, 1, None),
        ([1] * 10, [1] * 12 + [2] * 5, 2, None),
        ([1] * 10, [1] * 6, 2, 6),
        ([1] * 10, [1] * 6 + [2] * 20, 2, 6),
        ([1] * 5 + [3] * 5, [1] * 5 + [4] * 20, 4, 5),
        ([1] * 5 + [3] * 5, [1] * 3 + [2] * 20, 4, 3),
        ([1] * 5 + [3] * 5, [1] * 3 + [2] * 4 + [4] * 20, 4, 3),
        ([1] * 5 + [5] * 5, [1] * 5 + [2] * 20, 2, 5),
        ([4] * 5 + [5] * 5, [1] * 20, 2, 0),
        ([1] * 10, [], 2, 0),
        ([1] * 10, [3] * 20, 3, 0),
    ],
    ids=[
        "the same",
        "it went on",
        "shorter",
        "grown again",
        "a later leader",
        "another second leader",
        "two elections: Kafka's own consumers skip four records here",
        "a backup with lower epochs",
        "a backup from before all that is known",
        "an empty log",
        "another log altogether",
    ],
)
def test_where_the_logs_part(old, new, leader, parts_at):
    found = divergence(read_from(log_of(*old)), len(old), log_of(*new, leader=leader))

    assert found.divergence == parts_at


def test_a_position_without_an_epoch_is_compared_with_the_end():
    assert divergence(LogHistory(), 7, log_of(1, 1, 1, 1, 1)) == Validation(5, 5)
    assert divergence(LogHistory(), 5, log_of(1, 1, 1, 1, 1)) == Validation(None, 5)


@pytest.mark.parametrize(
    ("new", "parts_at"),
    [([1] * 8, None), ([1] * 4, None), ([1] * 2 + [2] * 9, 2), ([2] * 9, 0), ([0] * 9, None), ([0] * 2, 2), ([], 0)],
)
def test_a_position_before_which_no_record_is_known_is_of_the_log_that_has_the_record_behind_it(new, parts_at):
    """The log began with a gap of three offsets, and its first batch is read again."""
    history = read_from(log_of(*[1] * 8), 3)

    assert divergence(history, 3, log_of(*new, leader=3)).divergence == parts_at


@given(
    st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 3), max_size=30), st.integers(0, 30), st.data()
)
def test_nothing_is_skipped_and_little_is_read_again(old_steps, cut_steps, kept, data):
    """A log, cut anywhere, that goes on under later leaders: they part exactly where it was cut, if it was read so far."""
    old = [sum(old_steps[: index + 1]) for index in range(len(old_steps))]
    position, kept = data.draw(st.integers(0, len(old))), min(kept, len(old))
    later = max(old, default=0) + 1
    new = old[:kept] + [later + sum(cut_steps[: index + 1]) for index in range(len(cut_steps))]

    found = divergence(read_from(log_of(*old[:position])), position, log_of(*new)).divergence

    if kept >= position:
        assert found is None
    elif len(set(old[:position])) <= MAX_EPOCHS:
        assert found == kept
    else:
        assert found is not None
        assert found <= kept


def test_only_the_last_epochs_are_kept_and_a_batch_of_several_is_divided():
    history = LogHistory()
    records = [FakeRecord(0, offset, b"", leader_epoch=offset // 3) for offset in range(60)]
    history.read(ListedRecords(records), MARGIN)

    assert history.epochs == [(epoch, 3 * epoch) for epoch in range(12, 20)]
    assert [history.epoch_before(offset) for offset in (60, 57, 56, 36)] == [19, 18, 18, -1]


def test_ranges_that_touch_are_one():
    history = LogHistory()
    for first, end in [(60, 100), (200, 210), (70, 90), (100, 120)]:
        history.reuse(first, end)

    assert history.reused == [OffsetRange(60, 120), OffsetRange(200, 210)]
    assert history.to_compare(119, 121) == (OffsetRange(60, 120),)
    assert history.to_compare(120, 200) == ()


def test_records_behind_a_new_leader_are_compared_unless_they_may_have_been_delivered_before():
    log = log_of(*[1] * 20, *[2] * 20)
    assert read_from(log).to_compare(20, 40) == (OffsetRange(20, 30),)
    assert read_from(log).before(21).to_compare(20, 40) == (OffsetRange(20, 30),), (
        "a later owner does not see the beginning"
    )
    assert read_from(log).before(30).to_compare(20, 40) == (), "all of it is committed"

    history = LogHistory(delivered_before=(2, 25))
    for record in log.read(0, 100):
        history.read(ListedRecords([record]), 100)

    assert history.to_compare(0, 25) == ()
    assert [each.first for each in history.to_compare(0, 40)] == [25, 25]
