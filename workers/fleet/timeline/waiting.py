"""How many records waited at every second, and how old the oldest was: from what Kafka says now and then. Pure."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.fleet.timeline.owner import Increase
    from workers.fleet.timeline.partition import PartitionTrack
    from workers.fleet.timeline.series import Series
    from workers.monitoring.lag import PartitionLag
    from workers.types import TopicPartition

BACKFILL_SECONDS = 90.0
"""A longer pause between two answers of Kafka is not filled in."""


class Waiting:
    """Fills the series `waiting` and `age` whenever Kafka has answered."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._asked: float | None = None
        """When Kafka was asked last, and answered."""
        self._age: float | None = None
        """What it said then."""

    def fill(
        self,
        tracks: Mapping[TopicPartition, PartitionTrack],
        known: Mapping[TopicPartition, PartitionLag],
        readable: Iterable[Increase],
        at: float,
        interval: float,
    ) -> None:
        """Tell every second since Kafka was asked before: what had come by then, less what was stored by then.

        Args:
            known: the partitions for which it answered.
            readable: what came since then that can be read.
            at: when it was asked.
            interval: seconds between two questions.
        """
        series, second = self._series, int(at)
        waiting = {p: max(0, (part.end or 0) - (tracks[p].stored_at(at) or 0)) for p, part in known.items()}
        # The largest of the ages that are known: one that is not known hides no other.
        ages = [0.0 if not waiting[partition] else part.seconds for partition, part in known.items()]
        told = [age for age in ages if age is not None]
        age = max(told) if told and (max(told) > 0 or len(told) == len(ages)) else None
        before, self._asked = self._asked, at
        age_before, self._age = self._age, age
        if not known:
            return
        if before is None or at - before > max(BACKFILL_SECONDS, 3 * interval):
            before = at - 1.0
        amount = float(sum(waiting.values()))
        came = sum(each.amount for each in readable)
        for number in range(second, int(before), -1):
            # Seconds end at a whole number; the one that goes on has what is known now.
            then = min(number + 1.0, at)
            share = (at - then) / (at - before)
            stored = sum(_known(series.get("stored", each)) for each in range(number + 1, second + 1))
            series.put("waiting", number, max(0.0, amount - came * share + stored))
            if age is not None:
                series.put("age", number, age if age_before is None else age + (age_before - age) * share)


def _known(value: float) -> float:
    return 0.0 if isnan(value) else value
