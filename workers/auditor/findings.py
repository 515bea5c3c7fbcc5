"""The records that are not accounted for: suspected at first, told when they still are so some seconds later, until they are mended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from workers.auditor.full_pass import Span
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SETTLE_SECONDS = 5.0
"""What is missing now and stored within so many seconds was never missing: a replay of a dead letter first stores its
document, and then removes the dead letter; a database that has just failed over may show an earlier state."""
MOST = 10_000
"""With more than these, nothing new is verified until some are mended: whoever looks knows enough, and memory is bounded."""
RUN_OFFSETS, RUN_GAP = 2_000, 200
"""The most offsets that are read at once to look at findings again, and how far apart two of them may be."""


class Finding(NamedTuple):
    """One offset that is not as it must be."""

    outcome: str
    """Of `verification.report.FAILURES`."""
    first_seen: float
    """`time.monotonic`."""
    told: bool = False
    timestamp: float | None = None
    """Unix time of the record; None: not known, or there is no record."""


Place = tuple[TopicPartition, int]
"""A partition and an offset."""


class Findings:
    """Everything that is suspected or told now."""

    def __init__(self, told: Mapping[Place, Finding] | None = None) -> None:
        """Args: told: by an earlier process."""
        self._found: dict[Place, Finding] = dict(told or {})

    def __len__(self) -> int:
        return len(self._found)

    @property
    def is_full(self) -> bool:
        """Whether there are so many that nothing new should be looked for."""
        return len(self._found) >= MOST

    def told(self) -> dict[Place, Finding]:
        """Those that are no suspicion any more."""
        return {place: found for place, found in self._found.items() if found.told}

    def counts(self) -> Counter[str]:
        """How many are told, by outcome."""
        return Counter(found.outcome for found in self._found.values() if found.told)

    def oldest(self) -> float | None:
        """The earliest timestamp of the records that are told."""
        return min((each.timestamp for each in self._found.values() if each.told and each.timestamp), default=None)

    def suspect(self, partition: TopicPartition, failures: Mapping[str, Iterable[int]], now: float) -> None:
        """Take note of what a comparison found. Args: failures: by outcome, the offsets. now: `time.monotonic`."""
        for outcome, offsets in failures.items():
            for offset in offsets:
                self._found.setdefault((partition, offset), Finding(outcome, now))

    def looked(
        self,
        places: Iterable[Place],
        failures: Mapping[str, Iterable[int]],
        timestamps: Mapping[Place, float],
        now: float,
    ) -> tuple[dict[Place, Finding], dict[Place, Finding]]:
        """A second look at places of one partition: what is told from now on, and what was told and is as it must be again.

        Args: failures: as in `suspect`. timestamps: of the records there.
        """
        outcomes = {offset: outcome for outcome, offsets in failures.items() for offset in offsets}
        told, mended = {}, {}
        for place in places:
            # Put at the end again: those that were not looked at for the longest time come first.
            found = self._found.pop(place)
            outcome = outcomes.get(place[1])
            if outcome is None:
                mended[place] = found
                continue
            settled = found.told or now - found.first_seen >= SETTLE_SECONDS
            again = Finding(outcome, found.first_seen, settled, timestamps.get(place, found.timestamp))
            self._found[place] = again
            if settled and (not found.told or outcome != found.outcome):
                told[place] = again
        return told, {place: found for place, found in mended.items() if found.told}

    def forget_outside(self, logs: Mapping[TopicPartition, tuple[int, int]]) -> dict[Place, Finding]:
        """Forget what the logs do not hold any more; return what of it was told. Args: logs: start and end, by partition."""
        gone = {}
        for place in list(self._found):
            start, end = logs.get(place[0], (place[1], place[1] + 1))
            if not start <= place[1] < end:
                gone[place] = self._found.pop(place)
        return {place: found for place, found in gone.items() if found.told}

    def due(self, now: float) -> list[Place]:
        """What is to be looked at again now: everything that is told, and suspicions that have settled. The first of them
        were not looked at for the longest time.
        """
        return [place for place, found in self._found.items() if found.told or now - found.first_seen >= SETTLE_SECONDS]


def runs(places: Iterable[Place]) -> Iterator[tuple[Span, list[Place]]]:
    """Spans that hold these places, few where the places are close together, each with the places in it."""
    run: list[Place] = []
    for place in sorted(places):
        partition, offset = place
        if run and not (partition == run[0][0] and offset - run[-1][1] < RUN_GAP and offset - run[0][1] < RUN_OFFSETS):
            yield Span(run[0][0], run[0][1], run[-1][1] + 1), run
            run = []
        run.append(place)
    if run:
        yield Span(run[0][0], run[0][1], run[-1][1] + 1), run
