"""Asks the leaders of a consumer's partitions about their logs. For the loop's thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka.errors import LeaderNotAvailableError

from workers.kafka import compat_logs
from workers.kafka.log_history import EpochEnd, Question, Validation, validate
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kafka import KafkaConsumer

    from workers.kafka.log_history import LogHistory


class LeaderLogs:
    """One look at the leaders in the client's metadata. Every question is one request for each broker, also for
    thousands of partitions.
    """

    def __init__(self, consumer: KafkaConsumer, partitions: Collection[TopicPartition], timeout_ms: int) -> None:
        """Asks nothing yet."""
        self._consumer = consumer
        self._timeout_ms = timeout_ms
        self._leaders: Mapping[Any, tuple[int, int]] = compat_logs.leaders(consumer, to_client(partitions))

    def have(self, partition: TopicPartition) -> bool:
        """Whether the partition has a leader. Of one that has none nothing can be asked."""
        return self._leaders[partition][0] >= 0

    def epoch(self, partition: TopicPartition) -> int:
        """The leader's epoch; -1: not known."""
        return self._leaders[partition][1]

    def starts(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The log starts.

        Raises:
            KafkaError: a leader did not answer.
        """
        if not partitions:
            return {}
        try:
            found: Mapping[TopicPartition, int] = self._consumer.beginning_offsets(
                to_client(partitions), timeout_ms=self._timeout_ms
            )
        except KeyError as error:
            # A leader was lost since, and the client has no answer for its partition.
            raise LeaderNotAvailableError(str(error)) from error
        return found

    def commits(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Any]:
        """The group's commits, in one request. Partitions without one are left out.

        Raises:
            KafkaError: the coordinator did not answer.
        """
        if not partitions:
            return {}
        found = compat_logs.committed_offsets(self._consumer, to_client(partitions), self._timeout_ms)
        return {TopicPartition(*partition): commit for partition, commit in found.items()}

    def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The log ends, open transactions and what is not replicated yet included. Partitions without an answer are left out.

        Raises:
            KafkaError: a leader did not answer.
        """
        asked = {partition: self.epoch(partition) for partition in partitions if self.epoch(partition) >= 0}
        return {partition: each.end for partition, each in self.epoch_ends(asked).items()}

    def validate(self, positions: Mapping[TopicPartition, tuple[LogHistory, int]]) -> dict[TopicPartition, Validation]:
        """Where the logs of these positions, each a history and an offset, and the leaders' part. See `validate`.

        Raises:
            KafkaError: a leader did not answer.
        """
        questions = {p: Question(history, offset, self.epoch(p)) for p, (history, offset) in positions.items()}
        found = validate(questions, self.epoch_ends)
        # Brokers before 2.4 give no epochs to clients: nothing can be validated there.
        unknown = {
            p: Validation(None) for p, each in questions.items() if not each.history.epochs and self.epoch(p) < 0
        }
        return found | unknown

    def epoch_ends(self, asked: Mapping[TopicPartition, int]) -> dict[TopicPartition, EpochEnd]:
        """Where the leaders' records of an epoch end: see `compat_logs.epoch_ends`.

        Raises:
            KafkaError: a leader refused this client.
        """
        found = compat_logs.epoch_ends(self._consumer, asked, self._leaders, self._timeout_ms) if asked else {}
        return {TopicPartition(*partition): EpochEnd(*answer) for partition, answer in found.items()}
