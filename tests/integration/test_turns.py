"""Partitions take turns, on a real client and a real broker: who is returned by which poll, and what a pause does to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.kafka_view import KafkaView
from workers.kafka import compat_turns, fetched_records

pytestmark = pytest.mark.integration

MOST = 100
Open = Callable[..., KafkaConsumer]


@pytest.fixture(scope="module")
def topic(stack: EmbeddedStack) -> Iterator[str]:
    """Three partitions: two with 5,000 records, one with ten."""
    view = KafkaView(stack.bootstrap_servers, "turns", "turns")
    view.admin.create_topics([NewTopic("turns", 3, 1)])
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    for partition, count in ((0, 5_000), (1, 5_000), (2, 10)):
        for number in range(count):
            producer.send("turns", b"%0100d" % number, partition=partition)
    producer.flush(30)
    producer.close()
    yield "turns"
    view.admin.delete_topics(["turns"])
    view.close()


@pytest.fixture
def opened(stack: EmbeddedStack, topic: str) -> Iterator[Open]:
    made: list[KafkaConsumer] = []

    def open_consumer(*, patched: bool = True, by_turns: bool = True) -> KafkaConsumer:
        consumer = KafkaConsumer(bootstrap_servers=stack.bootstrap_servers, group_id=None, auto_offset_reset="earliest")
        made.append(consumer)
        fetched_records.install(consumer)
        if patched:
            compat_turns.return_what_was_kept(consumer, by_turns=by_turns)
        consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
        return consumer

    yield open_consumer
    for each in made:
        each.close()


def poll(consumer: KafkaConsumer) -> dict[int, list[int]]:
    """The offsets of the next records, by partition."""
    found: Any = wait_until(lambda: consumer.poll(timeout_ms=500, max_records=MOST), 20, "records")
    return {tp.partition: offsets for tp, offsets in offsets_of(found).items()}


def offsets_of(found: Any) -> dict[TopicPartition, list[int]]:
    return {tp: [*records.offsets] for tp, records in fetched_records.from_poll(found).items()}


def test_a_busy_partition_is_not_returned_whole_before_the_others_and_nothing_is_left_out_or_returned_twice(
    opened: Open,
) -> None:
    consumer = opened()
    read: dict[int, list[int]] = {0: [], 1: [], 2: []}
    order: list[int] = []
    while sum(map(len, read.values())) < 10_010:
        for partition, found in poll(consumer).items():
            read[partition] += found
            order.append(partition)
    assert read == {0: [*range(5_000)], 1: [*range(5_000)], 2: [*range(10)]}
    # Of ten turns of each at the beginning, none waits for all of another.
    assert 2 in order[:20]
    assert {order[:20].count(0), order[:20].count(1)} <= set(range(5, 16)), order[:20]


@pytest.mark.slow
def test_the_client_by_itself_returns_one_partition_after_the_other(opened: Open) -> None:
    """Once this fails, there is nothing to mend any more."""
    consumer = opened(patched=False)
    order = [partition for _ in range(60) for partition in poll(consumer)]
    assert len({*order[:50]} - {2}) == 1, order


@pytest.mark.parametrize("by_turns", [True, False])
def test_what_was_fetched_of_a_partition_that_is_resumed_is_returned(opened: Open, by_turns: bool) -> None:
    consumer = opened(by_turns=by_turns)
    assert paused_in_the_middle(consumer) != {}


def test_the_client_by_itself_forgets_a_partition_that_is_resumed(opened: Open) -> None:
    """Once this fails, there is nothing to mend any more."""
    consumer = opened(patched=False)
    assert paused_in_the_middle(consumer) == {}


def paused_in_the_middle(consumer: KafkaConsumer) -> dict[TopicPartition, list[int]]:
    """Of the partition that was paused first, and resumed when all others were read to their end: the next records."""
    (first,) = poll(consumer)
    busy = TopicPartition("turns", first)
    consumer.pause(busy)
    ends = consumer.end_offsets([tp for tp in consumer.assignment() if tp != busy])
    while any(consumer.position(tp) < end for tp, end in ends.items()):
        assert first not in poll(consumer)
    # One more: nothing is left, and nobody is in line.
    assert consumer.poll(timeout_ms=200, max_records=MOST) == {}
    consumer.resume(busy)
    for _ in range(8):
        if found := offsets_of(consumer.poll(timeout_ms=500, max_records=MOST)):
            return found
    return {}


@pytest.mark.slow
def test_the_more_partitions_the_less_is_fetched_of_each(opened: Open) -> None:
    consumer = opened()
    compat_turns.limit_fetches(consumer, 30 * 1024)
    assert consumer._fetcher.config["max_partition_fetch_bytes"] == compat_turns.LEAST_FETCH_BYTES
    compat_turns.limit_fetches(consumer, 300 * 1024)
    assert consumer._fetcher.config["max_partition_fetch_bytes"] == 100 * 1024
    compat_turns.limit_fetches(consumer, 1 << 40)
    assert consumer._fetcher.config["max_partition_fetch_bytes"] == consumer.config["max_partition_fetch_bytes"]
    # It is what the requests ask for.
    compat_turns.limit_fetches(consumer, 0)
    found = sum(map(len, offsets_of(next_response(consumer)).values()))
    assert found < 5_000


def next_response(consumer: KafkaConsumer) -> Any:
    return wait_until(lambda: consumer.poll(timeout_ms=500, max_records=100_000), 20, "records")
