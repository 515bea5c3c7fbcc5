"""The records that are not accounted for: suspected at first, told when they still are so some seconds later, until they are mended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from workers.auditor.full_pass import Span
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

SETTLE_SECONDS = 5.0
"""What is missing now and stored within so many seconds was never missing: a replay of a dead letter first stores its
document, and then removes the dead letter; a database that has just failed over may show an earlier state."""
MOST = 10_000
"""With more than these, nothing new is verified until some are mended: whoever looks knows enough, and memory is bounded."""
RUN_OFFSETS, RUN_GAP = 2_000, 200
"""The most offsets that are read at once to look at findings again, and how far apart two of them may be."""


class Unaccounted(NamedTuple):
    """One offset that is not as it must be."""

    outcome: str
    """Of `verification.report.FAILURES`."""
    first_seen: float
    """`time.monotonic`."""
    told: bool = False
    timestamp: float | None = None
    """Unix time of the record; None: not known, or there is no record."""


LOOKS = 1_000
"""Findings that are looked at again in one round,"""
RUNS = 20
"""and the most places of the log that are read for that. The others have their turn in the next round."""
NO_RECORD = "unexpected"
"""The outcome of what is stored where Kafka holds no record."""

Place = tuple[TopicPartition, int]
"""A partition and an offset."""


class Looked(NamedTuple):
    """What a second look has found."""

    told: dict[Place, Unaccounted]
    """To be told from now on."""
    mended: dict[Place, Unaccounted]
    """Was told, and is as it must be again."""
    gone: dict[Place, Unaccounted]
    """The log holds no record there any more: it was compacted, or retention has removed it meanwhile."""


class Findings:
    """Everything that is suspected or told now."""

    def __init__(self, found: Mapping[Place, Unaccounted] | None = None) -> None:
        """Args: found: by an earlier process."""
        self._found: dict[Place, Unaccounted] = dict(found or {})

    def __len__(self) -> int:
        return len(self._found)

    @property
    def is_full(self) -> bool:
        """Whether there are so many that nothing new should be looked for."""
        return len(self._found) >= MOST

    @property
    def are_settled(self) -> bool:
        """Whether none of them is a suspicion."""
        return all(found.told for found in self._found.values())

    def items(self) -> Iterable[tuple[Place, Unaccounted]]:
        """All of them, suspicions too."""
        return self._found.items()

    def told(self) -> dict[Place, Unaccounted]:
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
                self._found.setdefault((partition, offset), Unaccounted(outcome, now))

    def looked(
        self,
        places: Iterable[Place],
        failures: Mapping[str, Iterable[int]],
        read: Mapping[Place, float | None],
        now: float,
    ) -> Looked:
        """A second look at places of one partition.

        Args: failures: as in `suspect`. read: the records there, with their Unix times.
        """
        outcomes = {offset: outcome for outcome, offsets in failures.items() for offset in offsets}
        told: dict[Place, Unaccounted] = {}
        mended: dict[Place, Unaccounted] = {}
        gone: dict[Place, Unaccounted] = {}
        for place in places:
            # Put at the end again: those that were not looked at for the longest time come first.
            found = self._found.pop(place)
            outcome = outcomes.get(place[1])
            if outcome is None:
                is_there = place in read or found.outcome == NO_RECORD
                (mended if is_there else gone)[place] = found
                continue
            settled = found.told or now - found.first_seen >= SETTLE_SECONDS
            again = Unaccounted(outcome, found.first_seen, settled, read.get(place) or found.timestamp)
            self._found[place] = again
            if settled and (not found.told or outcome != found.outcome):
                told[place] = again
        return Looked(told, {place: found for place, found in mended.items() if found.told}, gone)

    def forget_outside(self, logs: Mapping[TopicPartition, tuple[int, int]]) -> dict[Place, Unaccounted]:
        """Forget what the logs do not hold any more, and return it. Args: logs: start and end, by partition."""
        gone = {}
        for place in list(self._found):
            start, end = logs.get(place[0], (place[1], place[1] + 1))
            if not start <= place[1] < end:
                found = self._found.pop(place)
                if found.told or found.outcome != NO_RECORD:
                    gone[place] = found
        return gone

    def due(self, now: float, answered: Container[TopicPartition]) -> list[Place]:
        """What is to be looked at again now: everything that is told, and suspicions that have settled. The first of them
        were not looked at for the longest time.

        Args: answered: the partitions that can be read.
        """
        return [
            place
            for place, found in self._found.items()
            if place[0] in answered and (found.told or now - found.first_seen >= SETTLE_SECONDS)
        ]


def next_runs(due: Sequence[Place]) -> list[tuple[Span, list[Place]]]:
    """The runs that are read in one round: those with the places that come first in `due`, so that none waits for ever."""
    turns = {place: turn for turn, place in enumerate(due[:LOOKS])}
    return sorted(runs(turns), key=lambda run: min(turns[place] for place in run[1]))[:RUNS]


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
