"""Which offsets are left out on purpose, and what a mark keeps of it through commits, moves and truncations."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.identity import OffsetRange
from workers.kafka.commit_mark import CommitMark, parse, read_commit
from workers.kafka.group_move import Move, Note
from workers.kafka.left_out import (
    LONGEST_BECAUSE,
    LONGEST_BY,
    MOST_SKIPS,
    LeftOut,
    Skip,
    escaped,
    shortened,
)
from workers.kafka.log_history import MAX_EPOCHS, MAX_RANGES, LogHistory
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.record_epochs import EpochBegin
from workers.types import TopicPartition, Truncation

TOPIC = UUID("08b40071-0000-4000-8000-000000000000")
P0 = TopicPartition("numtest", 0)
SKIP = Skip(20, 30, 1_764_257_659, "ada@host", "a test run")
BOTH = LeftOut(10, "latest", (SKIP,))
NOTE = Note(1_764_257_659, "ada@host", "a test run")
HUGE = 2**63 - 1


def test_each_offset_has_its_word():
    assert [BOTH.word(offset) for offset in (0, 9, 10, 19, 20, 29, 30)] == [
        "before_start",
        "before_start",
        None,
        None,
        "skipped",
        "skipped",
        None,
    ]


def test_an_offset_is_counted_once():
    assert BOTH.count(0, 100) == 20
    assert BOTH.count(5, 25) == 10
    assert LeftOut().count(0, 100) == 0
    assert LeftOut(50, "latest").count(0, 20) == 20


@pytest.mark.parametrize(
    ("offset", "start", "skips"), [(40, 10, [(20, 30)]), (25, 10, [(20, 25)]), (20, 10, []), (5, 5, []), (0, 0, [])]
)
def test_what_is_read_again_is_not_left_out(offset, start, skips):
    found = BOTH.read_again(offset)

    assert (found.start, [(skip.first, skip.end) for skip in found.skips]) == (start, skips)


def test_a_truncated_log_holds_other_records_which_are_read():
    history = LogHistory([(3, 0), (4, 25)], left_out=BOTH)

    history.cut(22)

    assert history.left_out.word(21) == "skipped"
    assert history.left_out.word(22) is None


def test_a_note_about_records_that_kafka_has_removed_is_forgotten():
    more = BOTH.skip(Skip(40, 50, 0, "", ""), log_start=30)

    assert [each.first for each in more.skips] == [40]


def test_every_later_commit_carries_it_on():
    assert LogHistory(left_out=BOTH).before(1000).left_out == BOTH


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, HUGE), st.integers(0, 10**12 - 1))
def test_what_is_written_is_read_back(by, because, first, at):
    by, because = (text.encode("utf-8", "ignore").decode() for text in (by, because))
    history = LogHistory([(4, 0)], left_out=LeftOut(first, "-6h", (Skip(first, HUGE, at, by, because),)))

    assert parse(str(CommitMark(TOPIC, history))) == CommitMark(TOPIC, history)


def test_the_largest_mark_fits():
    text = {most: shortened("\u65e5, " * 100, most) for most in (LONGEST_BY, LONGEST_BECAUSE)}
    skips = tuple(Skip(HUGE, HUGE, 10**12 - 1, text[LONGEST_BY], text[LONGEST_BECAUSE]) for _ in range(MOST_SKIPS))
    ranges = [OffsetRange(HUGE, HUGE)] * MAX_RANGES
    history = LogHistory(
        [(2**31, HUGE)] * MAX_EPOCHS,
        ranges,
        (2**31, HUGE),
        ranges,
        LeftOut(HUGE, "2026-11-01T00:00:00.000001+01:00", skips),
    )

    mark = str(CommitMark(TOPIC, history))

    assert len(mark.encode()) < 4096
    assert parse(mark) == CommitMark(TOPIC, history)
    assert all(LONGEST_BECAUSE - 6 < len(escaped(each.because).encode()) <= LONGEST_BECAUSE for each in skips)


def test_without_anything_left_out_the_mark_is_the_one_that_earlier_versions_read():
    assert str(CommitMark(TOPIC)) == f"kafka-mongo-workers/1 topic={TOPIC}"
    assert str(CommitMark(TOPIC, LogHistory(left_out=LeftOut(0, "latest")))).startswith("kafka-mongo-workers/2 ")


@pytest.mark.parametrize(
    "metadata",
    [
        f"kafka-mongo-workers/2 topic={TOPIC}",
        f"kafka-mongo-workers/1 topic={TOPIC} start=5@latest",
        f"kafka-mongo-workers/2 topic={TOPIC} start=5@ skipped=1-2/3/a/b",
        f"kafka-mongo-workers/2 topic={TOPIC} start=5@latest skipped=1-2/3/a",
    ],
)
def test_a_mark_in_another_form_is_an_ordinary_commit(metadata):
    assert not read_commit(7, metadata, 3, TOPIC).marked


def move(to: int, committed: int | None = 50, **offsets: object) -> Move:
    return Move(P0, PartitionOffsets(5, 100, committed, leader_epoch=4)._replace(**offsets), to)


def test_back_is_read_again_and_no_note_stays():
    back = move(22)
    history = back.history(
        LogHistory([(3, 0), (4, 40)], left_out=BOTH), marked=True, before=EpochBegin(3, 0), note=NOTE
    )

    assert (back.read_again, back.skipped, back.problem) == (28, 0, None)
    assert history.epochs == [(3, 0)]
    assert history.left_out == LeftOut(10, "latest", (SKIP._replace(end=22),))
    # What comes again may have been changed by an application.
    assert history.delivered_before == (4, 100)


def test_forwards_leaves_a_note_and_knows_the_log_there():
    forwards = move(80)
    history = forwards.history(LogHistory([(3, 0)]), marked=True, before=EpochBegin(4, 60), note=NOTE)

    assert (forwards.read_again, forwards.skipped) == (0, 30)
    assert history.left_out.skips == (Skip(50, 80, *NOTE),)
    assert history.epochs == [(3, 0), (4, 60)]
    assert history.delivered_before == (-1, 0)


def test_a_group_without_a_commit_skips_from_the_log_start():
    assert move(80, None).skipped == 75
    assert move(5, None).is_needed
    assert not move(50).is_needed


@pytest.mark.parametrize("to", [0, 4, 101, HUGE])
def test_beyond_the_log_is_refused_with_the_range(to):
    assert "holds the offsets 5 to 99; give 5 to 100" in str(move(to).problem)
    assert "is empty at offset 100; give 100 to 100" in str(move(to, start=100).problem)


def test_a_log_that_was_truncated_is_the_workers_to_notice_first():
    assert "no worker has noticed yet" in str(move(50, truncation=Truncation(50, 40, 3, 4)).problem)
