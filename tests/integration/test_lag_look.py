"""One look of `workers lag` at a real Kafka: transactions, retention, an old record, and a record that nobody can read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from workers.monitoring.lag import PartitionLag
from workers.monitoring.lag_poller import LagPoller
from workers.settings import load

pytestmark = pytest.mark.integration

OLD = 1_600_000_000


@pytest.fixture
def topic(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as topic:
        yield topic


@pytest.fixture
def watch(topic: PlainWorkers) -> Iterator[LagPoller]:
    watch = LagPoller(load(bootstrap_servers=topic.servers, topic=topic.topic, group=topic.group, lag_interval=1))
    # It waits for the group's coordinator, which a new broker has not at once.
    watch.take_snapshot()
    yield watch
    watch.close()


def test_the_age_is_of_the_record_at_the_committed_offset_whatever_follows(
    topic: PlainWorkers, watch: LagPoller
) -> None:
    topic.create(2)
    for age in (300, 200, 100):
        topic.send(0, b"{}", timestamp_ms=int((time.time() - age) * 1000))
    topic.send(1, b"x" * 500_000, timestamp_ms=OLD * 1000)

    for committed, age in ((0, 300), (1, 200), (2, 100), (1, 200)):
        topic.commit({0: committed})
        part = (watch.take_snapshot().partitions or {})[topic.tp(0)]
        assert (part.records, part.committed, part.headroom) == (3 - committed, committed, committed)
        assert part.seconds == pytest.approx(age, abs=30)
    topic.commit({0: 3})
    parts = watch.take_snapshot().partitions or {}
    assert (parts[topic.tp(0)].records, parts[topic.tp(0)].seconds) == (0, 0.0)
    assert parts[topic.tp(1)].seconds == pytest.approx(time.time() - OLD, abs=30), (
        "nothing is committed there, and it is larger"
    )
    assert (parts[topic.tp(1)].committed, parts[topic.tp(1)].headroom, parts[topic.tp(1)].owner) == (None, None, None)


def test_a_marker_is_an_offset_and_no_record(topic: PlainWorkers, watch: LagPoller) -> None:
    topic.create(1)
    producer = KafkaProducer(bootstrap_servers=topic.servers, transactional_id=topic.topic)
    try:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic.topic, b"{}", partition=0)
        producer.commit_transaction()
    finally:
        producer.close(timeout=5)
    topic.commit({0: 1})

    def marked() -> PartitionLag | None:
        part = (watch.take_snapshot().partitions or {})[topic.tp(0)]
        return part if part.end == 2 else None

    # The broker writes a marker after it has answered.
    part = wait_until(marked, 20, "the transaction is over")
    assert part is not None
    assert (part.records, part.readable, part.seconds, part.unstable) == (1, 0, 0.0, 0)


def test_what_retention_took_is_below_zero_and_a_topic_may_be_absent(topic: PlainWorkers, watch: LagPoller) -> None:
    assert watch.take_snapshot().partitions is None
    topic.create(1)
    topic.numbers(0, 0, 10)
    topic.commit({0: 3})
    topic.delete_records(0, 7)

    part = (watch.take_snapshot().partitions or {})[topic.tp(0)]
    assert (part.start, part.committed, part.end, part.headroom, part.records) == (7, 3, 10, -4, 3)
    assert part.seconds == pytest.approx(0, abs=30)


def test_a_record_that_is_corrupt_makes_no_other_partition_unknown(
    topic: PlainWorkers, watch: LagPoller, stack: EmbeddedStack
) -> None:
    topic.create(3)
    for partition in range(3):
        topic.send(partition, b"x" * 1_000, timestamp_ms=int((time.time() - 300) * 1000))
    (log,) = (stack.tree / "var/stack/data/kafka").glob(f"{topic.topic}-0/*.log")
    with log.open("r+b") as file:
        file.seek(500)
        file.write(b"y")

    def ages() -> dict[int, float | None]:
        return {tp.partition: part.seconds for tp, part in (watch.take_snapshot().partitions or {}).items()}

    found = ages()
    assert found[0] is None, "it cannot be read"
    assert [found[1], found[2]] == [pytest.approx(300, abs=30)] * 2
    again = watch.take_snapshot().point
    assert again.seconds == pytest.approx(300, abs=30)
    assert ages()[0] == pytest.approx(0, abs=60), "how long it was seen to wait: it does not stand still unseen"
