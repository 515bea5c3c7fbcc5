"""Until when every record is accounted for, of one incarnation of a topic. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.auditor.backlog import committed_end
from workers.auditor.horizon import Horizon

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.auditor.positions import Positions
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.types import TopicPartition


class ProvenUntil:
    """Keeps `Positions.until`: never later than what is verified, and never over a finding."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._written = Horizon(positions.until)
        self._committed = Horizon()
        """Until when all that was committed is verified: how far behind the fleet the auditor is."""

    @property
    def committed_until(self) -> float | None:
        """Until when all that was committed then is verified; None: not known yet."""
        return self._committed.until

    def saw(self, now: float, offsets: Mapping[TopicPartition, PartitionOffsets], *, is_whole: bool) -> None:
        """Remember where all partitions end.

        Args: now: Unix time, taken before the offsets were asked for. is_whole: no partition is missing.
        """
        self._written.cap(now)
        self._committed.cap(now)
        if not is_whole:
            return
        self._written.saw(now, {partition: each.high_watermark for partition, each in offsets.items()})
        self._committed.saw(now, {partition: committed_end(each) for partition, each in offsets.items()})

    def give_up(self, now: float) -> None:
        """The group was set back. What was proven is void until it is read and verified again: the sink may have lost it."""
        self._written, self._committed = Horizon(), Horizon()
        self._positions.until, self._positions.set_back = None, now

    def settle(self) -> None:
        """Move `until` to what is verified now; back, if it is later than a record that is not accounted for."""
        positions = self._positions
        reached = self._written.reach(positions.verified)
        self._committed.reach(positions.verified)
        if not positions.findings:
            positions.until = reached
        elif positions.until is not None:
            # `reached` is the earliest only when the clock was set back.
            known = (positions.until, reached, positions.findings.oldest())
            positions.until = min(each for each in known if each is not None)
        if positions.until is not None:
            positions.set_back = None
