"""What is known of one worker of this host on the timeline, from its files and its process. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.fleet.timeline.owner import Owner
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.state.heartbeat import Beat
    from workers.state.progress import Stored
    from workers.types import TopicPartition

STOPPED = ("T", "t")
ENDED = (None, "Z", "X")
AWAY = (State.SINK_UNAVAILABLE, State.WAITING_FOR_KAFKA, State.WAITING_FOR_MONGODB)
"""States in which a member stores nothing."""
PATIENCE_SECONDS = 5.0
LONGEST_WRITE_SECONDS = 60.0
"""What was acknowledged so long before a write failed was not followed by that write."""


class WorkerSample(NamedTuple):
    """What the files of one slot and the kernel say at one moment. Times are seconds of `time.monotonic`."""

    beat: Beat
    """Of the slot's last process, which may have ended."""
    progress: Mapping[TopicPartition, Stored]
    """Of the same process."""
    kernel: str | None
    """The state of that process in proc(5); None: it has ended."""
    ended: float | None = None
    """When the last process of this slot ended of which that was seen, whichever runs now; None: none was."""

    @property
    def lives(self) -> bool:
        """Whether the process runs, or is stopped by a signal."""
        return self.kernel not in ENDED


class WorkerTrack:
    """One slot, over the processes that it has."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sample: WorkerSample | None = None
        self.ended: float | None = None
        """When its last process ended; None: it lives."""
        self.ended_with_partitions: float | None = None
        """When a process of it ended that had partitions, until the next has some; None: there is none to wait for."""
        self.acked = 0.0
        """When a batch was acknowledged last."""
        self._pause = 0.0
        """The usual time between two acknowledgements: of large batches it is long."""

    @property
    def patience(self) -> float:
        """Seconds without an acknowledgement, while records wait, after which it stores nothing."""
        return max(PATIENCE_SECONDS, 4 * self._pause)

    def look(self, sample: WorkerSample, now: float) -> bool:
        """Take what is seen now. Returns: whether a process ended since the last look."""
        before = self.sample
        replaced = before is not None and before.lives and _process(before) != _process(sample)
        lived = before is not None and before.lives and not replaced
        self.sample = sample
        self._take_acknowledgements(sample, lived=lived)
        if before is None or not (replaced or (lived and not sample.lives)):
            if sample.lives:
                self.ended = None
            return False
        self._pause = 0.0
        # A successor that is there already began after it had ended.
        self.ended = min(now, sample.beat.since) if replaced else now
        if sample.ended is not None and before.beat.iterated <= sample.ended <= now:
            self.ended = sample.ended
        if before.beat.partitions:
            self.ended_with_partitions = self.ended
        return True

    def _take_acknowledgements(self, sample: WorkerSample, *, lived: bool) -> None:
        acked = max((each.last for each in sample.progress.values()), default=0.0)
        if sample.beat.committed is not None:
            # Committed right after it was acknowledged; this outlives an assignment, and the file of the progress does not.
            acked = max(acked, min(sample.beat.committed, sample.beat.assigned or sample.beat.committed))
        if acked > self.acked:
            if lived and acked - self.acked < LONGEST_WRITE_SECONDS:
                self._pause = 0.7 * self._pause + 0.3 * (acked - self.acked)
            self.acked = acked

    def owner(self, partition: TopicPartition) -> Owner | None:
        """What it says of a partition of its assignment."""
        sample = self.sample
        if sample is None or not sample.lives or sample.beat.assigned is None:
            return None
        beat, stored, assigned = sample.beat, sample.progress.get(partition), sample.beat.assigned
        first = stored.first if stored is not None and stored.first >= assigned else None
        return Owner(
            self.name,
            beat.pid,
            assigned,
            first,
            partition in beat.halted,
            self.stopped,
            self.patience,
            self.acked,
            partition in beat.paused,
        )

    @property
    def stopped(self) -> float | None:
        """Since when it stores nothing although it lives; None: it works."""
        if self.sample is None:
            return None
        beat = self.sample.beat
        if self.sample.kernel in STOPPED:
            return max(beat.iterated, self.acked)
        if beat.state in AWAY:
            # The write that failed began after the last one that was acknowledged.
            return self.acked if 0 <= beat.since - self.acked <= LONGEST_WRITE_SECONDS else beat.since
        return None


def _process(sample: WorkerSample) -> tuple[int, int]:
    return sample.beat.pid, sample.beat.started
