"""Until when every record is accounted for. Pure: it needs offsets and the time of one clock, and no timestamp of a record.

A record's timestamp is the producer's: it may be of any clock, and records of one partition may have them in any order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.types import TopicPartition

MOST = 1_000
"""Ends that are remembered. With more, every second one is forgotten: `until` moves in larger steps then."""


class _Seen(NamedTuple):
    """The ends of all partitions at one moment."""

    time: float
    ends: Mapping[TopicPartition, int]


class Horizon:
    """The latest moment of which every offset that was there is passed. Everything that came before it had these offsets."""

    def __init__(self, until: float | None = None) -> None:
        """Args: until: what was reached before, Unix time; None: nothing."""
        self.until = until
        self._seen: deque[_Seen] = deque()

    def saw(self, now: float, ends: Mapping[TopicPartition, int]) -> None:
        """Remember where the partitions ended. Args: now: Unix time, taken before the ends were asked for."""
        self.cap(now)
        if self._seen and self._must_rewrite(now, ends):
            # Or a log was truncated, and what was behind its end is not there any more.
            self._seen = deque(
                _Seen(min(each.time, now), {p: min(end, ends.get(p, end)) for p, end in each.ends.items()})
                for each in self._seen
            )
        self._seen.append(_Seen(now, dict(ends)))
        if len(self._seen) > MOST:
            self._seen = deque(list(self._seen)[1::2])

    def cap(self, now: float) -> None:
        """If the clock was set back, what came after `now` on the clock of today is not known to be passed."""
        if self.until is not None and self.until > now:
            self.until = now

    def reach(self, passed: Mapping[TopicPartition, int]) -> float | None:
        """Until when everything is passed. Args: passed: by partition, all offsets before this are."""
        while self._seen and all(passed.get(partition, 0) >= end for partition, end in self._seen[0].ends.items()):
            self.until = self._seen.popleft().time
        return self.until

    def _must_rewrite(self, now: float, ends: Mapping[TopicPartition, int]) -> bool:
        last = self._seen[-1]
        return now < last.time or any(ends.get(partition, end) < end for partition, end in last.ends.items())
