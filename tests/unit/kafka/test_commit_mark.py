"""Whose commit it is: only our own mark says more than its offset, and it is read strictly."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.identity import OffsetRange
from workers.kafka.commit_mark import CommitMark, parse, read_commit
from workers.kafka.log_history import MAX_EPOCHS, MAX_RANGES, NOTHING_BEFORE, LogHistory

TOPIC = UUID("08b40071-0000-4000-8000-000000000000")
OTHER = UUID("08b40072-0000-4000-8000-000000000000")
MOST_BYTES = 4096
"""The broker's default for `offset.metadata.max.bytes`."""
NUMBER = st.integers(0, 2**63 - 1)
PAIRS = st.lists(st.tuples(NUMBER, NUMBER), max_size=MAX_EPOCHS)
ORDINARY = [
    "",
    str(TOPIC),
    str(OTHER),
    "something",
    "null",
    '{"topic": "08b40071-0000-4000-8000-000000000000", "offset": 7}',
    "AQAAAYx1kZ8=",
    "\x00\x01\x02",
    "\u200b",
    " " + str(CommitMark(OTHER)),
    str(CommitMark(OTHER)) + "\n",
    str(CommitMark(OTHER)).upper(),
    f"kafka-mongo-workers topic={OTHER}",
    f"kafka-mongo-workers/0 topic={OTHER}",
    f"kafka-mongo-workers/1 topic={OTHER.hex}",
    f"kafka-mongo-workers/1 topic={OTHER} ",
    f"kafka-mongo-workers/1 topic={OTHER} epochs=",
    f"kafka-mongo-workers/1 topic={OTHER} epochs=1",
    f"kafka-mongo-workers/1 topic={OTHER} epochs=-1@0",
    f"kafka-mongo-workers/1 topic={OTHER} epochs=\u0661@0",
    f"kafka-mongo-workers/1 topic={OTHER} reused=5",
    f"kafka-mongo-workers/1 topic={OTHER} something=else",
]


@pytest.mark.parametrize("metadata", [*ORDINARY, None])
def test_whatever_is_not_exactly_our_mark_leaves_the_offset_as_it_is(metadata):
    commit = read_commit(7, metadata, None, TOPIC)

    assert (commit.offset, commit.deleted_topic, commit.marked, commit.warning) == (7, False, False, "")
    assert commit.history == LogHistory()


@given(st.text(max_size=200))
def test_any_text_is_an_ordinary_commit(metadata):
    assert read_commit(7, metadata, 3, TOPIC).history.epochs == [(3, 6)]


@given(
    PAIRS,
    st.lists(st.tuples(NUMBER, NUMBER), max_size=MAX_RANGES),
    st.none() | st.tuples(NUMBER, st.integers(1, 2**63 - 1)),
    st.lists(st.tuples(NUMBER, NUMBER), max_size=MAX_RANGES),
)
def test_what_is_written_is_read_back_and_fits(epochs, reused, before, watched):
    ranges = {"reused": [OffsetRange(*each) for each in reused], "watched": [OffsetRange(*each) for each in watched]}
    history = LogHistory(epochs, delivered_before=before or NOTHING_BEFORE, **ranges)

    metadata = str(CommitMark(TOPIC, history))

    assert parse(metadata) == CommitMark(TOPIC, history)
    assert len(metadata) < MOST_BYTES / 2


def test_a_mark_of_a_deleted_topic_overrules_the_offset():
    assert read_commit(7, str(CommitMark(OTHER)), 3, TOPIC).deleted_topic
    assert not read_commit(7, str(CommitMark(TOPIC)), 3, TOPIC).deleted_topic


def test_of_a_later_version_the_topic_and_the_offset_count_and_nothing_else():
    """Its worker ran here, and this one was put back: what it said of the log in words that are not known is left out."""
    later = f"kafka-mongo-workers/3 topic={TOPIC} epochs=1@0 more=(anything)"
    commit = read_commit(7, later, 3, TOPIC)

    assert (commit.offset, commit.marked, commit.history.epochs) == (7, False, [(3, 6)])
    assert "later version" in commit.warning
    assert read_commit(7, later.replace(str(TOPIC), str(OTHER)), 3, TOPIC).deleted_topic
