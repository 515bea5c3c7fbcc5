"""Poison records: found by what was being decoded when workers crashed, so that one of them does not stop its partition.

A crash inside an extension, a hang, or memory that runs out leaves no time to write a dead letter, and the next owner
of the partition crashes on the same record. So the records that were in progress at several crashes are decoded again
in ever smaller parts, and a record that was in progress alone at two of them is quarantined: it is not decoded any
more and becomes a dead letter. For example, with 1,000 records a batch and record 437 as the poison one:

    crash 1, 2  0-999 in progress      two crashes: the range is suspect, and is read in parts of 1000 / 16 = 62
    crash 3     434-495 in progress    the parts before it passed; now parts of 62 / 16 = 3
    crash 4     437-439 in progress    now one by one
    crash 5, 6  437 alone              quarantined

Only decoding counts. A worker that dies while it waits for the sink died of something else.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

from workers.types import RecordPosition, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from workers.types import Fetched, Record

SUSPECT_AFTER_CRASHES = 2
"""Crashes with a record in progress. One alone says little: whoever kills workers kills them at work."""
QUARANTINE_AFTER_CRASHES = 2
"""Crashes with a record, and nothing else, in progress."""
PARTS = 16
"""Into how many a suspect range is divided: few crashes to find the one, few batches for its innocent neighbours."""


class Crash(NamedTuple):
    """A range of offsets of one partition that a worker was decoding when it crashed."""

    id: str
    """Of the crash, the same for all its ranges: whoever enters a crash twice enters it once."""
    incarnation: str
    """`TopicIdentity.prefix`"""
    partition: TopicPartition
    first: int
    next: int
    alone: bool
    """Whether it was one record, and nothing else was in progress."""


class Isolated(NamedTuple):
    """What may be decoded together now, and what has to wait for its turn."""

    to_decode: Fetched
    deferred: Mapping[TopicPartition, int]
    """By partition: the offset from which the rest is to be redelivered."""


class PoisonGuard(Protocol):
    """Keeps a record that crashes workers from crashing them for ever."""

    def isolate(self, fetched: Fetched) -> Isolated: ...

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        """Remember these records while they are decoded, whatever becomes of this process."""


class NullPoisonGuard:
    """Suspects nothing: for a worker that has no folder in which to remember."""

    def isolate(self, fetched: Fetched) -> Isolated:
        return Isolated(fetched, {})

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        return nullcontext()


def isolate(fetched: Fetched, crashes: Sequence[Crash]) -> Isolated:
    """See `PoisonGuard.isolate`. A suspect range comes by itself, from one partition and in small parts, so that the
    next crash says more than the last one; a record that is quarantined comes alone and marked.
    """
    taken: dict[TopicPartition, Sequence[Record]] = {}
    for partition, records in fetched.records.items():
        incarnation = fetched.topics[partition.topic].prefix
        known = [crash for crash in crashes if (crash.incarnation, crash.partition) == (incarnation, partition)]
        taken[partition] = records[: _count_before_suspect(records, known)]
        if not taken[partition]:
            around = [crash for crash in known if crash.first <= records[0].offset < crash.next]
            return _suspect_part(fetched, partition, around)
    return Isolated(fetched._replace(records={p: each for p, each in taken.items() if each}), _rest(fetched, taken))


def _count_before_suspect(records: Sequence[Record], crashes: Sequence[Crash]) -> int:
    """How many records there are before the first one that is suspect."""
    if crashes:
        for count, record in enumerate(records):
            if sum(crash.first <= record.offset < crash.next for crash in crashes) >= SUSPECT_AFTER_CRASHES:
                return count
    return len(records)


def _suspect_part(fetched: Fetched, partition: TopicPartition, around: Sequence[Crash]) -> Isolated:
    """The next part of one partition, smaller than what was in progress at any of the crashes around its first record."""
    records = fetched.records[partition]
    smallest = min(crash.next - crash.first for crash in around)
    until = min(records[0].offset + max(1, smallest // PARTS), *(crash.next for crash in around))
    taken = {partition: [record for record in records if record.offset < until]}
    quarantined = sum(crash.alone for crash in around) >= QUARANTINE_AFTER_CRASHES
    poison = RecordPosition(partition, records[0].offset) if quarantined else None
    return Isolated(fetched._replace(records=taken, poison=poison), _rest(fetched, taken))


def _rest(fetched: Fetched, taken: Mapping[TopicPartition, Sequence[Record]]) -> dict[TopicPartition, int]:
    """By partition: the offset of the first record that was fetched and not taken."""
    counts = {partition: len(taken.get(partition, ())) for partition in fetched.records}
    return {p: records[counts[p]].offset for p, records in fetched.records.items() if counts[p] < len(records)}
