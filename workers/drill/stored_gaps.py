"""The gaps of each partition: from the last record that was stored before its owner changed to the first one after. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.records import Record
    from workers.state.progress import Stored, WorkerProgress
    from workers.types import TopicPartition


class Gap(NamedTuple):
    """One gap. Times are seconds of `time.monotonic`."""

    partition: TopicPartition
    begin: float
    """When the last record before it was stored; up to a fifth of a second earlier than it was, since a worker that is
    killed, or loses its partitions, has not written the rest into its progress file."""
    end: float
    """When the first record after it was stored."""
    next_offset: int
    """From here on nothing was stored in between."""
    worker: str
    """Who stored again."""

    def seconds(self, arrived: float | None = None) -> float:
        """How long records waited that somebody had to store.

        Args: arrived: when the first record at `next_offset` or later was sent; None: not known. Before that nothing waited.
            It is the producer's clock: one that is ahead is not believed.
        """
        begin = max(self.begin, arrived) if arrived is not None and arrived < self.end else self.begin
        return self.end - begin


class _Assignment(NamedTuple):
    """A partition in one assignment of one worker, as was last seen."""

    pid: int
    stored: Stored


class StoredGaps:
    """Call `observe` more often than workers write their progress; it keeps what it has seen."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self._assignments: dict[TopicPartition, _Assignment] = {}

    def observe(self, progress: Mapping[str, WorkerProgress]) -> None:
        """Take note of what the workers tell now, by name."""
        for name, each in progress.items():
            for partition, stored in each.partitions.items():
                self._observe(name, partition, _Assignment(each.pid, stored))

    def since(self, then: float) -> list[Gap]:
        """Those that ended after this, longest first."""
        return sorted((gap for gap in self.gaps if gap.end > then), key=lambda gap: gap.begin - gap.end)

    def stored_since(self, then: float) -> set[TopicPartition]:
        """The partitions of which a record was stored after this."""
        return {partition for partition, each in self._assignments.items() if each.stored.last > then}

    def _observe(self, name: str, partition: TopicPartition, new: _Assignment) -> None:
        before = self._assignments.get(partition)
        if before is None or (before.pid, before.stored.first) == (new.pid, new.stored.first):
            self._assignments[partition] = new
        elif new.stored.first > before.stored.first:
            # A later assignment. An earlier one stays in the file of its worker, dead or not, and is no news.
            if new.stored.first > before.stored.last:
                gap = Gap(partition, before.stored.last, new.stored.first, before.stored.next_offset, name)
                self.gaps.append(gap)
            self._assignments[partition] = new


class Arrivals:
    """When the records arrived that waited in gaps: filled while the log is read, in the order of offsets."""

    def __init__(self, gaps: Iterable[Gap]) -> None:
        self._wanted: dict[TopicPartition, list[Gap]] = {}
        for gap in gaps:
            self._wanted.setdefault(gap.partition, []).append(gap)
        self._arrived: dict[Gap, float] = {}

    def note(self, partition: TopicPartition, records: Sequence[Record]) -> None:
        """Records of the log."""
        for gap in self._wanted.get(partition, ()):
            if gap not in self._arrived and records[-1].offset >= gap.next_offset:
                first = next(record for record in records if record.offset >= gap.next_offset)
                self._arrived[gap] = first.timestamp / 1000 - time.time() + time.monotonic()

    def of(self, gap: Gap) -> float | None:
        """When its first record arrived, in seconds of `time.monotonic`; None: it was not read."""
        return self._arrived.get(gap)
