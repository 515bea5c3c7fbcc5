"""Decides which workers hang. Pure: observations in, workers to kill out.

The rules prefer a late kill to a wrong one: a worker that hangs a little longer costs time, one that is killed while it
idles or waits costs trust. So only the second miss in a row counts, and missing information never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workers.state.event_log import Hang
from workers.state.heartbeat import Beat, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition

MISSES = 2
UNINTERRUPTIBLE_SECONDS = 15.0
"""Without an iteration, in uninterruptible sleep. A disk that is slow for a moment is no hang."""
CLOCK_SLACK = 1.0
ITERATING = (State.JOINING, State.READING, State.SINK_UNAVAILABLE)
"""States in which every iteration has a time limit; in the others a worker may wait as long as it takes."""


class WorkerObservation(NamedTuple):
    """One worker that is RUNNING in supervisord, at one moment."""

    pid: int
    started: int
    """See `process_started`."""
    kernel: str | None
    """The letter of its state in proc(5); None: not known."""
    beat: Beat | None = None
    """Its heartbeat, if this process wrote it: see `own_beat`."""


class Stall(NamedTuple):
    """Why a worker is to be killed."""

    hang: Hang
    detail: str
    partitions: tuple[TopicPartition, ...] = ()
    """Partitions with a backlog that the worker does not read."""


def own_beat(beat: Beat | None, pid: int, started: int) -> Beat | None:
    """The heartbeat, if this process wrote it: not its predecessor, nor an earlier process with the same pid."""
    return beat if beat and (beat.pid, beat.started) == (pid, started) else None


def is_from_the_future(beat: Beat, now: float) -> bool:
    """Whether its times cannot come from this machine's clock: then it is ignored."""
    return max(beat.iterated, beat.since, beat.committed or 0.0) > now + CLOCK_SLACK


@dataclass(slots=True)
class _History:
    """One process over several observations."""

    pid: int
    started: int
    misses: int = 0
    joins: int = -1
    backlog: dict[TopicPartition, tuple[int, float]] | None = None
    """By partition: the committed offset, and since when it has not moved although there are records."""


class HangDetector:
    """Remembers earlier observations. Call `detect` every few seconds."""

    def __init__(self, max_iteration_seconds: float, progress_timeout: float) -> None:
        """Args: seconds of one iteration, and of a backlog without a commit, after which an observation is a miss."""
        self._max_iteration_seconds = max_iteration_seconds
        self._progress_timeout = progress_timeout
        self._histories: dict[str, _History] = {}

    def detect(
        self,
        observations: Mapping[str, WorkerObservation],
        offsets: Mapping[TopicPartition, PartitionOffsets] | None,
        now: float,
    ) -> dict[str, Stall]:
        """The workers that missed twice in a row.

        Args:
            offsets: by partition; None: Kafka did not answer.
            now: `time.monotonic`, the clock of the heartbeats.
        """
        stalls = {}
        previous, self._histories = self._histories, {}
        for worker, observed in observations.items():
            history = previous.get(worker)
            if history is None or (history.pid, history.started) != (observed.pid, observed.started):
                history = _History(observed.pid, observed.started)
            self._histories[worker] = history
            stall = self._stall(history, observed, offsets, now)
            history.misses = history.misses + 1 if stall else 0
            if stall and history.misses >= MISSES:
                stalls[worker] = stall
        return stalls

    def _stall(
        self,
        history: _History,
        observed: WorkerObservation,
        offsets: Mapping[TopicPartition, PartitionOffsets] | None,
        now: float,
    ) -> Stall | None:
        if observed.kernel in ("T", "t"):
            return Stall(Hang.STOPPED, f"stopped by {'a debugger' if observed.kernel == 't' else 'a signal'}")
        beat = observed.beat
        if beat is None or is_from_the_future(beat, now):
            history.backlog = None
            return None
        no_progress = self._no_progress(history, beat, offsets, now)
        seconds = now - beat.iterated
        if beat.state in ITERATING:
            if observed.kernel == "D" and seconds > UNINTERRUPTIBLE_SECONDS:
                return Stall(
                    Hang.UNINTERRUPTIBLE, f"in uninterruptible sleep, no iteration of the loop for {seconds:.0f} s"
                )
            if seconds > self._max_iteration_seconds:
                return Stall(Hang.LOOP_STALLED, f"no iteration of the loop for {seconds:.0f} s")
        return no_progress

    def _no_progress(
        self, history: _History, beat: Beat, offsets: Mapping[TopicPartition, PartitionOffsets] | None, now: float
    ) -> Stall | None:
        if offsets is None or beat.state is not State.READING or beat.limited:
            # Under a limit of a few records an hour it commits as seldom. It waits for the limit, so its loop goes round.
            history.backlog = None
            return None
        # A rebalance in between may have moved the partition to another worker and back: the clock starts again then.
        previous = history.backlog if history.backlog and history.joins == beat.rebalances else {}
        history.joins = beat.rebalances
        history.backlog = {}
        for partition in set(beat.partitions) - {*beat.halted, *beat.paused}:
            each = offsets.get(partition)
            if each and each.lag:
                offset, since = previous.get(partition, (-1, now))
                history.backlog[partition] = (each.next_offset, since if offset == each.next_offset else now)
        # Neither the time before this state nor the time before its last commit counts.
        earliest = max(beat.since, beat.committed or 0.0)
        waits = {p: now - max(since, earliest) for p, (_, since) in history.backlog.items()}
        stuck = tuple(sorted(p for p, seconds in waits.items() if seconds > self._progress_timeout))
        if not stuck:
            return None
        first = stuck[0]
        return Stall(
            Hang.NO_PROGRESS,
            f"no commit for {max(waits.values()):.0f} s; partition {first} is committed up to "
            f"{offsets[first].next_offset:,}, and its log end is {offsets[first].end:,}",
            stuck,
        )
