"""One look at Kafka as numbers: what is unknown is not 0, and what is not there is not late."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from tests.support.batches import tp, tps
from tests.support.scrape import parse
from workers.kafka.admin import GroupDescription, Member
from workers.kafka.open_transactions import OpenTransaction
from workers.kafka.partition_offsets import PartitionOffsets
from workers.monitoring.lag import CommitTimes, lag_snapshot, uncommitted_ranges
from workers.monitoring.lag_metrics import BY_PARTITION, LagMetrics
from workers.monitoring.pause_metrics import PauseMetrics
from workers.pauses import NO_PAUSES, Pause, Pauses

NOW = 1_000.0
MEMBERS = {"m1": Member("worker_00", "127.0.0.1", [tp(0)]), "m2": Member("worker_01", "127.0.0.1", [*tps(1, 3)])}
GROUP = GroupDescription("Stable", MEMBERS)
SPANS = {
    tp(0): PartitionOffsets(0, 100, 100),
    tp(1): PartitionOffsets(40, 100, 60),
    tp(2): PartitionOffsets(40, 100, 20),
    tp(3): PartitionOffsets(7, 9, None),
}


def seen(times=None, group=GROUP, spans=SPANS, **facts):
    return lag_snapshot(NOW, group, spans, times or {}, {tp(0): 900.0}, **facts)


def test_lag_is_what_can_still_be_read():
    found = seen().partitions

    assert {p.partition: part.records for p, part in found.items()} == {0: 0, 1: 40, 2: 60, 3: 2}
    assert {p.partition: part.headroom for p, part in found.items()} == {0: 100, 1: 20, 2: -20, 3: None}
    assert uncommitted_ranges(SPANS) == {tp(1): (60, 100), tp(2): (40, 100), tp(3): (7, 9)}


def test_an_age_is_known_or_0_where_nothing_waits_or_absent():
    found = seen({tp(1): 988.5, tp(3): None}).partitions

    assert found[tp(0)].seconds == 0.0, "nothing waits"
    assert found[tp(1)].seconds == 11.5
    assert found[tp(2)].seconds is None, "it was not read in time"
    assert found[tp(3)].seconds == 0.0, "only markers of transactions"


def test_a_producers_clock_that_runs_ahead_makes_no_negative_age():
    assert seen({tp(1): NOW + 5}).partitions[tp(1)].seconds == 0.0


def test_where_no_timestamp_tells_an_age_it_is_how_long_the_record_was_seen_to_wait():
    """Its producer's clock runs ahead, it has none, or it cannot be read: it would stand still at an age of 0, or none."""
    found = seen({tp(1): NOW + 600}, waiting={tp(1): 940.0, tp(2): 930.0, tp(3): NOW}).partitions

    assert [found[tp(p)].seconds for p in range(4)] == [0.0, 60.0, 70.0, None]
    old = seen({tp(1): 500.0}, waiting={tp(1): 940.0}).partitions
    assert old[tp(1)].seconds == 500.0, "its timestamp is older than this process"


def test_a_partition_without_an_answer_takes_no_figure_of_the_others_away():
    found = seen({tp(1): 990.0, tp(3): 970.0}, spans={p: SPANS[p] for p in (tp(0), tp(1), tp(3))}, unanswered=[tp(2)])

    assert (found.point.lag, found.point.seconds, found.point.end) == (42, 30.0, 209)
    assert (found.point.unanswered, found.point.age_unknown) == (["numtest-2"], ["numtest-2"])
    assert not found.partitions[tp(2)].answered
    series = scraped(found)
    assert [labels["partition"] for labels, value in series["workers_partition_unknown"] if value] == ["2"]
    assert [labels["partition"] for labels, _ in series["workers_lag_seconds"]] == ["0", "1", "3"]
    assert ({"topic": "numtest", "partition": "2"}, 1) in series["workers_partition_unowned"]


