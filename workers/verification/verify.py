"""The proof of delivery: compares every record in Kafka with what the sink has stored."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.errors import NotFoundError
from workers.formats.json import parse_json
from workers.formats.limits import Limits
from workers.identity import SECOND, TopicIdentity, parse_id
from workers.kafka.admin import Admin, PartitionOffsets
from workers.kafka.log_reader import read_log
from workers.pipeline.reader import RecordReader
from workers.sinks.registry import open_reader
from workers.types import Insert, Record, RejectReason, TopicPartition
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.report import FAILURES, PartitionReport, TruncatedLog, VerifyReport
from workers.verification.second_ids import Doubtful, SecondIds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.settings import Settings
    from workers.sinks.base import SinkReader

    Progress = Callable[[str, int, int], None]

NO_LIMITS = Limits(value_bytes=2**31, depth=90, fields=2**31)
"""Records may have been stored under other limits than the current ones."""
RECORDS_PER_QUERY = 500
MAX_DISTANCE = 2**27
"""An offset this far after the end of the log is unexpected, and too far away for a bitmap."""


def verify(
    settings: Settings, since_seconds: float | None = None, progress: Progress = lambda _what, _done, _total: None
) -> VerifyReport:
    """Look up every record of Kafka in the sink, and then every document of the sink in Kafka.

    The fleet may run meanwhile. The committed offsets are read before the log, and the log before the sink: a record
    that was committed then must be in the sink by now. Memory grows by one bit a record only.

    Args:
        since_seconds: compare only records that are no older; then documents without a record are not found.
        progress: called with what is being read, how much is done, and the total (0: not known).

    Raises:
        NotFoundError: the topic does not exist.
        UnavailableError: a part could not be read, so there is no report.
    """
    with Admin(settings) as admin, closing(open_reader(settings)) as sink:
        sink.connect()
        topic = admin.topic(settings.topic)
        if topic is None:
            raise NotFoundError(f"there is no topic {settings.topic} at {settings.bootstrap_servers}")
        offsets = admin.partition_offsets(topic, settings.group)
        if since_seconds is not None:
            offsets = admin.since(offsets, since_seconds)
        comparison = _Comparison(settings, topic.identity, offsets, sink, progress)
        in_kafka = comparison.compare_records()
        committed = any(each.committed is not None for each in offsets.values())
        report = VerifyReport(settings.topic, settings.group, list(comparison.reports.values()), committed)
        report.truncated = [
            TruncatedLog(partition, each.committed or 0, each.truncation.divergence)
            for partition, each in offsets.items()
            if each.truncation
        ]
        if since_seconds is None:
            unmatched, report.foreign = comparison.unmatched_ids(in_kafka)
            now = admin.partition_offsets(topic, settings.group)
            comparison.classify_unmatched(unmatched, now, lambda: admin.compacts(settings.topic))
    return report


def pending(admin: Admin, settings: Settings) -> int | None:
    """The number of offsets that the group has not committed, up to the end of the log; None: there is no topic.

    Raises:
        UnavailableError: Kafka did not answer.
    """
    topic = admin.topic(settings.topic)
    return topic and sum(each.lag for each in admin.partition_offsets(topic, settings.group).values())


@dataclass
class _Comparison:
    """One run of `verify`."""

    settings: Settings
    topic: TopicIdentity
    offsets: Mapping[TopicPartition, PartitionOffsets]
    sink: SinkReader
    progress: Progress

    def __post_init__(self) -> None:
        self.reports = {partition: PartitionReport(partition) for partition in sorted(self.offsets)}
        self._reader = RecordReader(parse_json, self.sink.encode, NO_LIMITS)
        self._second_ids = SecondIds(self.topic, self.sink, self._reader)

    def compare_records(self) -> dict[TopicPartition, OffsetBitmap]:
        """Count every record by its outcome; return the offsets of the records, by partition."""
        in_kafka = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        all_dead_letters = self.sink.all_dead_letters()
        total, done = sum(each.end - each.start for each in self.offsets.values()), 0
        ranges = {partition: (each.start, each.end) for partition, each in self.offsets.items()}
        for partition, records in read_log(self.settings, ranges):
            for first in range(0, len(records), RECORDS_PER_QUERY):
                some = records[first : first + RECORDS_PER_QUERY]
                self._compare(partition, some, all_dead_letters)
                done += len(some)
                self.progress("records", done, total)
            for record in records:
                in_kafka[partition].add(record.offset)
            self.reports[partition].counts["kafka"] += len(records)
        return in_kafka

    def _compare(
        self, partition: TopicPartition, records: Sequence[Record], all_dead_letters: Mapping[str, str] | None
    ) -> None:
        report, next_offset = self.reports[partition], self.offsets[partition].next_offset
        ids = [self.topic.document_id(record.partition, record.offset) for record in records]
        documents = self.sink.documents(ids)
        dead_letters = self._dead_letters(ids, documents, all_dead_letters)
        doubtful = []
        for document_id, record in zip(ids, records, strict=True):
            document, reason = documents.get(document_id), dead_letters.get(document_id)
            outcome = self._outcome(document_id, record, document, reason, next_offset)
            reused = self._is_reused(partition, record.offset)
            if outcome in FAILURES or reused:
                doubtful.append(Doubtful(document_id, record, outcome, document, reason is not None, reused))
            else:
                report.add(outcome, record.offset)
        self._second_ids.judge(report, doubtful, next_offset)

    def _outcome(self, document_id: str, record: Record, document: object, reason: str | None, next_offset: int) -> str:
        """The outcome of a record by what is stored under its own id."""
        if document is None and reason is None:
            return "missing" if record.offset < next_offset else "pending"
        if document is None or reason == RejectReason.CONFLICT:
            return "dead_lettered" if document is None else "conflicting"
        if reason is not None:
            return "twice"
        decoded = self._reader.decode(document_id, record)
        equal = isinstance(decoded, Insert) and self.sink.equal(document, decoded.document)
        return "stored" if equal else "conflicting"

    def _is_reused(self, partition: TopicPartition, offset: int) -> bool:
        """Whether the commit says that the log has used this offset twice."""
        return any(offset in each for each in self.offsets[partition].reused)

    def _dead_letters(
        self, ids: Sequence[str], documents: Mapping[str, object], all_dead_letters: Mapping[str, str] | None
    ) -> Mapping[str, str]:
        """Args: all_dead_letters: at the beginning of this run; None: too many."""
        if all_dead_letters is None:
            return self.sink.dead_letters(ids)
        listed = [document_id for document_id in ids if document_id in all_dead_letters]
        found = {document_id: all_dead_letters[document_id] for document_id in listed if document_id not in documents}
        # Those with a document may have been replayed since the beginning of this run: ask again.
        if both := [document_id for document_id in listed if document_id in documents]:
            found |= self.sink.dead_letters(both)
        return found

    def unmatched_ids(
        self, in_kafka: Mapping[TopicPartition, OffsetBitmap]
    ) -> tuple[dict[TopicPartition, OffsetBitmap], int]:
        """The offsets in the sink's ids without a record in Kafka, by partition, and the number of foreign ids.

        Counts the expired offsets.
        """
        unmatched = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        before: Counter[TopicPartition] = Counter()
        foreign = 0
        for count, document_id in enumerate(self.sink.ids(), 1):
            if count % 10_000 == 0:
                self.progress("ids", count, 0)
            partition, offset = parse_document_id(document_id, self.topic)
            if partition not in self.offsets:
                foreign += 1
            elif SECOND in str(document_id) and self._has_record(partition, offset, in_kafka):
                if document_id not in self._second_ids.looked_up:
                    self._add_unmatched(partition, offset)
            elif offset < self.offsets[partition].start:
                before[partition] += SECOND not in str(document_id)
            elif offset > self.offsets[partition].end + MAX_DISTANCE:
                self.reports[partition].add("unexpected", offset)
            elif offset not in in_kafka[partition]:
                unmatched[partition].add(offset)
        for partition, each in self.offsets.items():
            self.reports[partition].counts["expired"] = max(0, each.start - before[partition])
        return unmatched, foreign

    def classify_unmatched(
        self,
        unmatched: Mapping[TopicPartition, OffsetBitmap],
        now: Mapping[TopicPartition, PartitionOffsets],
        compacts: Callable[[], bool],
    ) -> None:
        """Count the unmatched offsets as unexpected, except those that the log lost or gained during this run.

        In a compacted topic they are records that were removed. It is asked only if needed: it requires an ACL of its own.
        """
        for partition, offsets in unmatched.items():
            inside = offsets.between(now[partition].start, self.offsets[partition].end)
            beyond = offsets.between(now[partition].end, offsets.end)
            for offset in beyond.all():
                self._add_unmatched(partition, offset)
            outcome = "compacted" if inside and compacts() else "unexpected"
            for offset in inside.all():
                self._add_unmatched(partition, offset, outcome)

    def _has_record(
        self, partition: TopicPartition, offset: int, in_kafka: Mapping[TopicPartition, OffsetBitmap]
    ) -> bool:
        """Whether Kafka holds a record there that was to be in the sink by now: others may be stored during this run."""
        return offset < self.offsets[partition].next_offset and offset in in_kafka[partition]

    def _add_unmatched(self, partition: TopicPartition, offset: int, outcome: str = "unexpected") -> None:
        self.reports[partition].add("replaced" if self._is_reused(partition, offset) else outcome, offset)


def parse_document_id(document_id: object, topic: TopicIdentity) -> tuple[TopicPartition, int]:
    """The partition and the offset in an id of this topic; partition -1: an id of anything else."""
    parsed = parse_id(document_id, topic)
    return (
        (TopicPartition(topic.name, parsed.partition), parsed.offset)
        if parsed
        else (TopicPartition(topic.name, -1), -1)
    )
