"""Moves a group to other offsets. Kafka takes that only while the group has no member."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka import OffsetAndMetadata
from kafka.admin import OffsetTimestamp
from kafka.errors import NoError

from workers.errors import BadUsageError, UnavailableError
from workers.kafka.admin import Admin
from workers.kafka.commit_mark import Commit, CommitMark, read_commit
from workers.kafka.group_move import Move
from workers.kafka.left_out import MOST_SKIPS
from workers.kafka.log_history import EpochEnd, LogHistory
from workers.kafka.partitions import to_client
from workers.kafka.record_epochs import epochs_before
from workers.settings.start import EARLIEST, LATEST
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from workers.kafka.group_description import GroupDescription
    from workers.kafka.group_move import Note
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.settings.start import Start

MOST_METADATA_BYTES = 4_000
"""Of a commit: brokers take 4,096 by default, and refuse more."""


class GroupMover(Admin):
    """A connection for `workers seek`."""

    def members(self) -> GroupDescription:
        """Those of the group of the settings, in all topics.

        Raises:
            UnavailableError: no broker answered, or this client is not authorized.
        """
        return self.group(self._settings.group)

    def destinations(
        self, start: Start, offsets: Mapping[TopicPartition, PartitionOffsets]
    ) -> dict[TopicPartition, int]:
        """By partition, the offset that `earliest`, `latest` or a time means now.

        Raises:
            UnavailableError: no broker answered.
        """
        if start.text == EARLIEST:
            return {partition: each.start for partition, each in offsets.items()}
        timestamp = start.timestamp(time.time())
        if start.text == LATEST or timestamp is None:
            return {partition: each.end for partition, each in offsets.items()}
        then = OffsetTimestamp(int(timestamp * 1000))
        found = self._ask(lambda: self._client.list_partition_offsets(dict.fromkeys(to_client(offsets), then)))
        # Nothing is that new: the end, which was asked for before.
        return {
            partition: max(each.start, min(found[partition].offset, each.end))
            if found[partition].offset >= 0
            else each.end
            for partition, each in offsets.items()
        }

    def move(self, topics: Collection[Topic], moves: Sequence[Move], note: Note) -> None:
        """Commit these offsets, of partitions of these topics, all in one request.

        Raises:
            BadUsageError: a commit has no room for another note.
            UnavailableError: Kafka refused, for example because a member has joined meanwhile, or did not answer.
        """
        group = self._settings.group
        partitions = to_client([move.partition for move in moves])
        commits = self._ask(lambda: self._client.list_group_offsets({group: partitions}))[group]
        by_name = {topic.identity.name: topic for topic in topics}
        epochs = {}
        for topic in topics:
            of_topic = [move for move in moves if move.partition.topic == topic.identity.name]
            epochs.update(self._epochs_before(topic, of_topic))
        marks: dict[Any, OffsetAndMetadata] = {}
        for partition, move in zip(partitions, moves, strict=True):
            uuid = by_name[move.partition.topic].identity.uuid
            found = commits.get(partition)
            commit = Commit(0, LogHistory(), marked=False)
            if found is not None and found.offset >= 0:
                read = read_commit(found.offset, found.metadata, found.leader_epoch, uuid)
                commit = commit if read.deleted_topic else read
            history = move.history(commit.history, marked=commit.marked, before=epochs.get(move.partition), note=note)
            metadata = str(CommitMark(uuid, history))
            if len(history.left_out.skips) > MOST_SKIPS or len(metadata.encode()) > MOST_METADATA_BYTES:
                raise BadUsageError(
                    f"{move.partition}: its commit has no room for another note; it has {len(commit.history.left_out.skips)} "
                    f"about records that Kafka still holds: seek back to the first of them, or use a shorter --because"
                )
            marks[partition] = OffsetAndMetadata(move.to, metadata, history.epoch_before(move.to))
        # Not again and again: a second request might find the group running.
        answers = self._ask(lambda: self._client.alter_group_offsets(group, marks), group="READ", doing="move")
        if refused := {TopicPartition(*each): error for each, error in answers.items() if error is not NoError}:
            partition, error = min(refused.items())
            raise UnavailableError(
                f"Kafka refused to move {len(refused)} of {len(marks)} partitions, {partition} for example: {error.__name__}"
                + ("; a member has joined the group: stop it first" if "Member" in error.__name__ else "")
            )

    def _epochs_before(self, topic: Topic, moves: Sequence[Move]) -> dict[TopicPartition, Any]:
        leaders = {partition: epoch for partition, (_, epoch) in topic.leaders.items()}

        def ask(epochs: Mapping[TopicPartition, int]) -> dict[TopicPartition, EpochEnd]:
            answers = self.epoch_ends(topic, epochs)
            return {TopicPartition(*partition): EpochEnd(*answer) for partition, answer in answers.items()}

        behind = {move.partition: move.to for move in moves if move.to > move.offsets.start}
        return epochs_before(behind, leaders, ask)
