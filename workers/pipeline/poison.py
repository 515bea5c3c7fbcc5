"""Poison records: found by what was in progress (being decoded) when workers crashed, and quarantined.

A crash inside an extension, a hang, or memory that runs out leaves no time to write a dead letter, and the next owner
of the partition crashes on the same record. So a range that was in progress at several crashes is decoded in ever
smaller parts, and a record that was in progress alone at two crashes is quarantined: it becomes a dead letter without
being decoded. For example, with 1,000 records a batch and record 437 as the poison record:

    crash 1, 2  0-999 in progress      two crashes: the range is suspect; it is decoded in parts of 1000 / 16 = 62
    crash 3     434-495 in progress    the parts before it passed; now parts of 62 / 16 = 3
    crash 4     437-439 in progress    now one by one
    crash 5, 6  437 alone              quarantined

Only decoding counts: a crash during a write has another cause.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from workers.types import RecordPosition, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from workers.records import Records
    from workers.types import Fetched

SUSPECT_AFTER_CRASHES = 2
"""Crashes with a record in progress. One proves little: a kill -9 by an operator also finds records in progress."""
QUARANTINE_AFTER_CRASHES = 2
"""Crashes with a record, and nothing else, in progress."""
PARTS = 16
"""The number of parts of a suspect range: it takes few crashes to find the poison record, and few batches for the rest."""


class Crash(NamedTuple):
    """A range of offsets of one partition that was in progress when a worker crashed."""

    id: str
    """Of the crash, the same for all its ranges: recording a crash is idempotent by it."""
    incarnation: str
    """`TopicIdentity.prefix`"""
    partition: TopicPartition
    first: int
    next: int
    alone: bool
    """Whether the range is one record, and nothing else was in progress."""


class Isolated(NamedTuple):
    """What a poll returned, divided into what is decoded now and what is redelivered later."""

    to_decode: Fetched
    deferred: Mapping[TopicPartition, int]
    """By partition: the offset to rewind to for the rest."""


class PoisonGuard(Protocol):
    """Finds poison records, which would otherwise crash every owner of their partition."""

    def isolate(self, fetched: Fetched) -> Isolated: ...

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        """Record, outside this process, that these records are in progress."""


class NullPoisonGuard:
    """Isolates nothing: for a worker without a state directory."""

    def isolate(self, fetched: Fetched) -> Isolated:
        return Isolated(fetched, {})

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        return nullcontext()


def isolate(fetched: Fetched, crashes: Sequence[Crash]) -> Isolated:
    """See `PoisonGuard.isolate`. A part of a suspect range is decoded without any other records, so that the next crash
    narrows the range down; a poison record is returned alone, in `Fetched.poison`.
    """
    by_place: dict[tuple[str, TopicPartition], list[Crash]] = {}
    for crash in crashes:
        by_place.setdefault((crash.incarnation, crash.partition), []).append(crash)
    to_decode: dict[TopicPartition, Records] = {}
    for partition, records in fetched.records.items():
        known = by_place.get((fetched.topics[partition.topic].prefix, partition), [])
        to_decode[partition] = records[: _count_before_suspect(records, known)]
        if not to_decode[partition]:
            covering = [crash for crash in known if crash.first <= records.offsets[0] < crash.next]
            return _suspect_part(fetched, partition, covering)
    kept = {partition: records for partition, records in to_decode.items() if records}
    return Isolated(fetched._replace(records=kept), _deferred(fetched, to_decode))


def _count_before_suspect(records: Records, crashes: Sequence[Crash]) -> int:
    """The number of records before the first suspect one."""
    for first, end in _suspect_ranges(crashes):
        count = bisect_left(records.offsets, first)
        if count < len(records) and records.offsets[count] < end:
            return count
    return len(records)


def _suspect_ranges(crashes: Sequence[Crash]) -> Iterator[tuple[int, int]]:
    """The offsets that enough crashes have in common, in order. Not by record: the journal may have thousands."""
    edges = sorted([(crash.first, 1) for crash in crashes] + [(crash.next, -1) for crash in crashes])
    depth = 0
    for (offset, change), (end, _) in pairwise(edges):
        depth += change
        if depth >= SUSPECT_AFTER_CRASHES and offset < end:
            yield offset, end


def _suspect_part(fetched: Fetched, partition: TopicPartition, covering: Sequence[Crash]) -> Isolated:
    """The next part of one partition, smaller than each of the crashes' ranges, all of which cover its first record."""
    records = fetched.records[partition]
    smallest = min(crash.next - crash.first for crash in covering)
    end = min(records.offsets[0] + max(1, smallest // PARTS), *(crash.next for crash in covering))
    part = {partition: records[: bisect_left(records.offsets, end)]}
    quarantined = sum(crash.alone for crash in covering) >= QUARANTINE_AFTER_CRASHES
    poison = RecordPosition(partition, records.offsets[0]) if quarantined else None
    return Isolated(fetched._replace(records=part, poison=poison), _deferred(fetched, part))


def _deferred(fetched: Fetched, to_decode: Mapping[TopicPartition, Records]) -> dict[TopicPartition, int]:
    """By partition: the offset of the first record that was fetched and is not decoded now."""
    counts = {partition: len(to_decode.get(partition, ())) for partition in fetched.records}
    return {p: records.offsets[counts[p]] for p, records in fetched.records.items() if counts[p] < len(records)}
