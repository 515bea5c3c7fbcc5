"""One partition on the timeline: from what is seen of it to its bands. Pure.

An edge has the time at which it happened, not that at which it was seen: the end of a process is the kernel's, an assignment
the worker's own, and "stored again" is the acknowledgement of the first batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.fleet.timeline.acknowledged import Acknowledged, written_since
from workers.fleet.timeline.bands import BandKind, Bands
from workers.fleet.timeline.owner import Increase

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.fleet.timeline.owner import Owner
    from workers.monitoring.lag import PartitionLag

FLOW_SECONDS = 3.0
"""Where a record was stored so short a time before, more are taken to wait, until Kafka says that none do."""
IDLE_SECONDS = 5.0
"""A partition of which nothing was stored for longer is idle, if nothing waits."""
MERGED_SECONDS = 10.0
"""A shorter pause between two records of a slow topic is no band of its own."""
STANDS_SECONDS = 30.0
"""A partition that waits for longer beside others of its worker that are stored is a hole."""
REMOTE_SECONDS = 10.0
"""A partition of another host is a hole if its commits stand for longer while records wait."""
UNKNOWN_SECONDS = 15.0
"""Without an answer of Kafka for so long, nobody knows whether something waits."""


class PartitionTrack:
    """Call `acknowledged`, `follow` and `kafka_says` in the order in which things are seen."""

    def __init__(self, start: float, limit: int, on_hole: Callable[[float, float], None]) -> None:
        """Args: on_hole: called with start and end of every hole that ends."""
        self.bands = Bands(start, limit)
        self.stored: int | None = None
        """One more than the offset of the last record that is stored; None: not known."""
        self.acked = 0.0
        """When a batch of it was acknowledged last."""
        self.end: int | None = None
        """The end of what can be read, when Kafka was asked last."""
        self.asked = 0.0
        """When that was."""
        self._valid = UNKNOWN_SECONDS
        self.high_watermark: int | None = None
        self.remote: str | None = None
        """The member of another host that owns it."""
        self._on_hole = on_hole
        self._owner: Owner | None = None
        self._acks = Acknowledged()
        self._began_anew = 0.0
        """Before then its offsets were those of another log: of a topic that was deleted, or before a truncation."""
        self._presumed: float | None = None
        """Since then records are taken to wait: see `FLOW_SECONDS`."""
        self._waits_since: float | None = None
        """When Kafka first had more than what was stored, without a batch that was acknowledged since."""
        self._remote_moved: float | None = None
        """When the commits of another host moved last, or were first seen to stand."""

    @property
    def owner(self) -> Owner | None:
        """The live worker of this host that has it."""
        return self._owner

    @property
    def waits(self) -> bool:
        """Whether records wait, as far as is known."""
        return self.is_known_to_wait or self._presumed is not None

    @property
    def is_known_to_wait(self) -> bool:
        """Whether Kafka had more, when it was asked last, than is stored now."""
        return self.end is not None and self.stored is not None and self.end > self.stored

    # What the workers say

    def acknowledged(self, next_offset: int, at: float) -> Increase | None:
        """Everything before an offset is stored. Returns: the records that were not known to be."""
        if at <= self._began_anew or (at <= self.acked and next_offset <= (self.stored or 0)):
            return None
        before, start = self.stored, max(self.acked, written_since(at, steady=self.bands.kind is BandKind.STORING))
        self.acked = max(self.acked, at)
        self.stored = max(next_offset, before or 0)
        self._acks.add(at, self.stored)
        self._waits_since = None
        return Increase(self.stored - before, start, at) if before is not None and self.stored > before else None

    def stored_at(self, time: float) -> int | None:
        """What was stored at a moment that is at most a second ago."""
        found = self._acks.at(time)
        # What is known of the commit only is newer than every batch.
        return self.stored if found is None or time > self.acked else found

    def follow(self, owner: Owner | None, now: float, ended: float | None = None) -> None:
        """Go on to what is so now.

        Args:
            owner: None: no live worker of this host.
            ended: when the process of the owner before ended; None: it lives, or there was none.
        """
        before = self._owner
        changed = owner is not None and (before is None or owner[:3] != before[:3])
        if before and (owner is None or changed):
            self._lost(before, owner, now, ended)
        if owner and changed:
            # It may have stored something already: what waited before waited until then.
            waits = self.waits or self.bands.kind is BandKind.WAITING
            self._set(owner.assigned, owner.name, BandKind.WAITING if waits else self._without_records())
        self._owner = owner
        if owner is None:
            # That of another host is judged when Kafka answers.
            if self.remote is None:
                self._judge_without_owner(now)
        elif owner.halted or owner.paused:
            self._set(now, owner.name, BandKind.HALTED if owner.halted else BandKind.PAUSED)
        else:
            self._resume(owner)
            self._judge(owner, now)

    def _lost(self, before: Owner, owner: Owner | None, now: float, ended: float | None) -> None:
        """The owner before has it no more: from its end on, or from its last record on, nobody stored it."""
        until = owner.assigned if owner else now
        stays = owner is not None and owner.name == before.name
        # Without what its next owner has stored already.
        acked = self._acks.last_until(until)
        edge = ended
        if edge is None:
            told = owner.acked if owner and stays and owner.acked <= owner.assigned else 0.0
            edge = max(acked, before.acked, told) if until - acked <= FLOW_SECONDS else until
        edge = min(edge, until)
        if self.bands.kind is BandKind.STORING and edge - acked <= FLOW_SECONDS:
            self._presumed = edge
        self._set(edge, before.name if stays else None, BandKind.WAITING if self.waits else self._without_records())

    def _resume(self, owner: Owner) -> None:
        """It is stored, if a batch was acknowledged since the last band began."""
        kind, start = self.bands.kind, self.bands.start
        if owner.first is None or (kind is BandKind.STORING and self.bands.worker == owner.name):
            return
        since = owner.first if owner.first >= start else self.acked
        if kind is BandKind.UNKNOWN and self.bands.is_first:
            # Before it was looked at, too.
            since = max(start, owner.first) if self.acked >= start - IDLE_SECONDS else 0.0
        elif kind is BandKind.IDLE and since > start and since - start < MERGED_SECONDS:
            since = start if self.bands.before == (owner.name, BandKind.STORING) else since
        elif since <= start:
            return
        if since:
            self._presumed = None
            self._set(since, owner.name, BandKind.STORING)

    def _judge(self, owner: Owner, now: float) -> None:
        """What a partition is whose owner lives."""
        kind, known = self.bands.kind, self._is_answered(now)
        if kind is BandKind.STORING:
            if owner.stopped is not None:
                self._presumed = owner.stopped if owner.stopped - self.acked <= FLOW_SECONDS else self._presumed
                self._set(owner.stopped, owner.name, BandKind.WAITING if self.waits else self._without_records())
            elif self.is_known_to_wait:
                if now - owner.acked > owner.patience or now - self.acked > STANDS_SECONDS:
                    self._set(self.acked, owner.name, BandKind.WAITING)
            elif now - self.acked > IDLE_SECONDS and self.asked > self.acked:
                self._set(self.acked, owner.name, BandKind.IDLE)
            elif now - self.acked > UNKNOWN_SECONDS and not known:
                self._set(self.acked, owner.name, BandKind.UNKNOWN)
        elif self.waits:
            stands = owner.stopped is not None or owner.first is None
            since = self._waits_since or now
            if stands or kind is BandKind.WAITING or now - max(since, owner.acked) > owner.patience:
                self._set(since, owner.name, BandKind.WAITING)
        elif known or kind is BandKind.WAITING:
            self._set(now, owner.name, self._without_records())
        elif kind is BandKind.IDLE and self.end is not None:
            self._set(now, owner.name, BandKind.UNKNOWN)

    def _judge_without_owner(self, now: float) -> None:
        if self.waits:
            self._set(self._waits_since or now, None, BandKind.WAITING)
        elif self._is_answered(now):
            self._set(now, None, BandKind.IDLE)
        elif self.bands.kind is not BandKind.WAITING:
            self._set(now, None, BandKind.UNKNOWN)

    # What Kafka says

    def kafka_says(
        self, part: PartitionLag, at: float, remote: str | None, began: float, valid: float = UNKNOWN_SECONDS
    ) -> Increase | None:
        """Its offsets.

        Args:
            at: when they were answered.
            remote: the member of another host that owns it.
            began: when they were asked for: what was stored since then may be more than the end that was answered.
            valid: for how many seconds this answer is one.

        Returns: records that were stored, of which only the commit tells.
        """
        if part.end is None or part.high_watermark is None:
            return None
        if self._acks.is_beyond(part.high_watermark, began):
            # A topic of this name was deleted and made again, or the log was truncated.
            self._began_anew, self._acks, self.stored, self._presumed = at, Acknowledged(), None, None
        before, asked = self.stored, self.asked
        following = max(part.start or 0, part.committed if part.committed is not None else 0)
        self.stored = max(following, before or 0) if before is None or following <= part.high_watermark else before
        self.end, self.high_watermark, self.asked, self._valid = part.end, part.high_watermark, at, valid
        increase = Increase(self.stored - before, asked, at) if before is not None and self.stored > before else None
        if self._presumed is not None and began > self._presumed:
            if not self.is_known_to_wait:
                self.bands.no_hole_since(self._presumed)
            self._presumed = None
        if not self.is_known_to_wait:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = at
        self.remote = remote if self._owner is None else None
        if self.remote is not None:
            self._judge_remote(self.remote, asked if increase else None, at)
        return increase

    def kafka_has_none(self, at: float) -> None:
        """There is no such partition, or no such topic any more."""
        self._began_anew, self._acks, self._presumed, self._waits_since = at, Acknowledged(), None, None
        self.stored = self.end = self.high_watermark = self.remote = None
        self._set(at, None, BandKind.UNKNOWN)

    def _judge_remote(self, name: str, moved: float | None, at: float) -> None:
        """Of another host only the commits are known: while they move, it is stored there."""
        self._remote_moved = at if moved or self._remote_moved is None else self._remote_moved
        if moved:
            self._set(moved, name, BandKind.STORING)
        elif not self.is_known_to_wait:
            if self.bands.kind is not BandKind.STORING or at - self._remote_moved > IDLE_SECONDS:
                self._set(self._remote_moved, name, BandKind.IDLE)
        elif at - max(self._remote_moved, self._waits_since or 0.0) > REMOTE_SECONDS:
            self._set(max(self._remote_moved, self._waits_since or 0.0), name, BandKind.WAITING)
        elif self.bands.worker != name:
            self._set(at, name, BandKind.UNKNOWN)

    def _is_answered(self, now: float) -> bool:
        return self.end is not None and now - self.asked <= self._valid

    def _without_records(self) -> BandKind:
        return BandKind.UNKNOWN if self.end is None else BandKind.IDLE

    def _set(self, since: float, worker: str | None, kind: BandKind) -> None:
        if self.bands.kind is BandKind.WAITING and kind is not BandKind.WAITING and since > self.bands.start:
            self._on_hole(self.bands.hole_start, since)
        self.bands.set(since, worker, kind)
