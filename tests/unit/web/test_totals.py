"""The numbers of all times: what is unknown is null, and a sum without one of its partitions is unknown."""

from __future__ import annotations

from tests.support.batches import tp
from workers.kafka.group_description import GroupDescription
from workers.kafka.partition_offsets import PartitionOffsets
from workers.monitoring.lag import lag_snapshot
from workers.settings import Settings
from workers.web.totals import Totals

GROUP = GroupDescription("Stable", {})


def totals():
    return Totals(Settings())


def test_what_was_committed_and_sent_of_all_partitions():
    snapshot = lag_snapshot(
        1_000.0, GROUP, {tp(0): PartitionOffsets(0, 100, 90), tp(1): PartitionOffsets(0, 50, 50)}, {}, {}
    )

    assert totals().as_dict(snapshot) == {"stored": 140, "sent": 150, "dead_letters": None}


def test_a_partition_without_an_answer_makes_the_sums_unknown():
    snapshot = lag_snapshot(1_000.0, GROUP, {tp(0): PartitionOffsets(0, 100, 90)}, {}, {}, unanswered=[tp(1)])

    assert totals().as_dict(snapshot) == {"stored": None, "sent": None, "dead_letters": None}


def test_nothing_is_known_without_kafka_or_without_a_topic():
    nothing = {"stored": None, "sent": None, "dead_letters": None}

    assert totals().as_dict(None) == nothing
    assert totals().as_dict(lag_snapshot(1_000.0, GROUP, None, {}, {})) == nothing
