"""The one formula for what a group takes next, and how much of it there is."""

from __future__ import annotations

import pytest

from workers.kafka.partition_offsets import PartitionOffsets
from workers.types import Truncation


@pytest.mark.parametrize(
    ("start", "end", "committed", "next_offset", "lag"),
    [
        (10, 25, None, 10, 15),
        (10, 25, 0, 10, 15),
        (10, 25, 7, 10, 15),
        (10, 25, 17, 17, 8),
        (10, 25, 25, 25, 0),
        (10, 25, 31, 31, 0),
        (0, 0, None, 0, 0),
        (0, 5, 0, 0, 5),
        (25, 25, 7, 25, 0),
    ],
    ids=[
        "never",
        "at 0",
        "removed unread",
        "inside",
        "done",
        "beyond the end",
        "empty",
        "nothing taken",
        "all removed",
    ],
)
def test_a_group_goes_on_where_it_committed_and_never_before_the_log_start(start, end, committed, next_offset, lag):
    offsets = PartitionOffsets(start, end, committed)

    assert (offsets.next_offset, offsets.lag) == (next_offset, lag)


def test_what_is_behind_an_open_transaction_is_no_lag_and_belongs_to_the_log():
    offsets = PartitionOffsets(0, 100, 100, unstable=40)

    assert (offsets.lag, offsets.end, offsets.high_watermark) == (0, 100, 140)


def test_behind_a_truncated_log_it_goes_on_where_the_logs_part_and_the_lag_says_so():
    offsets = PartitionOffsets(0, 140, 100, truncation=Truncation(100, 60, 5, 7))

    assert (offsets.next_offset, offsets.lag) == (60, 80)
    assert offsets._replace(start=70).next_offset == 70
