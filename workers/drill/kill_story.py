"""What happens after a worker was killed, step by step. Pure: it is told what is known, and says what follows from it.

Times are seconds: of `time.monotonic` in what it is told, since the kill in what it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from workers.drill.kill_steps import Back, Died, Evicted, Evictor, Step, StoredAgain, TakenOver, in_words
from workers.fleet.watchdog.resumptions import WRITTEN_SECONDS, stored_since
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.state.heartbeat import Beat
    from workers.state.progress import WorkerProgress
    from workers.types import TopicPartition

EVENT_SECONDS = 1.5
"""From the moment the broker does not know a member any more until the watchdog's event about it must have been seen."""
HEARTBEAT_SECONDS = 1.5
"""The broker counts from the last heartbeat before the kill, which is up to a second older (WORKERS_HEARTBEAT_INTERVAL)."""


class Seen(NamedTuple):
    """What is known at one moment."""

    now: float
    ended: float | None = None
    """When the process ended."""
    beats: Mapping[str, Beat] = {}
    """By worker."""
    progress: Mapping[str, WorkerProgress] = {}
    """By worker."""
    evicted: float | None = None
    """When the watchdog evicted the member, by its event."""
    members: Collection[str] | None = None
    """The ids of the group's members; None: Kafka has not answered since the kill."""
    owners: Mapping[TopicPartition, tuple[str, str]] = {}
    """By partition, as Kafka says: the member id of its owner, and the name. Empty: not known, or it rebalances."""
    lag: tuple[float, Mapping[TopicPartition, int]] | None = None
    """When it was asked for, and by partition how many records were not committed then; None: not known."""


