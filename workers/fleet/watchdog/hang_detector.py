"""Which workers hang. A judgement and nothing else: what was seen comes in, who is to be killed goes out.

The rules lean to one side: a worker that hangs a little longer costs time, one that is killed while it idles or waits
costs trust. So only a second miss in a row counts, and what is not known is never held against a worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workers.state.event_log import Hang
from workers.state.heartbeat import Beat, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.admin import PartitionOffsets
    from workers.types import TopicPartition

MISSES = 2
UNINTERRUPTIBLE_SECONDS = 15.0
"""Without a turn, in the kernel's hands. A disk that is slow for a moment is no hang."""
CLOCK_SLACK = 1.0
TURNING = (State.JOINING, State.READING, State.SINK_UNAVAILABLE)
"""Where every turn is bounded; in the other states a worker may wait for something as long as that takes."""


class WorkerObservation(NamedTuple):
    """What was seen of one worker that supervisord calls running."""

    pid: int
    started: int
    """See `process_started`."""
    kernel: str | None
    """Its state by the kernel: the letter of proc(5); None: not known."""
    beat: Beat | None = None
    """Its own word, where it is this very process's: see `own_word`."""


class Stall(NamedTuple):
    """A worker that is to be killed, and why."""

    hang: Hang
    detail: str
    partitions: tuple[TopicPartition, ...] = ()
    """Those whose records wait."""


def own_word(beat: Beat | None, pid: int, started: int) -> Beat | None:
    """The beat, if this process said it: not its predecessor, and nobody who had its pid before."""
    return beat if beat and (beat.pid, beat.started) == (pid, started) else None


def is_from_the_future(beat: Beat, now: float) -> bool:
    """Whether the clock that the beat was made with cannot be this machine's: then it tells nothing."""
    return max(beat.iterated, beat.since, beat.committed or 0.0) > now + CLOCK_SLACK


@dataclass(slots=True)
class _Watched:
    """One process over several looks."""

    pid: int
    started: int
    misses: int = 0
    joins: int = -1
    waiting: dict[TopicPartition, tuple[int, float]] | None = None
    """By partition: the offset that waits, and since when it was seen to."""


class HangDetector:
    """Remembers the looks before. `judge` is asked once every few seconds."""

    def __init__(self, max_iteration_seconds: float, progress_timeout: float) -> None:
        """Args: seconds that a turn may take, and that records may wait, before it counts as a miss."""
        self._max_iteration_seconds = max_iteration_seconds
        self._progress_timeout = progress_timeout
        self._watched: dict[str, _Watched] = {}

    def judge(
        self,
        looks: Mapping[str, WorkerObservation],
        offsets: Mapping[TopicPartition, PartitionOffsets] | None,
        now: float,
    ) -> dict[str, Stall]:
        """Those that missed twice in a row, by worker.

        Args:
            offsets: by partition; None where Kafka did not say.
            now: of the clock of the beats.
        """
        stalls = {}
        before, self._watched = self._watched, {}
        for worker, look in looks.items():
            watched = before.get(worker)
            if watched is None or (watched.pid, watched.started) != (look.pid, look.started):
                watched = _Watched(look.pid, look.started)
            self._watched[worker] = watched
            stall = self._stall(watched, look, offsets, now)
            watched.misses = watched.misses + 1 if stall else 0
            if stall and watched.misses >= MISSES:
                stalls[worker] = stall
        return stalls

    def _stall(
        self,
        watched: _Watched,
        look: WorkerObservation,
        offsets: Mapping[TopicPartition, PartitionOffsets] | None,
        now: float,
    ) -> Stall | None:
        if look.kernel in ("T", "t"):
            return Stall(Hang.STOPPED, f"stopped by {'a debugger' if look.kernel == 't' else 'a signal'}")
        beat = look.beat
        if beat is None or is_from_the_future(beat, now):
            watched.waiting = None
            return None
        stuck = self._waits_too_long(watched, beat, offsets, now)
        silent = now - beat.iterated
        if beat.state in TURNING:
            if look.kernel == "D" and silent > UNINTERRUPTIBLE_SECONDS:
                return Stall(Hang.UNINTERRUPTIBLE, f"in the kernel, and the loop has not turned for {silent:.0f} s")
            if silent > self._max_iteration_seconds:
                return Stall(Hang.LOOP_STALLED, f"the loop has not turned for {silent:.0f} s")
        return stuck

    def _waits_too_long(
        self, watched: _Watched, beat: Beat, offsets: Mapping[TopicPartition, PartitionOffsets] | None, now: float
    ) -> Stall | None:
        if offsets is None or beat.state is not State.READING:
            watched.waiting = None
            return None
        # A join in between may have moved the partition away and back: then it waits only since that.
        before = watched.waiting if watched.waiting and watched.joins == beat.rebalances else {}
        watched.joins = beat.rebalances
        watched.waiting = {}
        for partition in set(beat.partitions) - set(beat.halted):
            each = offsets.get(partition)
            if each and each.lag:
                at, since = before.get(partition, (-1, now))
                watched.waiting[partition] = (each.next_offset, since if at == each.next_offset else now)
        begun = max(beat.since, beat.committed or 0.0)
        waits = {p: now - max(since, begun) for p, (_, since) in watched.waiting.items()}
        stuck = tuple(sorted(p for p, seconds in waits.items() if seconds > self._progress_timeout))
        if not stuck:
            return None
        first = stuck[0]
        return Stall(
            Hang.NO_PROGRESS,
            f"nothing committed for {max(waits.values()):.0f} s; partition {first} waits at "
            f"{offsets[first].next_offset:,}, and Kafka has records up to {offsets[first].end:,}",
            stuck,
        )
