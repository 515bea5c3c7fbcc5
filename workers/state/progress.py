"""How far a worker has stored each of its partitions, and when: a file of its slot, which the page and `workers kill` read.

Not in the heartbeat: that is written several times a batch, and this grows with the partitions.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from workers.pipeline.observer import NullObserver
from workers.state.checked_file import checked, read_checked
from workers.state.proc import process_started
from workers.state.state_file import StateFile
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from workers.state.write_failures import WriteFailures
    from workers.types import Batch, WriteResult

VERSION = 1
SIZE = 64 * 1024
"""Of the file at first: enough for some thousand partitions."""
WRITE_SECONDS = 0.2
"""Between two writes of the file; the times in it are exact."""


class Stored(NamedTuple):
    """One partition of a worker's assignment. Times are seconds of `time.monotonic`, the same in all processes of a host."""

    next_offset: int
    """One more than the offset of the last record that is stored."""
    last: float
    """When that was acknowledged."""
    first: float
    """When the first batch of this assignment was."""


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """What the file of a worker holds."""

    pid: int
    started: int
    """See `Beat.started`."""
    partitions: Mapping[TopicPartition, Stored]
    """Without those of which nothing was stored since they were assigned."""


class Progress(NullObserver):
    """The observer that writes the file."""

    @classmethod
    def open(cls, path: Path, failures: WriteFailures, clock: Callable[[], float] = time.monotonic) -> Self:
        """Begin to write this file. One that cannot be written is told to `failures`, and ends nobody."""
        progress = cls(StateFile(path, SIZE, failures), clock)
        progress._write()
        return progress

    def __init__(self, file: StateFile, clock: Callable[[], float]) -> None:
        self._file, self._clock = file, clock
        self._process = {"version": VERSION, "pid": os.getpid(), "started": process_started(os.getpid()) or 0}
        self._partitions: dict[TopicPartition, Stored] = {}
        self._is_written = False
        self._write_at = 0.0

    def owns(self, partitions: Collection[TopicPartition]) -> None:
        """All of an assignment begins anew, also what this worker had before."""
        self._partitions.clear()
        self._write()

    def written(self, batch: Batch, result: WriteResult, seconds: float) -> None:
        now = self._clock()
        for partition, part in batch.partitions.items():
            if part.size:
                before = self._partitions.get(partition)
                self._partitions[partition] = Stored(part.next_offset, now, before.first if before else now)
        self._is_written = False
        self._write_if_due()

    def iterated(self) -> None:
        self._write_if_due()

    def _write_if_due(self) -> None:
        if not self._is_written and self._clock() >= self._write_at:
            self._write()

    def _write(self) -> None:
        self._write_at = self._clock() + WRITE_SECONDS
        self._is_written = True
        topics: dict[str, dict[int, Stored]] = {}
        for (topic, partition), stored in self._partitions.items():
            topics.setdefault(topic, {})[partition] = stored
        self._file.write(checked({**self._process, "partitions": topics}))


def read_progress(path: Path) -> WorkerProgress | None:
    """What the file holds; None: there is none, it cannot be parsed, or it is of another version."""
    try:
        content = read_checked(path)
        if content["version"] != VERSION:
            return None
        partitions = {
            TopicPartition(topic, int(partition)): Stored(*stored)
            for topic, each in content["partitions"].items()
            for partition, stored in each.items()
        }
        return WorkerProgress(content["pid"], content["started"], partitions)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
