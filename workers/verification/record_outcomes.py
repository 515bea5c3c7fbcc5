"""The outcome of single records, by the rules of `verify`, each with what is stored: for people who look at one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from workers.identity import second_id
from workers.sinks.base import DeadLetterFilter
from workers.types import Insert
from workers.verification.comparison import Comparison
from workers.verification.report import PartitionReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.identity import TopicIdentity
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.records import Record
    from workers.settings import Settings
    from workers.sinks.base import DeadLetter, SinkReader
    from workers.sinks.dead_letter_store import DeadLetterStore
    from workers.types import TopicPartition

ABORTED, NO_RECORD, NOT_WRITTEN, EARLIER_TOPIC = "aborted", "no record", "not written", "earlier topic"
"""Outcomes of a place, beside those of `verify`: its record is of an aborted transaction; it has none; it is behind the end
of the log; it is of a topic that was deleted, and that had the name of this one."""


@dataclass(frozen=True)
class Peeked:
    """One place, and what is there."""

    partition: TopicPartition
    offset: int
    id: str
    """Of the document that the record becomes."""
    outcome: str
    """One of `report.OUTCOMES`, or one of those above."""
    detail: str = ""
    """A sentence for people, where the outcome does not say enough."""
    record: Record | None = None
    document: Any = None
    """What the sink has stored under the id."""
    expected: Any = None
    """The document that the record makes, if it is another one."""
    letter: DeadLetter | None = None
    replaced: Any = None
    """A document of a record that was at this offset before the log was truncated."""


def record_outcomes(
    settings: Settings,
    topic: TopicIdentity,
    sink: SinkReader,
    letters: DeadLetterStore,
    records: Sequence[tuple[TopicPartition, Record]],
    offsets: Mapping[TopicPartition, PartitionOffsets],
) -> list[Peeked]:
    """Each record with its outcome, as `verify` would count it, and what the sink has stored.

    Args: offsets: of all partitions of the records, asked for before the records were read.
    """
    remembering = _Remembering(sink)
    comparison = Comparison(settings, topic, offsets, cast("SinkReader", remembering), _no_progress, _no_records)
    reports = {partition: _Outcomes(partition) for partition in offsets}
    comparison.reports = dict(reports)
    comparison.compare(records)
    ids = [_ids(topic, record) for _, record in records]
    found = letters_of(letters, [each for pair in ids for each in pair])
    peeked = []
    for (partition, record), (own, second) in zip(records, ids, strict=True):
        outcomes = reports[partition].by_offset[record.offset]
        at_second = second in remembering.documents_by_id or second in found
        document_id = second if at_second else own
        document = remembering.documents_by_id.get(document_id)
        decoded = comparison.decoder.decode(document_id, record) if document is not None else None
        differs = isinstance(decoded, Insert) and not sink.equal(document, decoded.document)
        before = remembering.documents_by_id.get(own) if at_second or (differs and "replaced" in outcomes) else None
        peeked.append(
            Peeked(
                partition,
                record.offset,
                document_id,
                next(each for each in outcomes if each != "replaced"),
                record=record,
                document=None if before is document else document,
                expected=decoded.document if isinstance(decoded, Insert) and differs else None,
                letter=found.get(document_id),
                replaced=before,
            )
        )
    return peeked


def letters_of(letters: DeadLetterStore, ids: Sequence[str]) -> dict[str, DeadLetter]:
    """The dead letters among these ids, also those that were replayed or purged."""
    return {letter.id: letter for letter in letters.find(DeadLetterFilter(tuple(ids)))} if ids else {}


def _ids(topic: TopicIdentity, record: Record) -> tuple[str, str]:
    own = topic.document_id(record.partition, record.offset)
    return own, second_id(own, record.leader_epoch)


@dataclass
class _Outcomes(PartitionReport):
    """Keeps the outcomes of each record, where a report counts them."""

    by_offset: dict[int, list[str]] = field(default_factory=dict)

    def add(self, outcome: str, offset: int) -> None:
        self.by_offset.setdefault(offset, []).append(outcome)


class _Remembering:
    """A reader of the sink that remembers which documents it has returned: what was compared is what is shown."""

    def __init__(self, sink: SinkReader) -> None:
        self._sink = sink
        self.documents_by_id: dict[str, Any] = {}

    def documents(self, ids: Sequence[str]) -> Mapping[str, Any]:
        found = self._sink.documents(ids)
        self.documents_by_id.update(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


def _no_progress(_what: str, _done: int, _total: int) -> None: ...


def _no_records(_partition: TopicPartition, _records: Sequence[Record]) -> None: ...
