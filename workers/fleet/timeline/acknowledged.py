"""The last batches of one partition that were acknowledged: when, and up to which offset. Pure."""

from __future__ import annotations

from itertools import pairwise

KEPT = 4
"""As many as a look may find, and some before."""
LONGEST_BATCH_SECONDS = 10.0
BURST_SECONDS = 0.25


def written_since(at: float, *, steady: bool) -> float:
    """The earliest moment at which a batch can have been written that is acknowledged now.

    Args: steady: whether it is stored all the time; behind a hole a batch is a burst.
    """
    return at - (LONGEST_BATCH_SECONDS if steady else BURST_SECONDS)


class Acknowledged:
    """Times ascend, and so do offsets."""

    def __init__(self) -> None:
        self._all: list[tuple[float, int]] = []

    def add(self, at: float, next_offset: int) -> None:
        """Everything before an offset is stored since then."""
        self._all = [*self._all[1 - KEPT :], (at, next_offset)]

    def at(self, time: float) -> int | None:
        """Up to which offset it was stored at a moment of the last second; None: no batch is known."""
        found = None if not self._all else self._all[0][1] if time < self._all[0][0] else self._all[-1][1]
        for (start, before), (end, after) in pairwise(self._all):
            if start <= time < end:
                found = before + round((after - before) * (time - start) / (end - start))
        return found

    def last_until(self, time: float) -> float:
        """When the last batch was acknowledged before a moment; 0.0: none is known."""
        return max((when for when, _ in self._all if when <= time), default=0.0)

    def is_beyond(self, offset: int, until: float) -> bool:
        """Whether more than that was stored by a moment."""
        return any(when <= until and stored > offset for when, stored in self._all)
