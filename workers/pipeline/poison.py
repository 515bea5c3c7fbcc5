"""Records that kill: found by what was in hand when workers died, so that one of them does not stop its partition.

A crash inside an extension, a hang, or memory that runs out leaves no time to write a dead letter, and the next owner
of the partition dies of the same record. So what was in hand at several deaths is read again in ever smaller parts,
and a record that was in hand alone at two of them is not decoded any more: it becomes a dead letter.

Only decoding counts. A worker that dies while it waits for the database died of something else.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from workers.pipeline.observer import NullObserver
from workers.state.crash_journal import CrashJournal, InProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager

    from workers.state.crash_journal import Crash
    from workers.state.slot import Slot
    from workers.types import Fetched, Record, TopicIdentity

SUSPECT_AFTER_CRASHES = 2
"""Deaths with a record in hand. One alone says little: whoever kills workers kills them at work."""
QUARANTINE_AFTER_CRASHES = 2
"""Deaths with a record, and nothing else, in hand."""
PARTS = 16
"""Into how many what is suspected is divided: few deaths to find the one, few batches for its innocent neighbours."""


class PoisonIsolator(NullObserver):
    """What one worker knows of the deaths on its host. As an observer it hears of every new assignment, and then looks
    who has died.
    """

    def __init__(self, slot: Slot, tell: Callable[[Crash], None]) -> None:
        """Args:
        slot: taken by this process.
        tell: told each death that nobody had found before.
        """
        self._list = CrashJournal(slot, tell)
        self._in_progress = InProgress(slot)
        self._deaths: list[Crash] | None = None

    def owns(self, partitions: Collection[int]) -> None:
        self._deaths = None

    def isolate(self, fetched: Fetched) -> tuple[Fetched, dict[int, int]]:
        """What of this may be decoded together now; and, by partition, the offset from which the rest must come again."""
        if self._deaths is None:
            self._deaths = self._list.all()
        if not self._deaths:
            return fetched, {}
        return divide(fetched, self._deaths)

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        """Remember these records while they are decoded, whatever becomes of this process."""
        return self._in_progress.hold(fetched)

    def past(self, topic: TopicIdentity, next_offsets: Mapping[int, int]) -> None:
        """Everything before these offsets is committed: what died there is found, or was innocent."""
        if self._deaths:
            self._deaths = self._list.forget(
                lambda death: death.topic == topic.prefix and death.next <= next_offsets.get(death.partition, 0)
            )


class NullPoisonGuard(NullObserver):
    """Suspects nothing: for a worker that has no folder in which to remember."""

    def isolate(self, fetched: Fetched) -> tuple[Fetched, dict[int, int]]:
        return fetched, {}

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        return nullcontext()

    def past(self, topic: TopicIdentity, next_offsets: Mapping[int, int]) -> None: ...


def divide(fetched: Fetched, deaths: Sequence[Crash]) -> tuple[Fetched, dict[int, int]]:
    """See `PoisonIsolator.isolate`. What is suspected comes by itself, from one partition and in small parts, so that the
    next death says more than the last one; a record that is condemned comes alone and marked.
    """
    topic = fetched.topic.prefix
    taken: dict[int, Sequence[Record]] = {}
    for partition, records in fetched.records.items():
        held = [death for death in deaths if (death.topic, death.partition) == (topic, partition)]
        taken[partition] = records[: _innocent(records, held)]
        if not taken[partition]:
            around = [death for death in held if death.first <= records[0].offset < death.next]
            return _suspicious(fetched, partition, around)
    return fetched._replace(records={p: records for p, records in taken.items() if records}), _left(fetched, taken)


def _innocent(records: Sequence[Record], deaths: Sequence[Crash]) -> int:
    """How many records there are before the first one that is suspected."""
    if deaths:
        for count, record in enumerate(records):
            if sum(death.first <= record.offset < death.next for death in deaths) >= SUSPECT_AFTER_CRASHES:
                return count
    return len(records)


def _suspicious(fetched: Fetched, partition: int, around: Sequence[Crash]) -> tuple[Fetched, dict[int, int]]:
    """The next part of one partition, smaller than what was in hand at any of the deaths around its first record."""
    records = fetched.records[partition]
    smallest = min(death.next - death.first for death in around)
    until = min(records[0].offset + max(1, smallest // PARTS), *(death.next for death in around))
    taken = {partition: [record for record in records if record.offset < until]}
    quarantined = sum(death.alone for death in around) >= QUARANTINE_AFTER_CRASHES
    return fetched._replace(records=taken, quarantined=quarantined), _left(fetched, taken)


def _left(fetched: Fetched, taken: Mapping[int, Sequence[Record]]) -> dict[int, int]:
    """By partition: the offset of the first record that was fetched and not taken."""
    counts = {partition: len(taken.get(partition, ())) for partition in fetched.records}
    return {p: records[counts[p]].offset for p, records in fetched.records.items() if counts[p] < len(records)}
