"""New records as they arrive, each once, when it is known what became of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition
    from workers.verification.peek import Peek
    from workers.verification.record_outcomes import Peeked

PATIENCE_SECONDS = 3.0
"""A record that the group has not committed after so long is shown as pending: a fleet that works is faster."""


class Follower:
    """Looks for what is new since the last look. It shows no more than `most` records of one look: the newest."""

    def __init__(self, peek: Peek, most: int, partition: int | None = None) -> None:
        """Args: partition: the only one to look at; None: all, also those that the topic gets later."""
        self._peek, self._most, self._partition = peek, most, partition
        self._shown: dict[TopicPartition, int] = {}
        """By partition: the offset from which on nothing was shown yet."""
        self._ends: dict[TopicPartition, deque[tuple[float, int]]] = {}
        """The ends of the log at the looks of the last seconds."""

    def start(self, offsets: dict[TopicPartition, PartitionOffsets]) -> None:
        """What is in the log now is not new."""
        self._shown = {partition: each.end for partition, each in offsets.items()}

    def look(self, now: float) -> tuple[list[Peeked], int]:
        """The new records, oldest first, and how many offsets are passed over. Args: now: of a clock that only goes forward.

        Raises:
            UnavailableError: Kafka or the sink did not answer. The next look goes on where this one began.
        """
        offsets = self._peek.offsets(self._partition)
        until = {partition: self._known_until(partition, each, now) for partition, each in offsets.items()}
        ranges = {}
        for partition, each in offsets.items():
            # A log that ends before was truncated, or its topic made again.
            first = min(self._shown.get(partition, each.start), each.end)
            if first < until[partition]:
                ranges[partition] = (first, until[partition])
        found = self._peek.newest(ranges, self._most, offsets) if ranges else []
        self._shown |= {partition: min(until[partition], each.end) for partition, each in offsets.items()}
        passed = sum(end - first for first, end in ranges.values()) - len(found)
        return found, max(0, passed) if len(found) == self._most else 0

    def _known_until(self, partition: TopicPartition, each: PartitionOffsets, now: float) -> int:
        """The offset up to which it is known what became of the records, or was waited for long enough."""
        ends = self._ends.setdefault(partition, deque())
        ends.append((now, each.end))
        waited = self._shown.get(partition, each.start)
        while ends and now - ends[0][0] >= PATIENCE_SECONDS:
            waited = max(waited, ends.popleft()[1])
        return min(each.end, max(waited, each.next_offset))
