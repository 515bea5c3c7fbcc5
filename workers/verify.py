"""The proof: offset by offset, what Kafka holds against what the database holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from workers.admin import Admin, Span, Topic
from workers.errors import NotFoundError
from workers.log_reader import read_log
from workers.offsets import Offsets
from workers.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from workers.settings import Settings

NAMED = 10
"""How many offsets of each kind are named."""
FAR = 2**27
"""An id this far behind the end of the log is no offset of it, and too far for a bitmap."""


@dataclass
class Account:
    """One partition, every record of it counted once, and the offsets by name where something is wrong."""

    partition: int
    kafka: int = 0
    """Records that Kafka holds now, and that may be read."""
    stored: int = 0
    dead_lettered: int = 0
    pending: int = 0
    """Not in the database, and not committed either: still to be read."""
    expired: int = 0
    """Offsets before the beginning of the log without a document: removed before they were read, or never a record."""
    missing: int = 0
    """Committed, and neither a document nor a dead letter: lost."""
    twice: int = 0
    """Both a document and a dead letter."""
    unexpected: int = 0
    """Documents or dead letters for offsets at which Kafka holds no record."""
    offsets: dict[str, list[int]] = field(default_factory=dict)
    """The first offsets that are missing, twice, unexpected, by that word."""

    @property
    def accounted(self) -> bool:
        """Whether nothing is lost, nothing is there twice, and nothing is unexplained."""
        return not (self.missing or self.twice or self.unexpected)


@dataclass
class Verdict:
    """What `verify` found."""

    topic: str
    group: str
    partitions: list[Account]
    foreign: int = 0
    """Documents whose id is of no partition of this topic: another topic's, an earlier incarnation's, or by hand."""

    @property
    def accounted(self) -> bool:
        """Whether every partition is."""
        return all(account.accounted for account in self.partitions)

    def total(self, word: str) -> int:
        """The sum over all partitions of one of the counts of `Account`."""
        return sum(getattr(account, word) for account in self.partitions)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"accounted": self.accounted}


class _Census:
    """The ids of one collection, sorted into sets of offsets by partition."""

    def __init__(
        self, topic: Topic, spans: Mapping[int, Span], ids: Iterable[object], seen: Callable[[int], None]
    ) -> None:
        prefix = topic.identity.prefix
        self.found = {partition: Offsets(span.start) for partition, span in spans.items()}
        self.before = dict.fromkeys(spans, 0)
        """By partition: ids of offsets that Kafka no longer holds."""
        self.foreign = 0
        for count, document_id in enumerate(ids, 1):
            partition, offset = _place(document_id, prefix)
            if partition not in self.found or offset > spans[partition].end + FAR:
                self.foreign += 1
            elif offset < spans[partition].start:
                self.before[partition] += 1
            else:
                self.found[partition].add(offset)
            if count % 10_000 == 0:
                seen(count)


def verify(settings: Settings, progress: Callable[[str, int, int], None] = lambda _what, _done, _of: None) -> Verdict:
    """Compare sets of offsets, not counts.

    The commits are read before the log, and the log before the database, while the fleet may go on: what was
    committed then must be in the database by now.

    Args:
        progress: called with what is being read, how much of it is done, and how much there is (0: not known).

    Raises:
        NotFoundError: there is no such topic.
        UnavailableError: not everything could be looked at, so nothing is claimed.
    """
    with Admin(settings) as admin, Stored(settings) as stored:
        topic = admin.topic(settings.topic)
        if topic is None:
            raise NotFoundError(f"there is no topic {settings.topic} at {settings.bootstrap_servers}")
        spans = admin.spans(topic, settings.group)
        in_kafka = _read_kafka(settings, spans, progress)
        documents = _Census(topic, spans, stored.document_ids(), lambda n: progress("documents", n, 0))
        dead_letters = _Census(topic, spans, stored.dead_letter_ids(), lambda n: progress("dead letters", n, 0))
        now = admin.spans(topic, settings.group)
    accounts = [
        _settle(partition, span, now[partition], in_kafka[partition], documents, dead_letters)
        for partition, span in sorted(spans.items())
    ]
    return Verdict(settings.topic, settings.group, accounts, documents.foreign + dead_letters.foreign)


def pending(settings: Settings) -> int | None:
    """How many offsets the group has yet to commit, up to the end of the log; None where there is no topic."""
    with Admin(settings) as admin:
        topic = admin.topic(settings.topic)
        if topic is None:
            return None
        spans = admin.spans(topic, settings.group).values()
    return sum(max(0, span.end - max(span.start, span.committed or 0)) for span in spans)


def _read_kafka(
    settings: Settings, spans: Mapping[int, Span], progress: Callable[[str, int, int], None]
) -> dict[int, Offsets]:
    found = {partition: Offsets(span.start) for partition, span in spans.items()}
    total, done = sum(span.end - span.start for span in spans.values()), 0
    for partition, records in read_log(settings, {p: (span.start, span.end) for p, span in spans.items()}):
        for record in records:
            found[partition].add(record.offset)
        done += len(records)
        progress("records in Kafka", done, total)
    return found


def _settle(
    partition: int, span: Span, now: Span, kafka: Offsets, documents: _Census, dead_letters: _Census
) -> Account:
    # While this looked, retention may have moved the beginning of the log, and the fleet may have stored what came
    # after the end: both stretches are left out rather than judged.
    stored = documents.found[partition]
    dead = dead_letters.found[partition]
    there = stored | dead
    committed = span.committed if span.committed is not None else span.start
    missing = (kafka - there).between(now.start, committed)
    unexpected = (there - kafka).between(now.start, span.end) | there.between(now.end, there.end)
    twice = kafka & stored & dead
    return Account(
        partition,
        kafka=len(kafka),
        stored=len(kafka & stored),
        dead_lettered=len((kafka & dead) - stored),
        pending=len((kafka - there).between(committed, span.end)),
        expired=max(0, span.start - documents.before[partition] - dead_letters.before[partition]),
        missing=len(missing),
        twice=len(twice),
        unexpected=len(unexpected),
        offsets={
            word: offsets.first(NAMED)
            for word, offsets in (("missing", missing), ("twice", twice), ("unexpected", unexpected))
            if len(offsets)
        },
    )


def _place(document_id: object, prefix: str) -> tuple[int, int]:
    """The partition and the offset in an id of this topic; partition -1 for any other id."""
    if isinstance(document_id, str) and document_id.startswith(prefix):
        partition, _, offset = document_id.removeprefix(prefix).partition("/")
        if partition.isdecimal() and offset.isdecimal() and f"{prefix}{int(partition)}/{int(offset)}" == document_id:
            return int(partition), int(offset)
    return -1, -1
