"""The position of each partition: the committed offset, if it belongs to this log of the topic, or where the logs part.

The client's own positions are wrong in three cases, which this file handles: a topic that was deleted and recreated,
records that Kafka removed before they were read, and a log that was truncated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from kafka.errors import KafkaError

from workers.kafka import compat_logs
from workers.kafka.beginning import Leader, begin
from workers.kafka.client_errors import describe
from workers.kafka.commit_mark import Commit, CommitMark, read_commit
from workers.kafka.incarnations import Incarnations
from workers.kafka.leader_logs import LeaderLogs
from workers.kafka.log_history import UNKNOWN, Validation
from workers.kafka.partitions import from_client, to_client
from workers.kafka.position import Admitted, Fetch, Position
from workers.kafka.running_truncations import RunningTruncations
from workers.kafka.topic_starts import TopicStarts
from workers.log_fields import Action, of_partition, of_partitions
from workers.types import TopicPartition, Truncation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from kafka import KafkaConsumer

    from workers.identity import OffsetRange, TopicIdentity
    from workers.records import Records

log = structlog.get_logger()


class FetchPositions:
    """The positions in one consumer's assignment. For the loop's thread only."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        timeout: float,
        margin: int,
        on_records_lost: Callable[[TopicPartition, int, int], None],
        on_truncated: Callable[[TopicPartition, Truncation], None],
        starts: TopicStarts | None = None,
    ) -> None:
        """Args:
        timeout: seconds, for each question to the broker.
        margin: how far behind a commit, in offsets, records may be stored that were not committed.
        on_records_lost: called with the partition, the first offset and the number of records lost to retention.
        on_truncated: called once for each truncation of a log.
        starts: of the same consumer; None: every topic begins at its log start.
        """
        self._consumer = consumer
        self._timeout_ms = int(timeout * 1000)
        self._margin = margin
        self._on_records_lost = on_records_lost
        self._on_truncated = on_truncated
        self._incarnations = Incarnations(consumer)
        self._starts = starts or TopicStarts(consumer, self._timeout_ms)
        self._recreated: set[str] = set()
        """Topics of which no partition was begun since they were recreated."""
        self._positions: dict[TopicPartition, Position] = {}
        """Of the partitions that were admitted since the last rebalance."""
        self._truncations = RunningTruncations()
        self._failure = ""
        """What was logged last."""
        self.incarnations = 0
        """How often a topic was recreated, or a log was truncated, during the life of this consumer."""

    def forget(self) -> None:
        """Drop all positions: the assignment is a new one."""
        self._positions.clear()
        self._starts.forget()

    def take_skipped(self) -> dict[TopicPartition, int]:
        """Return, once, the position of each partition that lost records before it, or whose log was truncated; and where a
        topic begins that the group has never committed, of all its partitions.

        It is to be committed even if no record follows: every later owner would find the same again. After a rewind to
        it (`seek`) it is returned once more: it was not committed.
        """
        due = {
            p: each.commit_at
            for p, each in self._positions.items()
            # Without the topic's id, which the client may not have for a moment, there is no mark.
            if each.commit_due and each.commit_at is not None and p.topic in self._incarnations.there
        }
        for partition in due:
            self._positions[partition].commit_due = False
        return self._starts.take(self._incarnations.there) | due

    def given_up(self, partition: TopicPartition, offset: int) -> None:
        """A batch that was to commit this offset of a partition of somebody else was not written: see `TopicStarts.take`."""
        self._starts.ended(partition, offset, self._incarnations.id_of(partition.topic))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read the partition from this offset on. The leader epoch of the record before it goes along, to be validated."""
        position = self._positions.get(partition)
        self._starts.ended(partition, offset, self._incarnations.id_of(partition.topic))
        (client,) = to_client([partition])
        compat_logs.seek(self._consumer, client, offset, position.history.epoch_before(offset) if position else UNKNOWN)
        if position:
            position.seek(offset)

    def mark(self, partition: TopicPartition, offset: int) -> tuple[str, int]:
        """The metadata and the leader epoch to commit with this offset."""
        position, topic_id = self._positions.get(partition), self._incarnations.id_of(partition.topic)
        self._starts.ended(partition, offset, topic_id)
        history = position.history.before(offset) if position else self._starts.history(partition, topic_id)
        return str(CommitMark(topic_id or UUID(int=0), history)), history.epoch_before(offset)

    def to_compare(self, partition: TopicPartition, records: Records) -> tuple[OffsetRange, ...]:
        """See `PartitionBatch.reused`."""
        return self._positions[partition].history.to_compare(records.offsets[0], records.offsets[-1] + 1)

    def replaced(self, partition: TopicPartition, offsets: OffsetRange) -> None:
        """See `PartitionBatch.replaced`: the log that is not there any more may have gone on behind these offsets."""
        if position := self._positions.get(partition):
            position.history.reuse(offsets.first, offsets.end + self._margin)

    def topics(self) -> Mapping[str, TopicIdentity]:
        """The topics of the assignment, by name, as the client's metadata has them; those that do not exist are left out.

        Fetches go by name, so a recreated topic that has grown past the old positions would be read from there without
        any error. The client refreshes its metadata after a fetch of the deleted topic failed, and has the new id then.
        """
        recreated = self._incarnations.look({partition.topic for partition in self._consumer.assignment()})
        for name in sorted(recreated):
            self._starts.made_again(self._incarnations.there[name].uuid)
            log.warning(
                "the topic was deleted and recreated; reading it from the log start",
                action=Action.READ,
                topic=name,
                topic_id=str(self._incarnations.id_of(name)),
            )
        if recreated:
            self.forget()
            self._recreated |= recreated
            self.incarnations += 1
        return self._incarnations.there

    def admit(self, fetched: Fetch) -> Admitted:
        """Divide what was fetched of `topics`. Asks the broker about newly assigned partitions, about those whose leader has
        changed or that the client has moved by itself, and about gaps in the offsets.
        """
        assigned = {p for p in from_client(self._consumer.assignment()) if p.topic in self._incarnations.there}
        logs = LeaderLogs(self._consumer, assigned, self._timeout_ms)
        new = assigned - self._positions.keys()
        held = self._starts.hold(new, self._incarnations.there)
        known = {partition: records for partition, records in fetched.items() if partition in self._positions}
        moved = {p for p in assigned - new if self._positions[p].has_moved(logs.epoch(p), known.get(p))}
        for partition in moved & known.keys():
            self._positions[partition].dropped = True
            self._positions[partition].seen_epoch = known[partition].last_epoch
        known = {partition: records for partition, records in known.items() if partition not in moved}
        gaps = {p for p, records in known.items() if records.offsets[0] > self._positions[p].expected}
        # Without a leader nothing can be asked: those wait for an election, and the others do not wait for them.
        waiting = {p for p in new | gaps if not logs.have(p)} | held
        new, gaps, known = new - waiting, gaps - waiting, {p: each for p, each in known.items() if p not in waiting}
        if not (new or moved or gaps):
            return self._admit(known, {p: each for p, each in fetched.items() if p in waiting})
        try:
            starts = logs.starts(new | gaps)
            found = logs.commits(new)
            commits = {partition: self._read_commit(partition, found.get(partition)) for partition in new}
            positions = {p: (self._positions[p].history, self._positions[p].expected) for p in moved}
            positions |= {p: (commit.history, commit.offset) for p, commit in commits.items() if commit}
            validations = logs.validate(positions)
            ends = logs.ends([p for p, commit in commits.items() if not (commit and commit.marked)])
        except KafkaError as error:
            self._log_failure(new | moved | gaps, describe(error))
            records = {partition: each for partition, each in known.items() if partition not in gaps}
            return self._admit(records, {p: each for p, each in fetched.items() if p not in records and p not in moved})
        unanswered = (moved | {partition for partition, commit in commits.items() if commit}) - validations.keys()
        self._log_failure(unanswered, "the leaders did not answer" if unanswered else "")
        if self._truncations.find({p: self._positions[p] for p in moved}, validations):
            # All partitions begin again at their commits, in a new assignment epoch: what is in flight was read from the log
            # that was, and must not be committed over the one that is.
            self.forget()
            self.incarnations += 1
            return Admitted({}, {})
        for partition in moved & validations.keys():
            position = self._positions[partition]
            position.leader_epoch = logs.epoch(partition)
            if position.dropped:
                position.dropped = False
                self.seek(partition, position.expected)
        for partition in new:
            leader = Leader(starts[partition], ends.get(partition), logs.epoch(partition))
            if commits[partition] is None or partition in validations:
                self._begin(partition, commits[partition], leader, validations.get(partition, Validation(None)))
        self._recreated.difference_update(partition.topic for partition in new)
        self._truncations.keep({*from_client(self._consumer.assignment())} - self._positions.keys())
        for partition in gaps:
            # Most gaps are no loss: compaction and transaction markers leave offsets without a record.
            self._skip_to_log_start(partition, min(starts[partition], known[partition].offsets[0]))
        # `_begin` has sought the new partitions, so the client fetches their records from there.
        again = waiting | (new - self._positions.keys())
        return self._admit(known, {p: each for p, each in fetched.items() if p in again})

    def _admit(self, records: Fetch, redeliver: Fetch) -> Admitted:
        for partition, each in records.items():
            self._positions[partition].read(each, self._margin)
        return Admitted(records, redeliver)

    def _begin(self, partition: TopicPartition, commit: Commit | None, leader: Leader, validation: Validation) -> None:
        """Seek a new partition to its committed offset, to its log start, or to where the logs part.

        The client by itself keeps the position of a partition that it also had before the rebalance, though the records
        up to there may not be committed.
        """
        parted = self._truncations.read_of(partition)
        first, history, truncation = begin(commit, leader, validation, parted, self._margin)
        position = self._positions[partition] = Position(first, history, leader.epoch)
        if truncation:
            position.commit_at, position.commit_due = first, True
            self._on_truncated(partition, truncation)
        self._skip_to_log_start(partition, leader.start)
        self.seek(partition, position.expected)

    def _read_commit(self, partition: TopicPartition, committed: Any) -> Commit | None:
        """What the commit means for the topic that is there now; None: nothing."""
        # The broker drops the committed offsets of a topic that is deleted.
        topic_id = self._incarnations.id_of(partition.topic)
        if partition.topic in self._recreated or committed is None or committed.offset < 0 or topic_id is None:
            return None
        commit = read_commit(committed.offset, committed.metadata, committed.leader_epoch, topic_id)
        if commit.warning:
            log.warning(commit.warning, action=Action.READ, **of_partition(partition))
        return None if commit.deleted_topic else commit

    def _skip_to_log_start(self, partition: TopicPartition, start: int) -> None:
        """Expect no record before the log start, and report those that were not read as lost."""
        position = self._positions[partition]
        if start > position.expected:
            first, position.expected = position.expected, start
            position.commit_at, position.commit_due = start, True
            self._on_records_lost(partition, first, start - first)

    def _log_failure(self, partitions: Collection[TopicPartition], error: str) -> None:
        """Once, and not at every poll. Args: error: "" if nothing failed."""
        if error and error != self._failure:
            log.warning(
                "cannot read the committed offsets and log starts; trying again at the next poll",
                action=Action.READ,
                **of_partitions(partitions),
                error=error,
            )
        self._failure = error
