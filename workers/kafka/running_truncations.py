"""Truncations of logs under a running worker: which offsets it has read of a log that is not there any more. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.identity import OffsetRange

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from workers.kafka.log_history import Validation
    from workers.kafka.position import Position
    from workers.types import TopicPartition


class RunningTruncations:
    """By partition: where its log was truncated, and up to where this worker had read it. Kept until the partition begins
    again, which may take several new assignments: it may have no leader.
    """

    def __init__(self) -> None:
        self._read: dict[TopicPartition, OffsetRange] = {}

    def find(
        self, positions: Mapping[TopicPartition, Position], validations: Mapping[TopicPartition, Validation]
    ) -> bool:
        """Add the logs that were truncated before these positions; whether there are any.

        Args: validations: of the positions that were compared with their leaders' logs.
        """
        found = {
            p: each.divergence for p, each in validations.items() if p in positions and each.divergence is not None
        }
        for partition, divergence in found.items():
            expected = positions[partition].expected
            before = self._read.get(partition, OffsetRange(expected, expected))
            self._read[partition] = OffsetRange(min(divergence, before.first), max(expected, before.end))
        return bool(found)

    def read_of(self, partition: TopicPartition) -> OffsetRange | None:
        """From where the log was truncated to where it had been read; None: it was not."""
        return self._read.get(partition)

    def keep(self, partitions: Container[TopicPartition]) -> None:
        """Forget those of all other partitions: they have begun again, or another worker has them."""
        self._read = {partition: each for partition, each in self._read.items() if partition in partitions}
