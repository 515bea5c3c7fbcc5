"""Asks Kafka at which offsets the partitions of a topic begin, for a `start`, and which leader epoch the record before each has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kafka.errors import LeaderNotAvailableError

from workers.kafka.beginning import NEVER, Beginning
from workers.kafka.left_out import LeftOut
from workers.kafka.log_history import LogHistory
from workers.kafka.partitions import to_client
from workers.kafka.record_epochs import epochs_before
from workers.settings.start import EARLIEST, LATEST, parse_start

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kafka import KafkaConsumer

    from workers.kafka.leader_logs import LeaderLogs
    from workers.types import TopicPartition


class StartOffsets:
    """One look. For the loop's thread only."""

    def __init__(self, consumer: KafkaConsumer, logs: LeaderLogs, timeout_ms: int, setting: str) -> None:
        self._consumer, self._logs, self._timeout_ms, self._setting = consumer, logs, timeout_ms, setting

    def __call__(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Beginning]:
        """By partition; those without a leader are left out.

        Raises:
            KafkaError: a leader did not answer.
        """
        asked = [partition for partition in partitions if self._logs.have(partition)]
        if not asked:
            return {}
        starts = self._logs.starts(asked)
        offsets = dict(starts) if self._setting == EARLIEST else self._resolve(asked)
        # Retention may have moved the log start in between.
        offsets = {partition: max(starts[partition], offsets[partition]) for partition in asked}
        epochs = epochs_before(
            {partition: offset for partition, offset in offsets.items() if offset > starts[partition]},
            {partition: self._logs.epoch(partition) for partition in asked},
            self._logs.epoch_ends,
        )
        ends, found = self._logs.ends(asked), {}
        for partition, offset in offsets.items():
            known = [epochs[partition]] if partition in epochs else []
            left_out = LeftOut(0 if self._setting == EARLIEST else offset, self._setting)
            # As for every group without a commit: what is there may have been delivered to an earlier one.
            known_end = partition in ends and self._logs.epoch(partition) >= 0
            before = (self._logs.epoch(partition), ends[partition]) if known_end else (NEVER, NEVER)
            history = LogHistory([*known], delivered_before=before, left_out=left_out)
            found[partition] = Beginning(offset, history)
        return found

    def _resolve(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        start = parse_start(self._setting)
        asked = to_client(partitions)
        try:
            # Before the times: a record that arrives in between is found by its time, and is not behind the end.
            ends: Mapping[Any, int] = self._consumer.end_offsets(asked, timeout_ms=self._timeout_ms)
            timestamp = start.timestamp(time.time())
            if start.text == LATEST or timestamp is None:
                return {partition: ends[partition] for partition in partitions}
            milliseconds = dict.fromkeys(asked, int(timestamp * 1000))
            times: Mapping[Any, Any] = self._consumer.offsets_for_times(milliseconds, timeout_ms=self._timeout_ms)
        except KeyError as error:
            # A leader was lost since, and the client has no answer for its partition.
            raise LeaderNotAvailableError(str(error)) from error
        return {p: ends[p] if times.get(p) is None else times[p].offset for p in partitions}
