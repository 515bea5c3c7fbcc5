"""A transaction that its producer never ends: what is behind it is shown, with its age, by everything that has a figure.

Kafka has acknowledged those records and returns none of them, so lag and age of what can be read are 0.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from prometheus_client import generate_latest

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from workers.kafka.group_client import GroupClient
from workers.monitoring.lag_metrics import LagMetrics
from workers.monitoring.lag_poller import LagPoller
from workers.settings import Settings, load

pytestmark = pytest.mark.integration

AGE = 300
"""Seconds by which the first record of the transaction is older than it is."""
READ, BEHIND = 5, 40


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as workers:
        yield workers


@pytest.fixture
def settings(workers: PlainWorkers) -> Settings:
    return load(bootstrap_servers=workers.servers, topic=workers.topic, group=workers.group)


@pytest.fixture
def watch(settings: Settings) -> Iterator[LagPoller]:
    watch = LagPoller(settings)
    yield watch
    watch.close()


@pytest.fixture
def begin(workers: PlainWorkers) -> Iterator[Callable[..., KafkaProducer]]:
    """Begin a transaction with one record in partition 0, and leave it open."""
    producers = []

    def begun(**options: int) -> KafkaProducer:
        producer = KafkaProducer(bootstrap_servers=workers.servers, transactional_id=workers.topic)
        producers.append(producer)
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(workers.topic, b'{"number": 5}', partition=0, **options).get(30)
        return producer

    yield begun
    for producer in producers:
        with contextlib.suppress(Exception):
            producer.abort_transaction()
        producer.close(timeout=5)


def test_what_is_behind_an_open_transaction_is_shown_everywhere_and_is_stored_when_it_ends(
    workers: PlainWorkers, settings: Settings, watch: LagPoller, begin: Callable[..., KafkaProducer]
) -> None:
    workers.create(2)
    workers.numbers(0, 0, READ)
    workers.numbers(1, 100, READ)
    producer = begin(timestamp_ms=int((time.time() - AGE) * 1000))
    workers.numbers(0, READ + 1, BEHIND)
    workers.start()
    workers.wait_committed({0: READ, 1: READ})
    partition, unstable = workers.tp(0), 1 + BEHIND

    # Metrics, page: `workers lag`.
    snapshot = watch.take_snapshot()
    part = (snapshot.partitions or {})[partition]
    assert (part.records, part.seconds, part.end, part.high_watermark) == (0, 0.0, READ, READ + unstable)
    assert (part.unstable, part.unstable_source) == (unstable, "record")
    assert part.unstable_seconds == pytest.approx(AGE, abs=60)
    assert (snapshot.point.lag, snapshot.point.high_watermark) == (0, 2 * READ + unstable)
    series = scrape.parse(
        generate_latest(LagMetrics(workers.group, workers.topic, lambda: snapshot, lambda: 1.0).registry).decode()
    )
    for name, figure in {
        "kafka_topic_partition_current_offset": READ + unstable,
        "kafka_consumergroup_current_offset": READ,
        "kafka_consumergroup_lag": unstable,
        "workers_lag_records": 0,
        "workers_partition_last_stable_offset": READ,
        "workers_partition_unstable_records": unstable,
        "workers_partition_unknown": 0,
    }.items():
        assert scrape.total(series, name, partition="0") == figure, name
    assert scrape.total(series, "kafka_consumergroup_lag_sum") == unstable

    # Screen and JSON: `workers status`.
    status = json.loads(workers.command("status", "--json").stdout)
    (shown,) = status["group"]["open_transactions"]
    assert (shown["partition"], shown["first_offset"], shown["offsets"], shown["source"], shown["hanging"]) == (
        0, READ, unstable, "record", True,
    )  # fmt: skip
    assert (status["group"]["lag"], status["group"]["unstable"]) == (0, unstable)
    (problem,) = [each for each in status["problems"] if "transaction" in each]
    assert f"partition 0 of {workers.topic}: a transaction has been open at offset {READ} for" in problem
    assert f"transaction  partition 0: {unstable} unstable, open for 5m" in workers.command("status").stdout

    # The proof: `workers verify`.
    verdict = workers.verify()
    assert (verdict.code, verdict.total("unstable"), verdict.total("stored"), verdict.total("kafka")) == (
        0, unstable, 2 * READ, 2 * READ,
    )  # fmt: skip
    assert verdict.report["open_transactions"][0]["first_offset"] == READ
    told = workers.command("verify").stdout
    assert "every record is accounted for" not in told
    assert f"every record that can be read is accounted for; {unstable} are unstable" in told
    waited = workers.command("verify", "--wait", "3")
    assert waited.returncode == 1
    assert "a transaction has been open at offset 5 for" in waited.stderr

    # The watchdog: no worker is at fault.
    group = GroupClient(settings)
    try:
        assert (group.partition_offsets() or {})[partition].lag == 0
    finally:
        group.close()

    producer.commit_transaction()
    workers.wait_committed({0: READ + unstable, 1: READ})
    verdict = workers.verify("--wait", "30")
    assert (verdict.code, verdict.total("unstable"), verdict.total("stored")) == (0, 0, 2 * READ + unstable)
    assert verdict.report["open_transactions"] == []


def test_without_a_usable_timestamp_an_open_transaction_ages_since_it_was_seen_and_so_does_a_record_that_waits(
    workers: PlainWorkers, watch: LagPoller, begin: Callable[..., KafkaProducer]
) -> None:
    workers.create(2)
    ahead = int((time.time() + 1800) * 1000)
    workers.send(1, b'{"number": 1}', timestamp_ms=ahead)
    begin(timestamp_ms=ahead)

    first = watch.take_snapshot().partitions or {}
    assert (first[workers.tp(0)].unstable, first[workers.tp(0)].unstable_seconds) == (1, None), (
        "not known yet, and not 0"
    )

    def aged() -> bool:
        found = watch.take_snapshot().partitions or {}
        shown = found[workers.tp(0)]
        return (shown.unstable_seconds or 0) > 0.5 and (found[workers.tp(1)].seconds or 0) > 0.5

    wait_until(aged, 30, "both have an age")
    assert (watch.take_snapshot().partitions or {})[workers.tp(0)].unstable_source == "observed"


def test_a_marker_behind_the_last_record_is_not_waited_for(
    workers: PlainWorkers, begin: Callable[..., KafkaProducer]
) -> None:
    workers.create(1)
    begin().commit_transaction()
    workers.start()
    workers.wait_committed({0: 1})
    wait_until(lambda: workers.kafka.ends() == {0: 2}, 30, "the marker is written")

    begun = time.monotonic()
    verdict = workers.verify("--wait", "60")

    assert (verdict.code, verdict.total("stored"), verdict.total("pending")) == (0, 1, 0)
    assert time.monotonic() - begun < 30, "there is nothing to wait for"
