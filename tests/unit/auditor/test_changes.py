"""From where the auditor verifies, when a group leaves records out on purpose."""

from __future__ import annotations

from tests.support.batches import TOPIC, tp
from workers.auditor.changes import follow
from workers.auditor.positions import Positions
from workers.kafka.left_out import LeftOut
from workers.kafka.partition_offsets import PartitionOffsets


def test_what_came_before_the_start_of_the_group_is_not_read_to_be_proven():
    positions = Positions(TOPIC)
    follow(positions, {tp(0): PartitionOffsets(0, 1_000_000, None)})
    assert positions.verified == {tp(0): 0}

    begun = PartitionOffsets(0, 1_000_010, 1_000_000, left_out=LeftOut(1_000_000, "latest"))
    changes = follow(positions, {tp(0): begun})

    assert positions.verified == {tp(0): 1_000_000}
    assert (changes.back, changes.removed) == ([], {})


def test_a_start_behind_the_end_of_a_log_that_was_truncated_passes_nothing():
    positions = Positions(TOPIC)

    follow(positions, {tp(0): PartitionOffsets(0, 400, 500, left_out=LeftOut(500, "latest"))})

    assert positions.verified == {tp(0): 400}


def test_a_group_that_is_moved_back_before_its_start_proves_that_too():
    positions = Positions(TOPIC)
    begun = PartitionOffsets(0, 1_000, 900, left_out=LeftOut(500, "latest"))
    follow(positions, {tp(0): begun})
    positions.verified[tp(0)] = 900

    changes = follow(positions, {tp(0): begun._replace(committed=100, left_out=LeftOut(100, "latest"))})

    assert changes.back == [tp(0)]
    assert positions.verified == {tp(0): 100}
