"""The metrics count what happened, every known series is there from the beginning, and names follow Prometheus' rules."""

from __future__ import annotations

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.batches import batch_of, document, reject, tp
from workers.errors import RetryReason, SinkUnavailableError
from workers.monitoring.worker_metrics import EVENTS, OUTCOMES, WorkerMetrics
from workers.pauses import Pause
from workers.types import CommitResult, RejectReason, Truncation, WriteResult

BATCH = batch_of(document(0), rejects=[reject(1)])


@pytest.fixture
def metrics():
    return WorkerMetrics("numtest")


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, {key: str(label) for key, label in labels.items()})


def test_every_record_of_a_batch_is_counted_once_by_what_became_of_it(metrics):
    dead_letters = {
        (tp(0), RejectReason.NOT_JSON): 3,
        (tp(0), RejectReason.EMPTY): 1,
        (tp(3), RejectReason.CONFLICT): 1,
    }
    written = WriteResult({tp(0): 5, tp(3): 2}, {tp(0): 1}, dead_letters)

    metrics.owns([tp(0), tp(3)])
    metrics.written(BATCH, written, 0.02)
    metrics.written(BATCH, written, 0.02)

    def records(partition, outcome):
        return value(metrics, "workers_records_total", topic="numtest", partition=partition, outcome=outcome)

    assert [records(0, outcome) for outcome in OUTCOMES] == [10, 2, 8, 0]
    assert [records(3, outcome) for outcome in OUTCOMES] == [4, 0, 2, 0]
    assert value(metrics, "workers_dead_letters_total", topic="numtest", reason="not_json") == 6
    assert value(metrics, "workers_dead_letters_total", topic="numtest", reason="conflict") == 2
    assert value(metrics, "workers_batches_total") == 2
    assert value(metrics, "workers_write_seconds_count") == 2
    assert value(metrics, "workers_write_seconds_sum") == pytest.approx(0.04)


def test_commits_are_counted_by_result_and_only_a_good_one_moves_the_clock(metrics):
    metrics.committed(BATCH, CommitResult.REBALANCED)
    metrics.committed(BATCH, CommitResult.TIMEOUT)

    assert value(metrics, "workers_last_commit_timestamp_seconds") == 0
    metrics.committed(BATCH, CommitResult.OK)

    assert value(metrics, "workers_last_commit_timestamp_seconds") > 1_700_000_000
    assert [value(metrics, "workers_commits_total", result=result) for result in CommitResult] == [1, 1, 1, 0]


def test_ignored_tombstones_are_counted_when_they_are_committed(metrics):
    batch = batch_of(document(0))
    batch.partitions[tp(0)].ignored = 3
    metrics.owns([tp(0)])
    ignored = {"topic": "numtest", "partition": 0, "outcome": "ignored"}

    for result in CommitResult:
        if result is not CommitResult.OK:
            metrics.committed(batch, result)
    assert value(metrics, "workers_records_total", **ignored) == 0
    metrics.committed(batch, CommitResult.OK)

    assert value(metrics, "workers_records_total", **ignored) == 3


def test_a_rebalance_counts_if_it_moved_something(metrics):
    metrics.rebalanced("assigned", [tp(0), tp(1)])
    metrics.rebalanced("revoked", [])
    metrics.rebalanced("lost", [tp(1)])

    assert [value(metrics, "workers_rebalances_total", event=event) for event in EVENTS] == [1, 0, 1]


