"""The timeline of the fleet: who stored each partition when, what waited, and what happened. Pure: it is told what is seen.

Inside, all times are seconds of `time.monotonic`, the clock of the workers' files: a step of the system's clock changes no
duration. `as_dict` converts all of them at once, with the difference of the clocks at that moment.

Bounded: `MOST_BANDS` bands in all, at least `LEAST_BANDS` a partition; figures in arrays of a fixed size; the last marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.fleet.event_words import how_it_ended
from workers.fleet.sentences import which
from workers.fleet.timeline.bands import Band, BandKind, coarser
from workers.fleet.timeline.marks import Mark, MarkKind, Marks
from workers.fleet.timeline.owner import Increase, Owner
from workers.fleet.timeline.partition import UNKNOWN_SECONDS, PartitionTrack
from workers.fleet.timeline.series import Series
from workers.fleet.timeline.waiting import Waiting
from workers.fleet.timeline.worker import STOPPED, WorkerSample, WorkerTrack
from workers.state.heartbeat import State
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.monitoring.lag import LagSnapshot, PartitionLag
    from workers.types import TopicPartition

DAY = 86_400
MOST_BANDS = 200_000
"""In all partitions: some 10 MB."""
LEAST_BANDS = 100
"""Of each partition, however many there are."""
TOLD_BANDS = 4_000
"""In one answer: less than 300 KB."""
PIXELS = 1_200
"""No band in an answer is shorter than this part of it, but for holes."""
LEAVES_SECONDS = 60.0
"""A dead worker is no member of the group any more after so long."""
UNKNOWN = None, BandKind.UNKNOWN


class Timeline:
    """Call the `saw_` methods in the order in which things are seen, and `as_dict` at any time. For one thread at a time."""

    def __init__(self, now: float, *, has_several_topics: bool = False) -> None:
        """Args: has_several_topics: then partitions are named with their topics."""
        self._start, self._has_several_topics = now, has_several_topics
        self._partitions: dict[TopicPartition, PartitionTrack] = {}
        self._workers: dict[str, WorkerTrack] = {}
        self._series = Series(now)
        self._marks = Marks()
        self._answered: set[TopicPartition] = set()
        """The partitions of the topic, when Kafka was asked last."""
        self._looked = now
        self._waiting = Waiting(self._series)

    # What is seen

    def saw_workers(self, samples: Mapping[str, WorkerSample], now: float) -> None:
        """The files of the slots of this host, some times a second. Args: samples: by worker."""
        self._series.advance(now)
        if samples:
            self._series.spread("stored", 0, self._looked if now - self._looked < 5 else now, now)
        self._looked = now
        owners: dict[TopicPartition, Owner] = {}
        for name, sample in samples.items():
            track = self._workers.setdefault(name, WorkerTrack(name))
            before, had = track.sample, track.ended_with_partitions
            has_ended = track.look(sample, now)
            for partition, stored in sample.progress.items():
                if before is None or stored != before.progress.get(partition):
                    self._add("stored", self._track(partition).acknowledged(stored.next_offset, stored.last))
            for partition in sample.beat.partitions:
                owner = track.owner(partition)
                if owner and (partition not in owners or owner.assigned > owners[partition].assigned):
                    owners[partition] = owner
            self._mark_worker(name, before, sample, ended=track.ended if has_ended else None, had=had)
        for partition in owners.keys() | self._partitions.keys():
            part = self._track(partition)
            before_owner = part.owner
            ended = self._workers[before_owner.name].ended if before_owner else None
            if ended is not None and before_owner and ended < before_owner.assigned:
                ended = None
            part.follow(owners.get(partition), now, ended)
        open_holes = [
            track.bands.hole_start
            for track in self._partitions.values()
            if track.bands.kind is BandKind.WAITING and track.is_known_to_wait
        ]
        if open_holes:
            self._series.hole(min(open_holes), now, now - 1.0)

    def saw_kafka(self, snapshot: LagSnapshot, at: float, interval: float, began: float | None = None) -> None:
        """The offsets. Best told a moment later, when the workers have told up to where they had stored then.

        Args:
            at: when Kafka answered with the offsets.
            interval: seconds between two questions.
            began: when it was asked; None: at the same time.
        """
        self._series.advance(at)
        parts = snapshot.partitions or {}
        for partition in self._answered - parts.keys():
            self._partitions[partition].kafka_has_none(at)
        self._answered = set(parts)
        known: dict[TopicPartition, PartitionLag] = {}
        readable = []
        valid = max(UNKNOWN_SECONDS, 3 * interval)
        for partition, part in sorted(parts.items()):
            track = self._track(partition)
            if part.end is None or part.high_watermark is None:
                continue
            known[partition] = part
            before, asked = track.high_watermark, track.asked
            if before is not None and part.high_watermark >= before:
                self._add("sent", Increase(part.high_watermark - before, asked, at))
            if track.end is not None and part.end > track.end:
                readable.append(Increase(part.end - track.end, asked, at))
            remote = None if part.owner is None or self._is_local(part.owner, at) else part.owner
            self._add("stored", track.kafka_says(part, at, remote, at if began is None else began, valid))
        self._waiting.fill(self._partitions, known, readable, at, interval)

    def saw_events(self, events: Iterable[Mapping[str, Any]], to_monotonic: float) -> None:
        """The events of the watchdog, all that are to be marked. Args: to_monotonic: what is added to Unix times."""
        self._marks.tell(events, to_monotonic, named=self._has_several_topics)

    def _add(self, name: str, increase: Increase | None) -> None:
        if increase:
            self._series.spread(name, *increase)

    def _is_local(self, name: str, now: float) -> bool:
        """Whether a member of the group is, or was a moment ago, a worker of this host. Files of an earlier fleet are not."""
        worker = self._workers.get(name)
        if worker is None or worker.sample is None:
            return False
        return worker.sample.lives or (worker.ended is not None and now - worker.ended < LEAVES_SECONDS)

    def _track(self, partition: TopicPartition) -> PartitionTrack:
        if partition not in self._partitions:
            self._partitions[partition] = PartitionTrack(self._start, 0, self._series.hole)
            limit = max(LEAST_BANDS, MOST_BANDS // len(self._partitions))
            for track in self._partitions.values():
                track.bands.limit = limit
        return self._partitions[partition]

    def _mark_worker(
        self, name: str, before: WorkerSample | None, now: WorkerSample, *, ended: float | None, had: float | None
    ) -> None:
        """Mark what is seen here, and what the watchdog tells of as well."""
        if ended is not None and before:
            expected = before.beat.state is State.STOPPING
            kind = MarkKind.STOPPED if expected else MarkKind.DIED
            self._marks.see(Mark(ended, kind, name, how_it_ended({"expected": expected})))
        track, beat = self._workers[name], now.beat
        since = track.ended_with_partitions
        if since is not None and now.lives and beat.partitions and beat.assigned and beat.assigned > since:
            track.ended_with_partitions = None
            text = f"back; {which(beat.partitions, named=self._has_several_topics)} with it again"
            owned = {name: by_topic(beat.partitions)}
            self._marks.see(Mark(beat.assigned, MarkKind.BACK, name, text, round(beat.assigned - since, 3), owned))
        if before and before.lives and now.lives and before.beat.pid == beat.pid:
            was, stands = before.kernel in STOPPED, now.kernel in STOPPED
            if stands and not was:
                text = "stopped by a signal (SIGSTOP)"
                self._marks.see(Mark(track.stopped or self._looked, MarkKind.STOPPED, name, text))
            elif was and not stands:
                self._marks.see(Mark(self._looked, MarkKind.BACK, name, "goes on (SIGCONT)"))

    # What is told

    @property
    def holes(self) -> dict[TopicPartition, float]:
        """By partition whose records wait and are stored by nobody now: since when."""
        return {
            partition: track.bands.hole_start
            for partition, track in self._partitions.items()
            if track.bands.kind is BandKind.WAITING
        }

    def as_dict(self, seconds: int, now: float, to_unix: float) -> dict[str, Any]:
        """For JSON. Bands of a partition ascend, without a gap, and end now; `series` has one value an `interval`, null
        where nothing is known: stored and sent in records a second, age in seconds. All times are Unix times.

        Args:
            seconds: how far back.
            to_unix: what is added to times.
        """
        start = now - seconds
        bands = {}
        for partition, track in sorted(self._partitions.items()):
            found = track.bands.between(start, now)
            if partition in self._answered or any(band[2:] != UNKNOWN for band in found):
                bands[partition] = found
        interval, times, values = self._series.told(seconds, now)
        marks = self._marks.between(start, now)
        return {
            "now": round(now + to_unix, 3),
            "start": round(start + to_unix, 3),
            "interval": interval,
            "partitions": [
                {
                    **partition._asdict(),
                    "bands": [
                        [round(band.start + to_unix, 3), round(band.end + to_unix, 3), band.worker, band.kind]
                        for band in found
                    ],
                }
                for partition, found in _fitting(bands, seconds).items()
            ],
            "series": {"time": [round(time + to_unix, 3) for time in times], **values},
            "marks": [{**mark._asdict(), "time": round(mark.time + to_unix, 3)} for mark in marks],
        }

    def forget(self, now: float) -> None:
        """Forget what is older than a day. Some times an hour."""
        for partition, track in list(self._partitions.items()):
            track.bands.forget(now - DAY)
            if partition not in self._answered and len(track.bands) == 1 and track.bands.kind is BandKind.UNKNOWN:
                del self._partitions[partition]


def _fitting(bands: Mapping[TopicPartition, list[Band]], seconds: int) -> Mapping[TopicPartition, list[Band]]:
    """At a resolution at which the answer has a bounded size."""
    shortest = seconds / PIXELS
    while sum(map(len, bands.values())) > max(TOLD_BANDS, len(bands)) and shortest < seconds:
        bands = {partition: coarser(found, shortest) for partition, found in bands.items()}
        shortest *= 2
    return bands
