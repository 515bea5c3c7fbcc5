"""The position of each partition: the committed offset, if it belongs to this incarnation of the topic, or the log start.

The client's own positions are wrong in two cases, which this file handles: a topic that was deleted and recreated, and
records that Kafka removed before they were read.
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
"""What the client's poll returned. Its own partition tuple is equal to ours."""


class Admitted(NamedTuple):
    """What a poll returned, divided in two."""

    records: Mapping[TopicPartition, Sequence[Record]]
    """They are at the right position, and can be decoded."""
    redeliver: Mapping[TopicPartition, Sequence[Record]]
    """To rewind to: the broker has not yet answered which position is right."""


@dataclass(slots=True)
class _Position:
    """One partition since the last rebalance."""

    expected: int
    """The offset of its next record, if there is no gap."""
    loss_end: int | None = None
    """Its log start, if records before that were lost."""
    loss_uncommitted: bool = False
    """Whether `loss_end` is still to be returned by `take_skipped`, and committed."""


class FetchPositions:
    """The positions in one consumer's assignment. For the loop's thread only."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        topic: str,
        timeout: float,
        on_records_lost: Callable[[TopicPartition, int, int], None],
    ) -> None:
        """Args:
        timeout: seconds, for each question to the broker.
        on_records_lost: called with the partition, the first offset and the number of records lost to retention.
        """
        self._consumer = consumer
        self._topic = topic
        self._timeout_ms = int(timeout * 1000)
        self._on_records_lost = on_records_lost
        self._recreated = False
        self._positions: dict[TopicPartition, _Position] = {}
        """Of the partitions that were admitted since the last rebalance."""
        self.topic_id: UUID | None = None
        self.incarnations = 0
        """How often the topic was recreated during the life of this consumer."""

    def forget(self) -> None:
        """Drop all positions: the assignment is a new one."""
        self._positions.clear()

    def take_skipped(self) -> dict[TopicPartition, int]:
        """Return, once, the log start of each partition that lost records before it.

        It is to be committed even if no record follows: every later owner would count the loss again. After a rewind to
        it (`on_seek`) it is returned once more: it was not committed.
        """
        skipped = {
            partition: each.loss_end
            for partition, each in self._positions.items()
            if each.loss_uncommitted and each.loss_end is not None
        }
        for partition in skipped:
            self._positions[partition].loss_uncommitted = False
        return skipped

    def on_seek(self, partition: TopicPartition, offset: int) -> None:
        """The client now reads the partition from this offset on."""
        if position := self._positions.get(partition):
            # A rewind to records after a gap that is not explained yet: the next poll must find the gap again.
            position.expected = min(position.expected, offset)
            if position.loss_end == offset:
                position.loss_uncommitted = True

    def incarnation(self) -> TopicIdentity | None:
        """The topic in the client's metadata; None while the topic does not exist.

        Fetches go by name, so a recreated topic that has grown past the old positions would be read from there without
        any error. The client refreshes its metadata after a fetch of the deleted topic failed, and has the new id then.
        """
        topic_id = compat.topic_id(self._consumer, self._topic)
        if topic_id is None:
            return None
        if self.topic_id not in (None, topic_id):
            log.warning(
                "the topic was deleted and recreated; reading it from the log start",
                action=Action.READ,
                topic_id=str(topic_id),
            )
            self.forget()
            self._recreated = True
            self.incarnations += 1
        self.topic_id = topic_id
        return TopicIdentity(self._topic, topic_id)

    def admit(self, fetched: Fetch) -> Admitted:
        """Divide what was fetched. Asks the broker about newly assigned partitions, and about gaps in the offsets."""
        new = set(from_client(self._consumer.assignment())) - self._positions.keys()
        known = {partition: records for partition, records in fetched.items() if partition in self._positions}
        gaps = {p for p, records in known.items() if records[0].offset > self._positions[p].expected}
        records = {partition: each for partition, each in known.items() if partition not in gaps}
        # The rest waits for its election, and is asked for at a later poll.
        asked = {partition for partition in to_client(new | gaps) if compat.has_leader(self._consumer, partition)}
        if asked:
            try:
                # One request to each leader, and one to the coordinator: never one for each partition.
                starts = self._consumer.beginning_offsets(asked, timeout_ms=self._timeout_ms)
                begun = [partition for partition in asked if partition in new]
                found = compat.committed_offsets(self._consumer, begun, self._timeout_ms)
                commits = {TopicPartition(*partition): found.get(partition) for partition in begun}
            except (KafkaError, KeyError) as error:
                # KeyError: a leader was lost since `has_leader`, and the client has no answer for its partition.
                log.warning(
                    "cannot read the committed offsets and log starts; trying again at the next poll",
                    action=Action.READ,
                    partitions=listed(TopicPartition(*partition) for partition in asked),
                    error=describe(error),
                )
            else:
                self._begin(starts, commits)
                for partition in gaps & asked:
                    # Most gaps are no loss: compaction and transaction markers leave offsets without a record.
                    self._skip_to_log_start(partition, min(starts[partition], known[partition][0].offset))
                # `_begin` has sought the new partitions, so the client fetches their records from there.
                without_leader = gaps - asked
                return self._admit(
                    {partition: each for partition, each in known.items() if partition not in without_leader},
                    {partition: known[partition] for partition in without_leader},
                )
        return self._admit(records, {p: each for p, each in fetched.items() if p not in records})

    def _admit(
        self, records: Mapping[TopicPartition, Sequence[Record]], redeliver: Mapping[TopicPartition, Sequence[Record]]
    ) -> Admitted:
        for partition, each in records.items():
            self._positions[partition].expected = each[-1].offset + 1
        return Admitted(records, redeliver)

    def _begin(self, starts: Mapping[TopicPartition, int], commits: Mapping[TopicPartition, Any]) -> None:
        """Seek each new partition to its committed offset, or to its log start.

        The client by itself keeps the position of a partition that it also had before the rebalance, though the records
        up to there may not be committed.
        """
        for partition, committed in commits.items():
            if self._recreated or committed is None or committed.offset < 0:
                # The broker drops the committed offsets of a topic that is deleted.
                first = starts[partition]
            elif committed.metadata in ("", str(self.topic_id)):
                # Without metadata: set by an operator or another tool, for the current topic.
                first = committed.offset
            else:
                log.warning(
                    "the committed offset belongs to a deleted topic of this name; reading from the log start",
                    action=Action.READ,
                    partition=partition.partition,
                )
                first = starts[partition]
            self._positions[partition] = _Position(first)
            self._skip_to_log_start(partition, starts[partition])
            (client,) = to_client([partition])
            self._consumer.seek(client, self._positions[partition].expected)
        self._recreated = False

    def _skip_to_log_start(self, partition: TopicPartition, start: int) -> None:
        """Expect no record before the log start, and report those that were not read as lost."""
        position = self._positions[partition]
        if start > position.expected:
            first, position.expected = position.expected, start
            position.loss_end, position.loss_uncommitted = start, True
            self._on_records_lost(partition, first, start - first)