def test_partitions_lost_records_retries_and_polls(metrics):
    metrics.owns([tp(0), tp(1), tp(2)])
    metrics.owns([tp(4)])
    metrics.records_lost(tp(4), 100, 25)
    metrics.log_truncated(tp(4), Truncation(100, 60, 5, 7))
    metrics.sink_unavailable(SinkUnavailableError(RetryReason.TIMEOUT, "x"), 1, 0.1)
    metrics.iterated()

    assert value(metrics, "workers_assigned_partitions") == 1
    assert [value(metrics, "workers_partition_owned", topic="numtest", partition=p) for p in (2, 4)] == [None, 1]
    metrics.rebalanced("revoked", [tp(4)])
    assert value(metrics, "workers_partition_owned", topic="numtest", partition=4) is None
    assert value(metrics, "workers_lost_records_total", topic="numtest", partition=4) == 25
    assert value(metrics, "workers_lost_records_total", topic="numtest", partition=0) == 0
    assert [value(metrics, "workers_log_truncations_total", topic="numtest", partition=p) for p in (0, 4)] == [0, 1]
    assert value(metrics, "workers_write_retries_total", reason="timeout") == 1
    assert value(metrics, "workers_last_poll_timestamp_seconds") > 1_700_000_000


def test_every_known_series_begins_at_zero(metrics):
    """rate() and increase() do not see the first event of a series that begins with it."""
    metrics.owns([tp(0)])

    zeros = [
        *[value(metrics, "workers_commits_total", result=result) for result in CommitResult],
        *[value(metrics, "workers_rebalances_total", event=event) for event in EVENTS],
        *[value(metrics, "workers_dead_letters_total", topic="numtest", reason=reason) for reason in RejectReason],
        *[
            value(metrics, "workers_records_total", topic="numtest", partition=0, outcome=outcome)
            for outcome in OUTCOMES
        ],
        value(metrics, "workers_lost_records_total", topic="numtest", partition=0),
        value(metrics, "workers_batches_total"),
        value(WorkerMetrics("numtest"), "workers_assigned_partitions"),
    ]

    assert zeros == [0.0] * len(zeros)


def test_names_and_helps_follow_the_rules(metrics):
    metrics.owns([tp(0)])
    metrics.sink_unavailable(SinkUnavailableError(RetryReason.TIMEOUT, "x"), 1, 0.1)
    own = [family for family in exposed(metrics) if family.name.startswith("workers_")]

    assert len(own) >= 12
    for family in own:
        assert re.fullmatch(r"workers_[a-z]+(_[a-z]+)*", family.name)
        assert re.fullmatch(r"[A-Z].*\.", family.documentation), family.name
        assert not re.search(r"_(ms|millis|minutes|kb|mb)(_|$)", family.name)
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples), family.name
        else:
            assert not family.name.endswith("_total")
        assert {label for sample in family.samples for label in sample.labels} <= {
            "topic", "partition", "outcome", "reason", "result", "event", "le",
            "version", "kafka_python", "pymongo",
        }  # fmt: skip


def test_the_process_and_its_versions_are_there(metrics):
    names = {family.name for family in exposed(metrics)}

    assert {"process_cpu_seconds", "process_resident_memory_bytes", "workers_build_info"} <= names | {
        sample.name for family in exposed(metrics) for sample in family.samples
    }


def test_two_workers_in_one_process_do_not_share_anything(metrics):
    metrics.committed(BATCH, CommitResult.OK)

    assert value(WorkerMetrics("numtest"), "workers_commits_total", result="ok") == 0


def exposed(metrics):
    return list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))


def test_what_is_paused_and_how_long_a_limit_held_it_up(metrics):
    metrics.owns([tp(0), tp(1)])
    metrics.paused({tp(1): Pause("x", "ann@db1", 0.0)})
    metrics.limited("WORKERS_MAX_RATE", 0.25)
    metrics.limited("WORKERS_MAX_RATE", 0.5)
    sample = metrics.registry.get_sample_value
    assert sample("workers_partition_paused", {"topic": "numtest", "partition": "1"}) == 1
    assert sample("workers_partition_paused", {"topic": "numtest", "partition": "0"}) is None
    assert sample("workers_rate_limited_seconds_total") == 0.75
    assert sample("workers_rate_limited") == 1

    metrics.paused({})
    metrics.limited(None, 0.0)
    assert sample("workers_partition_paused", {"topic": "numtest", "partition": "1"}) is None
    assert sample("workers_rate_limited") == 0