@dataclass
class KillStory:
    """Of one kill. Call `observe` again and again: what was seen once is kept, since partitions move on."""

    name: str
    last: Beat
    """Its last word before it was killed."""
    killed: float
    session_timeout: float
    watched: bool = True
    """Whether a watchdog runs."""
    steps: list[Step] = field(default_factory=list)
    _assigned: dict[TopicPartition, tuple[float, str]] = field(default_factory=dict)
    _stored: dict[TopicPartition, tuple[float, str]] = field(default_factory=dict)
    _elsewhere: dict[TopicPartition, tuple[float, str]] = field(default_factory=dict)
    """Partitions whose owner has no heartbeat here: since when that is seen, and its name."""
    _gone: float | None = None
    """When the broker was first seen without the member."""
    _backs_off_until: float | None = None

    def observe(self, seen: Seen) -> list[Step]:
        """The steps that are known by now and were not before, in their order."""
        self._note(seen)
        new: list[Step] = []
        while step := self._next(seen):
            self.steps.append(step)
            new.append(step)
        return new

    def has(self, kind: type[Step]) -> bool:
        """Whether this step is known."""
        return any(isinstance(step, kind) for step in self.steps)

    @property
    def complete(self) -> bool:
        """Whether there is nothing more to come."""
        return self.has(Back) and (not self.last.partitions or self.has(StoredAgain))

    def waits_for(self, now: float) -> str:
        """What comes next, for people."""
        moved = in_words(self.last.partitions)
        if not self.has(Died):
            return f"waiting for the end of pid {self.last.pid}"
        if not self.has(Evicted):
            return f"waiting until the group has removed {self.name}"
        backoff = self._backs_off_until
        if backoff is not None and backoff > now and not self.has(Back):
            return f"{self.name} backs off for {backoff - now:.0f} s: it was killed often (crash-loop backoff)"
        if self.last.partitions and not self.has(TakenOver):
            return f"{moved} wait for their new owners"
        if self.last.partitions and not self.has(StoredAgain):
            waiting = set(self.last.partitions) - self._stored.keys()
            return f"waiting for the first record of {in_words(waiting)}"
        return f"{self.name} starts again" if not self.has(Back) else "the fleet is whole again"

    def _note(self, seen: Seen) -> None:
        for name, beat in seen.beats.items():
            if beat.pid != self.last.pid and beat.assigned is not None and beat.assigned > self.killed:
                for partition in set(self.last.partitions) & {*beat.partitions}:
                    self._assigned.setdefault(partition, (beat.assigned, name))
        self._note_elsewhere(seen)
        stored = stored_since(self.killed, self.last.pid, self.last.partitions, seen.progress)
        for partition, first in stored.items():
            self._stored.setdefault(partition, first)
        member = self.last.member_id
        if seen.members is not None and self._gone is None and member and member not in seen.members:
            self._gone = seen.now
        successor = self._successor(seen)
        if successor and successor.state is State.CRASH_LOOP_BACKOFF:
            self._backs_off_until = successor.until

    def _note_elsewhere(self, seen: Seen) -> None:
        """A worker of another host is known by Kafka only. One of this host may be about to tell its new member id."""
        here = {beat.member_id for beat in seen.beats.values()}
        for partition in self.last.partitions if seen.owners else ():
            member, name = seen.owners.get(partition, (None, ""))
            if member is None or member in here or member == self.last.member_id:
                self._elsewhere.pop(partition, None)
                continue
            since, _ = self._elsewhere.setdefault(partition, (seen.now, name))
            if seen.now - since >= EVENT_SECONDS:
                self._assigned.setdefault(partition, (since, name))

    def _next(self, seen: Seen) -> Step | None:
        if not self.has(Died):
            at = seen.ended
            return Died(self._since(at), self.last.pid, self.last.partitions) if at is not None else None
        if not self.has(Evicted):
            return self._evicted(seen)
        if self.last.partitions and not self.has(TakenOver):
            return self._taken_over()
        if self.last.partitions and not self.has(StoredAgain) and (step := self._stored_again(seen)):
            return step
        return None if self.has(Back) else self._back(seen)

    def _evicted(self, seen: Seen) -> Evicted | None:
        if seen.evicted is not None:
            return Evicted(self._since(seen.evicted), Evictor.WATCHDOG)
        gone = None if self._gone is None else self._since(self._gone)
        # An idle worker leaves nothing to take over.
        done = self._taken_over() if self.last.partitions else self._back(seen)
        if self.last.static:
            if done is None:
                return None
            # The next process of its slot has another member id, so that the old one is gone says nothing.
            kept = isinstance(done, Back) or set(done.partitions) == {self.name}
            return Evicted(None, Evictor.NOBODY) if kept else Evicted(gone, Evictor.SESSION_TIMEOUT, exact=False)
        # Its event may be written a moment later.
        grace = EVENT_SECONDS if self.watched else 0.0
        if gone is None:
            # Whoever owns its partitions now, the member must be gone; but nobody saw it.
            unseen = done is not None and seen.now - self.killed >= done.seconds + EVENT_SECONDS
            return Evicted(None, Evictor.UNKNOWN) if unseen else None
        if seen.now - self.killed < gone + grace:
            return None
        if gone >= self.session_timeout - HEARTBEAT_SECONDS:
            return Evicted(gone, Evictor.SESSION_TIMEOUT, exact=False)
        return Evicted(gone, Evictor.SUCCESSOR if self._successor(seen) else Evictor.UNKNOWN, exact=False)

    def _taken_over(self) -> TakenOver | None:
        if not self._assigned.keys() >= set(self.last.partitions):
            return None
        owners: dict[str, tuple[TopicPartition, ...]] = {}
        for partition, (_, name) in sorted(self._assigned.items()):
            owners[name] = (*owners.get(name, ()), partition)
        times = [at for at, _ in self._assigned.values()]
        return TakenOver(self._since(max(times, default=self.killed)), owners)

    def _stored_again(self, seen: Seen) -> StoredAgain | None:
        missing = set(self.last.partitions) - self._stored.keys()
        unknown = {partition for partition in missing if self._assigned[partition] == self._elsewhere.get(partition)}
        missing -= unknown
        taken_over = self.killed + next(step.seconds for step in self.steps if isinstance(step, TakenOver))
        if missing:
            if seen.lag is None or seen.lag[0] < taken_over or seen.now < seen.lag[0] + WRITTEN_SECONDS:
                return None
            if any(seen.lag[1].get(partition, 1) for partition in missing):
                return None
        first = {partition: (self._since(at), name) for partition, (at, name) in sorted(self._stored.items())}
        last = max((at for at, _ in first.values()), default=None)
        return StoredAgain(last, first, tuple(sorted(missing)), tuple(sorted(unknown)))

    def _back(self, seen: Seen) -> Back | None:
        beat = self._successor(seen)
        if beat is None or beat.assigned is None:
            return None
        backed_off = self._backs_off_until is not None
        return Back(self._since(beat.assigned), self.name, beat.pid, beat.partitions, backed_off)

    def _successor(self, seen: Seen) -> Beat | None:
        beat = seen.beats.get(self.name)
        return beat if beat and beat.pid != self.last.pid else None

    def _since(self, at: float) -> float:
        return max(0.0, at - self.killed)