def test_the_greatest_age_is_that_of_the_known_and_says_whose_it_lacks():
    found = seen({tp(1): 990.0}).point

    assert (found.seconds, found.age_unknown) == (10.0, ["numtest-2", "numtest-3"])
    assert seen({tp(1): 990.0, tp(2): 980.0, tp(3): None}).point.age_unknown == []


def test_markers_of_transactions_are_offsets_and_nothing_that_waits():
    part = seen({tp(3): None}).partitions[tp(3)]

    assert (part.records, part.readable) == (2, 0)
    assert seen().partitions[tp(3)].readable == 2, "as long as nobody has looked"


def test_what_is_behind_an_open_transaction_is_counted_beside_the_lag():
    spans = {tp(0): PartitionOffsets(0, 100, 100, unstable=40), tp(1): PartitionOffsets(0, 100, 90, unstable=7)}
    found = seen({tp(1): 999.0}, spans=spans, open_transactions={tp(0): OpenTransaction(100, 40, 75.0, "record")})
    parts = found.partitions

    assert (parts[tp(0)].records, parts[tp(0)].unstable, parts[tp(0)].unstable_seconds) == (0, 40, 75.0)
    assert parts[tp(1)].unstable_seconds is None, "nobody has looked yet"
    assert (found.point.lag, found.point.end, found.point.high_watermark) == (10, 200, 247)
    series = scraped(found)
    assert series["workers_partition_unstable_seconds"] == [({"topic": "numtest", "partition": "0"}, 75.0)]
    assert ({"topic": "numtest", "partition": "0"}, 100.0) in series["workers_partition_last_stable_offset"]


def test_what_no_member_reads_is_unowned():
    assert {p.partition: part.owner for p, part in seen().partitions.items()} == {
        0: "worker_00", 1: "worker_01", 2: None, 3: "worker_01",
    }  # fmt: skip


def test_the_sums_know_what_they_do_not_know():
    assert (seen().point.lag, seen().point.committed, seen().point.end) == (102, 187, 309)
    assert seen().point.seconds is None
    assert seen({tp(1): 990.0, tp(2): 980.0, tp(3): None}).point.seconds == 20.0


def test_a_commit_moved_when_it_was_first_seen_where_it_is():
    commits = CommitTimes()

    assert commits.update({tp(0): PartitionOffsets(0, 9, 5)}, 10.0) == {tp(0): 10.0}
    assert commits.update({tp(0): PartitionOffsets(0, 9, 5)}, 15.0) == {tp(0): 10.0}
    assert commits.update({tp(0): PartitionOffsets(0, 9, 6)}, 20.0) == {tp(0): 20.0}
    assert commits.update({tp(0): PartitionOffsets(0, 9, 2)}, 25.0) == {tp(0): 25.0}, "also backwards"
    assert commits.update({tp(0): PartitionOffsets(0, 9, 2), tp(1): PartitionOffsets(0, 1, None)}, 30.0) == {
        tp(0): 25.0,
        tp(1): 30.0,
    }


def scraped(current, last=None):
    return parse(generate_latest(LagMetrics("counters", "numtest", lambda: current, lambda: last).registry).decode())


def test_every_number_is_exported_under_the_labels_of_kafka_exporter():
    series = scraped(seen({tp(1): 988.5}), NOW)
    ours, group = {"topic": "numtest", "partition": "1"}, {"consumergroup": "counters"}

    for name, labels, expected in (
        ("kafka_consumergroup_current_offset", group | ours, 60),
        ("kafka_consumergroup_lag", group | ours, 40),
        ("kafka_topic_partition_current_offset", ours, 100),
        ("kafka_topic_partition_oldest_offset", ours, 40),
        ("workers_lag_seconds", ours, 11.5),
        ("workers_partition_unowned", ours, 0),
        ("workers_partition_last_commit_timestamp_seconds", ours | {"partition": "0"}, 900),
        ("workers_partition_retention_headroom_records", ours, 20),
        ("kafka_consumergroup_lag_sum", group | {"topic": "numtest"}, 120),
        ("workers_lag_records", group | ours, 40),
        ("kafka_consumergroup_members", group, 2),
        ("workers_lag_up", {}, 1),
        ("workers_lag_last_success_timestamp_seconds", {}, NOW),
    ):
        assert (labels, expected) in series[name]
    assert len(series["workers_lag_seconds"]) == 2, "0, which has nothing to read, and 1, of which the time is known"


