"""How one member of the model begins a topic: the real rules over the broker in memory. Mutants break them one by one."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping

from tests.support.fake_broker import FakeBroker
from workers.identity import TopicIdentity
from workers.kafka.beginning import Beginning
from workers.kafka.commit_mark import Commit, read_commit
from workers.kafka.left_out import LeftOut
from workers.kafka.log_history import LogHistory
from workers.kafka.record_epochs import epochs_before
from workers.kafka.topic_start import TopicStart
from workers.settings.start import EARLIEST
from workers.types import TopicPartition


class FakeStart:
    """`earliest` or `latest`."""

    def __init__(self, broker: FakeBroker, setting: str) -> None:
        self._broker, self._setting = broker, setting
        self._topic: TopicIdentity = broker.topic
        self._start = TopicStart()
        self._recreated = False
        self._generation = -1
        self._clock = itertools.count()
        self.assigned: set[TopicPartition] = set()
        self.held: set[TopicPartition] = set()
        """Assigned, and not read before a commit of the topic is seen."""

    def begin(self, topic: TopicIdentity, assigned: Collection[TopicPartition], generation: int) -> None:
        """A new assignment."""
        if topic != self._topic:
            self._topic, self._start, self._recreated = topic, TopicStart(), True
        self._start.forget()
        self._generation, self.assigned = generation, set(assigned)
        self.held = set() if self._setting == EARLIEST or self.sees() else set(assigned)

    def sees(self) -> bool:
        """Whether there is a commit."""
        return self._start.see(self.commits().values())

    def look(self) -> set[TopicPartition]:
        """What may be read from now on."""
        if not self.held:
            return set()
        if self.sees():
            released, self.held = self.held, set()
            return released
        if self.decides():
            self._start.decide(self._generation, self.to_decide(), self.ask, next(self._clock))
        return set()

    def decides(self) -> bool:
        return TopicPartition(self._topic.name, 0) in self.assigned

    def to_decide(self) -> Collection[TopicPartition]:
        return self.everything()

    def everything(self) -> list[TopicPartition]:
        return [TopicPartition(self._topic.name, number) for number in range(len(self._broker.partitions))]

    def take(self) -> dict[TopicPartition, int]:
        return self._start.take(self.to_decide(), next(self._clock)) if self.held else {}

    def ended(self, offsets: Mapping[TopicPartition, int]) -> None:
        for partition, offset in offsets.items():
            self._start.ended(partition, offset)

    def history(self, partition: TopicPartition) -> LogHistory:
        return self._start.history(partition)

    def commits(self) -> dict[TopicPartition, Commit | None]:
        found: dict[TopicPartition, Commit | None] = {}
        for partition in self.everything():
            offset = self._broker.committed.get(partition.partition)
            if offset is not None:
                metadata, epoch = self._broker.marks[partition.partition]
                commit = read_commit(offset, metadata, epoch, self._topic.uuid)
                found[partition] = None if commit.deleted_topic else commit
        return found

    def ask(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Beginning]:
        logs = {partition: self._broker.partitions[partition.partition] for partition in partitions}
        offsets = {p: log.beginning if self._recreated else log.end for p, log in logs.items()}
        epochs = epochs_before(
            {p: offset for p, offset in offsets.items() if offset > logs[p].beginning},
            {p: log.epoch for p, log in logs.items()},
            lambda asked: {p: logs[p].epoch_end(epoch) for p, epoch in asked.items()},
        )
        left_out = {p: LeftOut(0 if self._recreated else offset, self._setting) for p, offset in offsets.items()}
        return {
            p: Beginning(
                offset,
                LogHistory(
                    [epochs[p]] if p in epochs else [],
                    delivered_before=(logs[p].epoch, logs[p].end),
                    left_out=left_out[p],
                ),
            )
            for p, offset in offsets.items()
        }
