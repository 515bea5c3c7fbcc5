"""How old an open transaction is, and when it counts as hanging."""

from __future__ import annotations

import pytest

from tests.support.batches import TOPIC, tp
from workers.kafka.first_records import FirstRecords
from workers.kafka.open_transactions import OpenTransactions
from workers.kafka.partition_offsets import PartitionOffsets
from workers.settings import load

OPEN = {tp(0): PartitionOffsets(0, 100, 100, unstable=40)}
LATER = {tp(0): PartitionOffsets(0, 180, 180, unstable=40)}
STABLE = {tp(0): PartitionOffsets(0, 100, 100)}


@pytest.fixture
def times(monkeypatch):
    """The timestamps that are read, by partition."""
    found = {}
    monkeypatch.setattr(FirstRecords, "times", lambda *_: found)
    return found


@pytest.fixture
def look(times):  # noqa: ARG001 nothing is read from Kafka
    transactions = OpenTransactions(load())
    return lambda offsets, now: transactions.look(TOPIC, offsets, now).get(tp(0))


def test_where_none_is_open_there_is_none(look):
    assert look(STABLE, 1_000.0) is None


def test_its_age_is_that_of_its_first_record(look, times):
    times[tp(0)] = 925.0
    found = look(OPEN, 1_000.0)

    assert (found.first_offset, found.offsets, found.seconds, found.source) == (100, 40, 75.0, "record")
    assert found.hanging
    assert "at offset 100 for 75 s, by the timestamp of its first record" in found.describe()
    times[tp(0)] = 970.0
    assert not look(OPEN, 1_000.0).hanging


@pytest.mark.parametrize("timestamp", [None, 5_000.0], ids=["none", "of a clock that runs ahead"])
def test_else_it_is_how_long_it_was_seen_which_a_first_look_does_not_tell(look, times, timestamp):
    if timestamp:
        times[tp(0)] = timestamp
    assert (look(OPEN, 1_000.0).seconds, look(OPEN, 1_000.0).hanging) == (None, False)
    found = look(OPEN, 1_075.0)

    assert (found.seconds, found.source, found.hanging) == (75.0, "observed", True)


def test_an_age_that_was_seen_begins_when_the_last_stable_offset_came_to_stand(look):
    look(STABLE, 1_000.0)
    assert look(OPEN, 1_005.0).seconds == 0.0
    assert look(OPEN, 1_050.0).seconds == 45.0
    assert look(LATER, 1_060.0).seconds == 0.0


def test_transactions_that_end_all_the_time_do_not_hang_however_old_their_timestamps_are(look, times):
    times[tp(0)] = 1.0
    look(STABLE, 1_000.0)
    assert not look(OPEN, 1_010.0).hanging
    assert not look(LATER, 1_020.0).hanging
    assert look(LATER, 1_060.0).hanging


def test_another_one_at_the_same_offset_of_a_log_that_was_truncated_does_not_inherit_its_age(look, times):
    times[tp(0)] = 900.0
    look(OPEN, 1_000.0)
    assert look(OPEN, 1_100.0).hanging
    # Its clock runs ahead, so that its age is what was seen.
    times[tp(0)] = 5_000.0
    found = look(OPEN, 1_105.0)

    assert (found.seconds, found.source, found.standing_seconds, found.hanging) == (0.0, "observed", 0.0, False)


def test_one_whose_timestamp_cannot_be_read_for_a_while_is_the_same(look, times):
    times[tp(0)] = 900.0
    look(OPEN, 1_000.0)
    times.clear()
    assert look(OPEN, 1_040.0).seconds == 40.0
    times[tp(0)] = 900.0
    found = look(OPEN, 1_050.0)

    assert (found.seconds, found.standing_seconds, found.hanging) == (150.0, None, True)
