"""Where each partition must be read: the committed offset, if it counts in this incarnation of the topic, or the start.

The client has positions of its own, and they are right nearly always. This file is about the rest: a topic that was
deleted and made again, and records that Kafka removed before they were read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from kafka.errors import KafkaError

from workers.kafka import compat
from workers.kafka.client_errors import describe
from workers.kafka.partitions import from_client, to_client
from workers.log_fields import Action, listed
from workers.types import TopicIdentity, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from kafka import KafkaConsumer

    from workers.types import Record

log = structlog.get_logger()

Fetch = dict[TopicPartition, list[Any]]
"""What the client's poll returned. Its own partition tuple equals ours."""


class Admitted(NamedTuple):
    """What a poll returned, sorted."""

    records: Mapping[TopicPartition, Sequence[Record]]
    """May be used."""
    redeliver: Mapping[TopicPartition, Sequence[Record]]
    """Must be fetched again, once it is known where their partitions begin."""


@dataclass(slots=True)
class _Position:
    """One partition since the last rebalance."""

    expected: int
    """The offset that its next record should have."""
    loss_end: int | None = None
    """The start of its log, where records before it were lost."""
    loss_uncommitted: bool = False
    """Whether nobody has taken that yet, to commit it."""


class FetchPositions:
    """What is expected of the partitions that one consumer has. Forgotten at every rebalance. For the loop's thread only."""

    def __init__(
        self, consumer: KafkaConsumer, topic: str, timeout: float, lost: Callable[[TopicPartition, int, int], None]
    ) -> None:
        """Args: lost: told the partition, the first offset and the number of records that were lost to retention."""
        self._consumer = consumer
        self._topic = topic
        self._timeout_ms = int(timeout * 1000)
        self._lost = lost
        self._recreated = False
        self._positions: dict[TopicPartition, _Position] = {}
        """Of the partitions that were admitted since the last rebalance."""
        self.topic_id: UUID | None = None
        self.incarnations = 0
        """How often the topic was made again under this consumer."""

    def forget(self) -> None:
        """The assignment is a new one."""
        self._positions.clear()

    def take_skipped(self) -> dict[TopicPartition, int]:
        """By partition: the start of its log, where records before it were lost and this was not taken yet.

        They are committed even if nothing follows them: every later owner would count them again. A rewind to there
        makes one be taken again (`moved`): what was to be committed was not.
        """
        skipped = {
            partition: each.loss_end
            for partition, each in self._positions.items()
            if each.loss_uncommitted and each.loss_end is not None
        }
        for partition in skipped:
            self._positions[partition].loss_uncommitted = False
        return skipped

    def moved(self, partition: TopicPartition, offset: int) -> None:
        """The client was told to go on from here."""
        if position := self._positions.get(partition):
            # Behind a gap that nobody could look at yet, the client is further than what is expected.
            position.expected = min(position.expected, offset)
            if position.loss_end == offset:
                position.loss_uncommitted = True

    def incarnation(self) -> TopicIdentity | None:
        """The topic as the client's metadata has it now; None while it is gone.

        Fetches go by name, so a topic that was deleted and made again goes on under the old positions without any
        error if it has grown past them. The metadata, refreshed by the client after a fetch of a deleted topic
        failed, has the new id.
        """
        topic_id = compat.topic_id(self._consumer, self._topic)
        if topic_id is None:
            return None
        if self.topic_id not in (None, topic_id):
            log.warning(
                "the topic was deleted and made again: reading it from its beginning",
                action=Action.READ,
                topic_id=str(topic_id),
            )
            self.forget()
            self._recreated = True
            self.incarnations += 1
        self.topic_id = topic_id
        return TopicIdentity(self._topic, topic_id)

    def admit(self, fetched: Fetch) -> Admitted:
        """Sort what was fetched. Asks the broker about partitions that are new, and about gaps in the offsets."""
        new = set(from_client(self._consumer.assignment())) - self._positions.keys()
        known = {partition: records for partition, records in fetched.items() if partition in self._positions}
        gaps = {p for p, records in known.items() if records[0].offset > self._positions[p].expected}
        records = {partition: each for partition, each in known.items() if partition not in gaps}
        if new or gaps:
            try:
                starts = self._consumer.beginning_offsets(to_client(new | gaps), timeout_ms=self._timeout_ms)
                commits = {partition: self._committed(partition) for partition in new}
            except KafkaError as error:
                log.warning(
                    "cannot read the offsets yet",
                    action=Action.READ,
                    partitions=listed(new | gaps),
                    error=describe(error),
                )
            else:
                self._begin(starts, commits)
                for partition in gaps:
                    # Most gaps are no loss: compaction and transaction markers leave offsets without a record.
                    self._pass_over(partition, min(starts[partition], known[partition][0].offset))
                # The client was moved to where new partitions begin: what it had of them is fetched again by itself.
                return self._used(known, {})
        return self._used(records, {partition: each for partition, each in fetched.items() if partition not in records})

    def _used(
        self, records: Mapping[TopicPartition, Sequence[Record]], redeliver: Mapping[TopicPartition, Sequence[Record]]
    ) -> Admitted:
        for partition, each in records.items():
            self._positions[partition].expected = each[-1].offset + 1
        return Admitted(records, redeliver)

    def _begin(self, starts: Mapping[TopicPartition, int], commits: Mapping[TopicPartition, Any]) -> None:
        """Seek each new partition to its committed offset, or to the start of its log.

        The client keeps the position of a partition that it had before the rebalance, though what it read may not be
        committed.
        """
        for partition, committed in commits.items():
            if self._recreated or committed is None or committed.offset < 0:
                # The broker forgets the commits of a topic that it deletes.
                first = starts[partition]
            elif committed.metadata in ("", str(self.topic_id)):
                # Without metadata it was set by a person or another tool, for the topic as it is.
                first = committed.offset
            else:
                log.warning(
                    "the commit is of a deleted topic: reading from the beginning",
                    action=Action.READ,
                    partition=partition.partition,
                )
                first = starts[partition]
            self._positions[partition] = _Position(first)
            self._pass_over(partition, starts[partition])
            (client,) = to_client([partition])
            self._consumer.seek(client, self._positions[partition].expected)
        self._recreated = False

    def _committed(self, partition: TopicPartition) -> Any:
        (client,) = to_client([partition])
        return self._consumer.committed(client, metadata=True, timeout_ms=self._timeout_ms)

    def _pass_over(self, partition: TopicPartition, start: int) -> None:
        """Expect nothing before the start of the log, and tell of records that nobody read there."""
        position = self._positions[partition]
        if start > position.expected:
            first, position.expected = position.expected, start
            position.loss_end, position.loss_uncommitted = start, True
            self._lost(partition, first, start - first)
