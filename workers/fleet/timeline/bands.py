"""The bands of one partition: who had it when, and whether it was stored. Pure.

Run-length: one entry a change, so a day of a partition that stays where it is costs nothing. Bounded: where there are more
changes than `limit`, old bands become coarser. A hole, records that waited and that nobody stored, is never left out.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

EXACT_SECONDS = 600.0
"""So long nothing is made coarser, as long as it fits at all."""
SHORTEST = 1.0
"""The first resolution that is tried where there are too many bands; doubled until they fit."""


class BandKind(StrEnum):
    """What a band says of its partition."""

    STORING = "storing"
    IDLE = "idle"
    """Nothing waits."""
    WAITING = "waiting"
    """Records wait, and nobody stores them: a hole."""
    HALTED = "halted"
    """Its worker has paused it: rejects, lost records."""
    PAUSED = "paused"
    """Somebody has paused it (`workers pause`): what waits does so because it is to."""
    UNKNOWN = "unknown"


class Band(NamedTuple):
    """One stretch of time of one partition."""

    start: float
    end: float
    worker: str | None
    """Its owner; None: nobody, or not known."""
    kind: BandKind


class Bands:
    """All bands of one partition. They ascend, without a gap. Times are seconds of one clock."""

    def __init__(self, start: float, limit: int) -> None:
        """Nothing is known at first. Args: limit: the most bands that are kept."""
        self.limit = limit
        self._starts = [start]
        self._what: list[tuple[str | None, BandKind]] = [(None, BandKind.UNKNOWN)]

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def start(self) -> float:
        """When the last band began."""
        return self._starts[-1]

    @property
    def worker(self) -> str | None:
        """Of the last band."""
        return self._what[-1][0]

    @property
    def kind(self) -> BandKind:
        """Of the last band."""
        return self._what[-1][1]

    @property
    def hole_start(self) -> float:
        """When the hole began that lasts until now; else of the last band."""
        place = len(self._what) - 1
        while place and self._what[place][1] is self._what[place - 1][1] is BandKind.WAITING:
            place -= 1
        return self._starts[place]

    @property
    def is_first(self) -> bool:
        """Whether the last band is the first one, in which nothing was known yet."""
        return len(self._what) == 1

    @property
    def before(self) -> tuple[str | None, BandKind] | None:
        """Worker and kind of the band before the last; None: there is none."""
        return self._what[-2] if len(self._what) > 1 else None

    def set(self, since: float, worker: str | None, kind: BandKind) -> None:
        """From then on it is so; a time before the last band's start counts as that one: what was told stays told."""
        if self._what[-1] == (worker, kind):
            return
        if since <= self._starts[-1]:
            since = self._starts.pop()
            self._what.pop()
            if self._what and self._what[-1] == (worker, kind):
                return
        self._starts.append(since)
        self._what.append((worker, kind))
        if len(self._starts) > self.limit:
            self._make_coarser()

    def no_hole_since(self, since: float) -> None:
        """Nothing waited after all: the holes that began then or later, up to now, were none."""
        place = len(self._what)
        while place and self._starts[place - 1] >= since and self._what[place - 1][1] is BandKind.WAITING:
            place -= 1
        for index in range(place, len(self._what)):
            self._what[index] = self._what[index][0], BandKind.IDLE
        self._replace(_joined(self._all(inf)))

    def forget(self, before: float) -> None:
        """Forget what ended before then."""
        place = bisect_right(self._starts, before) - 1
        if place > 0:
            del self._starts[:place], self._what[:place]

    def between(self, start: float, now: float) -> list[Band]:
        """From a time until now; unknown where it was not looked at yet."""
        found = [band._replace(start=max(start, band.start)) for band in self._all(now) if band.end > start]
        if found and found[0].start > start:
            found.insert(0, Band(start, found[0].start, None, BandKind.UNKNOWN))
        return _joined(found)

    def _all(self, now: float) -> list[Band]:
        ends = [*self._starts[1:], max(now, self._starts[-1])]
        return [Band(start, end, *what) for start, end, what in zip(self._starts, ends, self._what, strict=True)]

    def _replace(self, bands: list[Band]) -> None:
        self._starts = [band.start for band in bands]
        self._what = [(band.worker, band.kind) for band in bands]

    def _make_coarser(self) -> None:
        """To three quarters of the limit, so that it is not done at every change."""
        *bands, last = self._all(inf)
        fits, shortest = self.limit * 3 // 4, SHORTEST
        old = [band for band in bands if band.end <= last.start - EXACT_SECONDS]
        recent = bands[len(old) :]
        while len(old) + len(recent) + 1 > fits and shortest < last.start - self._starts[0] + 2 * SHORTEST:
            old = coarser(old, shortest)
            if len(recent) >= fits // 2:
                recent = coarser(recent, shortest)
            shortest *= 2
        self._replace(_joined([*old, *recent, last]))


def coarser(bands: list[Band], shortest: float) -> list[Band]:
    """The same at a lower resolution: no band is shorter, but for holes, which stay; holes that are nearer to each other
    become one. So there are at most two bands for each `shortest`.
    """
    return _without_short(_with_near_holes_joined(bands, shortest), shortest)


def _with_near_holes_joined(bands: list[Band], distance: float) -> list[Band]:
    found: list[Band] = []
    hole = -1
    """Where the last hole is in `found`."""
    for band in bands:
        if band.kind is BandKind.WAITING and hole >= 0 and band.start - found[hole].end < distance:
            before = found[hole]
            worker = before.worker if before.worker == band.worker else None
            del found[hole:]
            band = Band(before.start, band.end, worker, BandKind.WAITING)  # noqa: PLW2901 one hole of two
        found.append(band)
        if band.kind is BandKind.WAITING:
            hole = len(found) - 1
    return found


def _without_short(bands: list[Band], shortest: float) -> list[Band]:
    found: list[Band] = []
    short: Band | None = None
    """What is short and follows a hole: it is given to what comes next."""
    for band in bands:
        whole = band if short is None else band._replace(start=short.start)
        if band.kind is not BandKind.WAITING and whole.end - whole.start < shortest:
            if found and found[-1].kind is not BandKind.WAITING:
                found[-1] = found[-1]._replace(end=band.end)
            else:
                short = whole
            continue
        if band.kind is BandKind.WAITING and short is not None:
            # Before the first hole; between two holes there is more.
            found.append(short)
        found.append(band if band.kind is BandKind.WAITING else whole)
        short = None
    return _joined(found if short is None else [*found, short])


def _joined(bands: Iterable[Band]) -> list[Band]:
    """Without two in a row that say the same, and without those of no length."""
    found: list[Band] = []
    for band in bands:
        if found and found[-1][2:] == band[2:]:
            found[-1] = found[-1]._replace(end=band.end)
        elif band.end > band.start or not found:
            found.append(band)
    return found
