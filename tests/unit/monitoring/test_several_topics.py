"""Metrics and log lines of a fleet of several topics: each has its topic and its route, and sums are by topic."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from prometheus_client import generate_latest

from tests.support.batches import batch_of, document
from tests.support.many_topics import EVERYTHING, PARTITIONS, ROUTES, TOPICS, look
from tests.support.scrape import parse
from workers.kafka.partition_offsets import PartitionOffsets
from workers.log_fields import of_partition, of_partitions
from workers.monitoring import logs
from workers.monitoring.lag import lag_snapshot
from workers.monitoring.lag_metrics import LagMetrics
from workers.monitoring.log_observer import LogObserver
from workers.monitoring.worker_metrics import WorkerMetrics
from workers.settings import Settings, load
from workers.settings.route import Route, RouteTable
from workers.types import RejectReason, TopicPartition, WriteResult

ORDERS, LINES = TopicPartition("orders", 1), TopicPartition("log.api", 3)


@pytest.fixture(autouse=True)
def _log_as_it_was():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def scraped(offsets=EVERYTHING, **facts):
    snapshot = lag_snapshot(1_000.0, look().group, offsets, {}, {}, **facts)
    metrics = LagMetrics("counters", "numtest", lambda: snapshot, lambda: None, ROUTES)
    return parse(generate_latest(metrics.registry).decode())


def test_the_lag_is_told_by_topic_with_its_route():
    offsets = EVERYTHING | {
        ORDERS: PartitionOffsets(0, 1_000, 400),
        TopicPartition("refunds", 0): PartitionOffsets(0, 9, None),
    }
    series = scraped(offsets)

    assert len(series["workers_lag_records"]) == len(PARTITIONS)
    whole = {"consumergroup": "counters", "topic": "orders", "partition": "1", "route": "orders"}
    assert (whole, 600) in series["workers_lag_records"]
    sums = {labels["topic"]: value for labels, value in series["kafka_consumergroup_lag_sum"]}
    assert sums == dict.fromkeys(TOPICS, 60) | {"orders": 650, "refunds": 50}
    assert {labels["route"] for labels, _ in series["workers_partition_unknown"]} == {"orders", "logs", "audit.eu"}


def test_a_topic_without_a_commit_takes_nothing_of_the_others_away():
    offsets = {**EVERYTHING, **{each: PartitionOffsets(0, 9, None) for each in PARTITIONS if each.topic == "refunds"}}
    told = {labels["topic"] for labels, _ in scraped(offsets)["kafka_consumergroup_current_offset"]}

    assert told == set(TOPICS) - {"refunds"}


def test_topics_that_are_not_read_are_series_of_their_own():
    series = scraped(missing=["later"], unroutable={"log.both": "two routes match it"})

    assert {labels["topic"] for labels, value in series["workers_topic_missing"] if value} == {"later"}
    assert {labels["topic"] for labels, value in series["workers_topic_unroutable"] if value} == {"log.both"}
    assert len(series["workers_topic_unroutable"]) == len(TOPICS) + 2
    assert "log.both" not in {labels["topic"] for labels, _ in series["workers_lag_records"]}


def test_a_worker_counts_by_topic_and_route_and_knows_its_series_beforehand():
    metrics = WorkerMetrics("numtest", ROUTES)

    def value(name, **labels):
        return metrics.registry.get_sample_value(name, labels)

    metrics.owns([ORDERS, LINES])
    assert value("workers_dead_letters_total", topic="log.api", reason="not_json", route="logs") == 0
    assert value("workers_partition_halted", topic="orders", partition="1", route="orders") == 0
    metrics.written(
        batch_of(document(0)), WriteResult({ORDERS: 5}, {LINES: 1}, {(LINES, RejectReason.NOT_JSON): 2}), 0.1
    )
    metrics.halted({LINES}, "")

    lines = {"topic": "log.api", "partition": "3", "route": "logs"}
    assert value("workers_records_total", topic="orders", partition="1", outcome="stored", route="orders") == 5
    assert value("workers_records_total", outcome="duplicate", **lines) == 1
    assert value("workers_dead_letters_total", topic="log.api", reason="not_json", route="logs") == 2
    assert value("workers_partition_halted", **lines) == 1
    metrics.owns([ORDERS])
    assert value("workers_partition_halted", **lines) is None, "another worker has it"
    metrics.owns([ORDERS, LINES])
    assert value("workers_partition_halted", **lines) == 1, "it stays halted until a restart"


def test_with_one_topic_no_series_has_a_route():
    metrics = WorkerMetrics("numtest", Settings().route_table)
    metrics.owns([TopicPartition("numtest", 0)])

    assert metrics.registry.get_sample_value("workers_partition_owned", {"topic": "numtest", "partition": "0"}) == 1
    assert metrics.registry.get_sample_value("workers_dead_letters_total", {"topic": "numtest", "reason": "empty"}) == 0


def test_the_fields_of_a_line_name_one_topic_or_each():
    assert of_partition(ORDERS) == {"topic": "orders", "partition": 1}
    assert of_partitions([ORDERS, TopicPartition("orders", 4)]) == {"topic": "orders", "partitions": "1,4"}
    assert of_partitions([ORDERS, LINES]) == {"partitions": "log.api:3 orders:1"}


@pytest.mark.parametrize("topics", [("orders",), ("orders", "lines")])
def test_a_line_about_nothing_of_kafka_names_a_topic_only_where_there_is_one(capsys, topics):
    logs.configure(load(log_format="json").with_routes(RouteTable([Route(topics=topics)])))
    observer = LogObserver()
    observer.rebalanced("assigned", {ORDERS})
    observer.owns([])

    about, empty = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (about["topic"], about["partitions"]) == ("orders", "1")
    assert empty.get("topic") == ("orders" if len(topics) == 1 else None)
