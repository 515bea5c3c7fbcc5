"""Partitions of a topic that no route can have are halted, and told of, in whichever assignment they come."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition as ClientPartition

from workers.kafka.halted_partitions import HaltedPartitions
from workers.settings.route import Route, RouteTable
from workers.types import TopicPartition

ROUTES = RouteTable((Route(name="logs", topic_pattern=r"log\..*"), Route(name="eu", topic_pattern=r".*\.eu")))


class Consumer:
    def __init__(self) -> None:
        self.owned: set[Any] = set()
        self.paused: set[Any] = set()

    def assign(self, *partitions: tuple[str, int]) -> None:
        """A new assignment: no pause outlives it."""
        self.owned, self.paused = {ClientPartition(*each) for each in partitions}, set()

    def assignment(self) -> set[Any]:
        return self.owned

    def pause(self, *partitions: Any) -> None:
        self.paused |= set(partitions)


class Told:
    def __init__(self) -> None:
        self.halts: list[tuple[set[TopicPartition], str]] = []

    def halted(self, partitions: set[TopicPartition], reason: str) -> None:
        self.halts.append((partitions, reason))


def test_each_partition_of_it_is_told_once_and_paused_always() -> None:
    consumer, told = Consumer(), Told()
    halted = HaltedPartitions(consumer, ROUTES, told)  # type: ignore[arg-type]
    consumer.assign(("log.a.eu", 0), ("log.a", 0))
    halted.assigned()
    consumer.assign(("log.a.eu", 0), ("log.a.eu", 3), ("log.a", 1))
    halted.assigned()

    assert [partitions for partitions, _ in told.halts] == [
        {TopicPartition("log.a.eu", 0)},
        {TopicPartition("log.a.eu", 3)},
    ]
    assert told.halts[0][1].startswith("the routes logs and eu both match it; correct WORKERS_ROUTES")
    assert consumer.paused == {("log.a.eu", 0), ("log.a.eu", 3)}
    assert TopicPartition("log.a.eu", 3) in halted
    assert TopicPartition("log.a", 1) not in halted
