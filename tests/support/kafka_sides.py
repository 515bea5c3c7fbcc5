"""A topic and a group for the contract of the source: one side in memory, one on the real broker."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka import TopicPartition as ClientPartition

from tests.support.fake_broker import FakeBroker
from tests.support.fakes import FakeSource
from workers.identity import TopicIdentity
from workers.kafka.admin import Admin
from workers.kafka.options import group_member_options, open_consumer
from workers.kafka.source import KafkaSource
from workers.pauses import NO_PAUSES, Pause, Pauses
from workers.pipeline.loop import Source
from workers.pipeline.observer import NullObserver
from workers.settings import load
from workers.types import CommitResult, TopicPartition, Truncation

PATIENCE_SECONDS = 60.0
"""Longer than the client keeps its metadata."""
NUMBERS = itertools.count()


class Recorder(NullObserver):
    """What a source told its observer."""

    def __init__(self) -> None:
        self.joined = False
        self.owned: list[int] = []
        self.gone: list[tuple[int, int, int]] = []
        self.rebalances: list[str] = []
        self.truncations: list[Truncation] = []
        self.resting: list[int] = []
        """Paused partitions of which nothing is in flight."""

    def log_truncated(self, partition: TopicPartition, truncation: Truncation) -> None:
        self.truncations.append(truncation)

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        self.joined = True
        self.owned = sorted(tp.partition for tp in partitions)

    def paused(self, pauses: Mapping[TopicPartition, Pause]) -> None:
        self.resting = sorted(tp.partition for tp in pauses)

    def records_lost(self, partition: TopicPartition, first: int, count: int) -> None:
        self.gone.append((partition.partition, first, count))

    def rebalanced(self, event: str, partitions: Collection[TopicPartition]) -> None:
        if partitions:
            self.rebalances.append(event)


class Member:
    """A source with its observer, and what it has delivered."""

    def __init__(self, source: Source, told: Recorder, evict: Callable[[], object], topic: str) -> None:
        self.source = source
        self._topic = topic
        self.told = told
        self.evict = evict
        self.topics: set[TopicIdentity] = set()
        self.next_offsets: dict[int, int] = {}
        self.first_offsets: dict[int, int] = {}
        self.skipped: dict[int, int] = {}
        """What a poll of this assignment returned last that is to be committed though no record follows."""
        self._skipped_in = 0
        self.assignment_epoch = 0
        """Of what was fetched last."""

    def tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)

    def commit(self, next_offsets: Mapping[int, int], assignment_epoch: int | None = None) -> CommitResult:
        epoch = self.assignment_epoch if assignment_epoch is None else assignment_epoch
        return self.source.commit({self.tp(p): offset for p, offset in next_offsets.items()}, epoch)

    def rewind(self, first_offsets: Mapping[int, int], assignment_epoch: int | None = None) -> None:
        epoch = self.assignment_epoch if assignment_epoch is None else assignment_epoch
        self.source.rewind({self.tp(p): offset for p, offset in first_offsets.items()}, epoch)

    def halt(self, *partitions: int) -> None:
        self.source.halt({self.tp(partition) for partition in partitions})

    def poll(self, most: int = 100) -> list[tuple[int, bytes | None]]:
        """Partition and value of each record of one poll."""
        fetched = self.source.poll(most, wait=True)
        if self.source.assignment_epoch != self._skipped_in:
            self.skipped, self._skipped_in = {}, self.source.assignment_epoch
        if fetched is None:
            return []
        self.skipped = {p.partition: offset for p, offset in fetched.skipped.items()} or self.skipped
        self.topics.update(fetched.topics.values())
        self.assignment_epoch = fetched.assignment_epoch
        self.first_offsets = {p.partition: records[0].offset for p, records in fetched.records.items()}
        self.next_offsets = {p.partition: records[-1].offset + 1 for p, records in fetched.records.items()}
        return [(p.partition, record.value) for p, records in fetched.records.items() for record in records]

    def take(self, count: int, *others: Member) -> list[tuple[int, bytes | None]]:
        """Poll, the others too, until so many records are here; without this member's own commits."""
        taken: list[tuple[int, bytes | None]] = []
        offsets: dict[int, int] = {}

        def have_all() -> bool:
            taken.extend(self.poll())
            offsets.update(self.next_offsets)
            for other in others:
                other.poll()
            return len(taken) >= count

        wait(have_all, f"{count} records; there are {taken}")
        self.next_offsets = offsets
        return taken


class Orders:
    """What people pause, as every member sees it."""

    pauses = NO_PAUSES

    def pause(self, *partitions: int) -> None:
        """Args: partitions: none: everything."""
        topic = self.topic.name if partitions else None  # type: ignore[attr-defined]
        self.pauses = Pauses(tuple(Pause("a test", "ann@db1", 0.0, topic, each) for each in partitions or (None,)))

    def resume(self) -> None:
        self.pauses = Pauses()