def test_names_of_kafka_exporter_have_its_meaning():
    """Its source, kafka_exporter.go: the newest offset is the high watermark; lag is that minus the commit, whatever the
    log start, and below 0 if the commit is beyond; without a commit both are -1, and count in no sum."""
    spans = {
        tp(0): PartitionOffsets(0, 100, 100, unstable=40),
        tp(1): PartitionOffsets(50, 100, 20),
        tp(2): PartitionOffsets(0, 5, 9),
        tp(3): PartitionOffsets(7, 9, None),
    }
    series = scraped(seen(spans=spans))

    def by_partition(name):
        return {int(labels["partition"]): value for labels, value in series[name]}

    assert by_partition("kafka_topic_partition_current_offset") == {0: 140, 1: 100, 2: 5, 3: 9}
    assert by_partition("kafka_topic_partition_oldest_offset") == {0: 0, 1: 50, 2: 0, 3: 7}
    assert by_partition("kafka_consumergroup_current_offset") == {0: 100, 1: 20, 2: 9, 3: -1}
    assert by_partition("kafka_consumergroup_lag") == {0: 40, 1: 80, 2: -4, 3: -1}
    assert [value for _, value in series["kafka_consumergroup_lag_sum"]] == [116]


def test_a_group_that_has_committed_nothing_has_no_lag_and_one_that_is_not_there_no_members():
    spans = {tp(0): PartitionOffsets(0, 100, None)}
    series = scraped(seen(spans=spans, group=GroupDescription("Dead", {})))

    for name in ("kafka_consumergroup_lag", "kafka_consumergroup_current_offset", "kafka_consumergroup_lag_sum"):
        assert name not in series
    assert "kafka_consumergroup_members" not in series
    assert [value for _, value in series["workers_lag_records"]] == [100], "which is what the alerts ask"


def test_when_kafka_is_away_no_number_of_before_is_exported():
    series = scraped(None, NOW)

    assert [name for name in series if name.startswith(("kafka_", "workers_"))] == [
        "workers_lag_up", "workers_lag_last_success_timestamp_seconds",
    ]  # fmt: skip
    assert series["workers_lag_up"] == [({}, 0.0)]
    assert "workers_lag_last_success_timestamp_seconds" not in scraped(None)


def test_a_topic_that_is_not_there_has_no_partitions_and_the_group_its_members():
    series = scraped(seen(spans=None))

    assert not BY_PARTITION.keys() & series.keys()
    assert series["kafka_consumergroup_members"] == [({"consumergroup": "counters"}, 2.0)]
    assert series["workers_lag_up"] == [({}, 1.0)]


def test_what_is_paused_on_this_host_is_exported_by_partition():
    registry = CollectorRegistry()
    pauses = [NO_PAUSES]
    current = [seen({tp(1): 988.5})]
    PauseMetrics(registry, lambda: current[0], lambda: pauses[0])
    labels = {"topic": "numtest", "partition": "1"}
    since = "workers_lag_partition_paused_since_timestamp_seconds"
    assert registry.get_sample_value("workers_lag_partition_paused", labels) == 0
    assert registry.get_sample_value(since, labels) is None

    pauses[0] = Pauses((Pause("x", "ann@db1", 7.0, "numtest", 1), Pause("y", "ann@db1", 9.0)))
    assert registry.get_sample_value("workers_lag_partition_paused", labels) == 1
    assert registry.get_sample_value(since, labels) == 7.0

    current[0] = None
    assert registry.get_sample_value("workers_lag_partition_paused", labels) is None