class FakeKafka(Orders):
    def __init__(self, partitions: int) -> None:
        self.broker = FakeBroker(partitions)
        self._open: list[Member] = []

    @property
    def topic(self) -> TopicIdentity:
        return self.broker.topic

    def member(self, start: str = "earliest") -> Member:
        told = Recorder()
        source = FakeSource(self.broker, told, pauses=lambda: self.pauses, start=start)
        return Member(source, told, lambda: self.broker.remove(source.member), self.topic.name)

    def produce(self, partition: int, *values: bytes) -> None:
        for value in values:
            self.broker.append(partition, value)

    def abort(self, partition: int) -> None:
        self.broker.append_gap(partition)

    def grow(self) -> None:
        self.broker.add_partition()

    def committed(self) -> dict[int, int]:
        return dict(self.broker.committed)

    def recreate(self) -> None:
        self.broker.recreate()

    def expire(self, partition: int, before: int) -> None:
        self.broker.expire(partition, before)

    def close(self) -> None: ...


class RealKafka(Orders):
    """A topic and a group of its own on the embedded broker."""

    def __init__(self, stack: Any, partitions: int) -> None:
        name = f"contract-{next(NUMBERS)}"
        self.settings = load(
            bootstrap_servers=stack.bootstrap_servers,
            topic=name,
            group=name,
            session_timeout=10,
            heartbeat_interval=0.2,
        )
        self._partitions = partitions
        self._admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
        self._producers: dict[str | None, KafkaProducer] = {}
        self._open: list[KafkaSource] = []
        self._create()

    @property
    def topic(self) -> TopicIdentity:
        found: list[TopicIdentity] = []

        def there() -> bool:
            with Admin(self.settings) as admin:
                found.extend(topic.identity for topic in [admin.topic(self.settings.topic)] if topic)
            return bool(found)

        # A broker may take a moment until it shows what it has just made.
        wait(there, "the topic is there")
        return found[0]

    def member(self, start: str = "earliest") -> Member:
        told, ids = Recorder(), [""]
        settings = self.settings.model_copy(update={"start": start})
        source = KafkaSource(
            settings,
            open_consumer(settings, group_member_options(settings)),
            told,
            lambda: False,
            ids.append,
            lambda: self.pauses,
        )
        self._open.append(source)

        def evict() -> None:
            with Admin(self.settings) as admin:
                assert admin.evict(self.settings.group, ids[-1])

        return Member(source, told, evict, self.settings.topic)

    def produce(self, partition: int, *values: bytes) -> None:
        producer = self._producer(None)
        for sent in [producer.send(self.settings.topic, value, partition=partition) for value in values]:
            sent.get(PATIENCE_SECONDS)

    def abort(self, partition: int) -> None:
        producer = self._producer(self.settings.topic)
        producer.begin_transaction()
        producer.send(self.settings.topic, b'{"aborted": true}', partition=partition).get(PATIENCE_SECONDS)
        producer.abort_transaction()

    def grow(self) -> None:
        self._partitions += 1
        self._admin.create_partitions({self.settings.topic: self._partitions})
        self._forget_producers()

    def committed(self) -> dict[int, int]:
        return {partition: found.offset for partition, found in self.commits().items() if found.offset >= 0}

    def commits(self) -> dict[int, Any]:
        found = self._admin.list_group_offsets(self.settings.group)[self.settings.group]
        return {tp.partition: commit for tp, commit in found.items() if tp.topic == self.settings.topic}

    def recreate(self) -> None:
        before = self.topic
        self._admin.delete_topics([self.settings.topic])
        self._forget_producers()
        wait(self._create, "the topic is made again")
        wait(lambda: self.topic != before, "the broker serves the new topic")

    def expire(self, partition: int, before: int) -> None:
        self._admin.delete_records({ClientPartition(self.settings.topic, partition): before})

    def close(self) -> None:
        for source in self._open:
            source.close()
        self._forget_producers()
        self._admin.close()

    def _create(self) -> bool:
        with Admin(self.settings) as admin:
            return admin.create_topic(self.settings.topic, self._partitions)

    def _producer(self, transactional_id: str | None) -> KafkaProducer:
        if transactional_id not in self._producers:
            producer = KafkaProducer(
                bootstrap_servers=self.settings.bootstrap_servers, transactional_id=transactional_id
            )
            if transactional_id:
                producer.init_transactions()
            self._producers[transactional_id] = producer
        return self._producers[transactional_id]

    def _forget_producers(self) -> None:
        for producer in self._producers.values():
            producer.close(timeout=5)
        self._producers.clear()


def wait(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
