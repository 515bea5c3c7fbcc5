"""The proof of delivery: compares every record in Kafka with what the sink has stored."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from workers.errors import NotFoundError
from workers.formats.json import parse_json
from workers.formats.limits import Limits
from workers.kafka.admin import Admin
from workers.kafka.log_reader import read_log
from workers.kafka.open_transactions import OpenTransactions
from workers.kafka.options import log_reader_options, uncommitted
from workers.pipeline.reader import RecordReader
from workers.sinks.registry import open_reader
from workers.types import Insert, Record, RejectReason, TopicIdentity, TopicPartition
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.report import PartitionReport, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workers.kafka.open_transactions import OpenTransaction
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.settings import Settings
    from workers.sinks.base import SinkReader

    Progress = Callable[[str, int, int], None]

NO_LIMITS = Limits(value_bytes=2**31, depth=90, fields=2**31)
"""Records may have been stored under other limits than the current ones."""
RECORDS_PER_QUERY = 500
MAX_DISTANCE = 2**27
"""An offset this far after the end of the log is unexpected, and too far away for a bitmap."""


def verify(
    settings: Settings,
    since_seconds: float | None = None,
    progress: Progress = lambda _what, _done, _total: None,
    from_offsets: Mapping[TopicPartition, int] | None = None,
    on_records: Callable[[TopicPartition, Sequence[Record]], None] = lambda _partition, _records: None,
) -> VerifyReport:
    """Look up every record of Kafka in the sink, and then every document of the sink in Kafka.

    The fleet may run meanwhile. The committed offsets are read before the log, and the log before the sink: a record
    that was committed then must be in the sink by now. Memory grows by one bit a record only.

    Args:
        since_seconds: compare only records that are no older; then documents without a record are not found.
        progress: called with what is being read, how much is done, and the total (0: not known).
        from_offsets: compare only records from these offsets on; then documents without a record are found among the
            offsets in between, and not elsewhere. The time does not grow with what is older.
        on_records: called with all records that were compared.

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
        if from_offsets is not None:
            offsets = {p: each._replace(start=max(each.start, from_offsets.get(p, 0))) for p, each in offsets.items()}
        comparison = _Comparison(settings, topic.identity, offsets, sink, progress, on_records)
        open_transactions = comparison.count_unstable()
        in_kafka = comparison.compare_records()
        committed = any(each.committed is not None for each in offsets.values())
        reports = list(comparison.reports.values())
        report = VerifyReport(settings.topic, settings.group, reports, committed)
        report.open_transactions = open_transactions
        if from_offsets is not None:
            unmatched = comparison.unmatched_between(in_kafka)
        elif since_seconds is None:
            unmatched, report.foreign = comparison.unmatched_ids(in_kafka)
        if from_offsets is not None or since_seconds is None:
            now = admin.partition_offsets(topic, settings.group)
            comparison.classify_unmatched(unmatched, now, cache(lambda: admin.compacts(settings.topic)))
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
    on_records: Callable[[TopicPartition, Sequence[Record]], None]

    def __post_init__(self) -> None:
        self.reports = {partition: PartitionReport(partition) for partition in sorted(self.offsets)}
        self._reader = RecordReader(parse_json, self.sink.encode, NO_LIMITS)

    def compare_records(self) -> dict[TopicPartition, OffsetBitmap]:
        """Count every record by its outcome; return the offsets of the records, by partition."""
        in_kafka = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        all_dead_letters = self.sink.all_dead_letters()
        total, done = sum(max(0, each.end - each.start) for each in self.offsets.values()), 0
        ranges = {partition: (each.start, each.end) for partition, each in self.offsets.items()}
        for records in _chunks(self._read(ranges)):
            self._compare(records, all_dead_letters)
            for partition, record in records:
                in_kafka[partition].add(record.offset)
                self.reports[partition].counts["kafka"] += 1
            done += len(records)
            self.progress("records", done, total)
        return in_kafka

    def count_unstable(self) -> dict[TopicPartition, OpenTransaction]:
        """Count the records behind open transactions, which are read for this only; return these transactions."""
        # With --since, the first record that is recent enough may be one of them.
        ranges = {
            p: (max(each.start, each.end), each.high_watermark) for p, each in self.offsets.items() if each.unstable
        }
        if not ranges:
            return {}
        with closing(OpenTransactions(self.settings)) as transactions:
            found = transactions.look(self.topic, self.offsets, time.time())
        for partition, records in read_log(self.settings, ranges, uncommitted(log_reader_options(self.settings))):
            self.reports[partition].counts["unstable"] += len(records)
        return found

    def _read(
        self, ranges: Mapping[TopicPartition, tuple[int, int]]
    ) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
        for partition, records in read_log(self.settings, ranges):
            self.on_records(partition, records)
            yield partition, records

    def _compare(
        self, found: Sequence[tuple[TopicPartition, Record]], all_dead_letters: Mapping[str, str] | None
    ) -> None:
        records = [record for _, record in found]
        ids = [self.topic.document_id(record.partition, record.offset) for record in records]
        documents = self.sink.documents(ids)
        dead_letters = self._dead_letters(ids, documents, all_dead_letters)
        for document_id, (partition, record) in zip(ids, found, strict=True):
            report, next_offset = self.reports[partition], self.offsets[partition].next_offset
            document, reason = documents.get(document_id), dead_letters.get(document_id)
            if document is None and reason is None:
                # Whatever WORKERS_ON_TOMBSTONE says now, it may have been "ignore" when the record was read.
                committed = "ignored" if record.value is None else "missing"
                report.add(committed if record.offset < next_offset else "pending", record.offset)
            elif document is None:
                report.add("dead_lettered", record.offset)
            elif reason == RejectReason.CONFLICT:
                report.add("conflicting", record.offset)
            elif reason is not None:
                report.add("twice", record.offset)
            else:
                decoded = self._reader.decode(document_id, record)
                equal = isinstance(decoded, Insert) and self.sink.equal(document, decoded.document)
                report.add("stored" if equal else "conflicting", record.offset)

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
            elif offset < self.offsets[partition].start:
                before[partition] += 1
            elif offset > self.offsets[partition].end + MAX_DISTANCE:
                self.reports[partition].add("unexpected", offset)
            elif offset not in in_kafka[partition]:
                unmatched[partition].add(offset)
        for partition, each in self.offsets.items():
            self.reports[partition].counts["expired"] = max(0, each.start - before[partition])
        return unmatched, foreign

    def unmatched_between(self, in_kafka: Mapping[TopicPartition, OffsetBitmap]) -> dict[TopicPartition, OffsetBitmap]:
        """The same, only for the offsets that were read: those without a record are few, and are looked up one by one."""
        unmatched = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        for partition, each in self.offsets.items():
            gaps = [offset for offset in range(each.start, each.end) if offset not in in_kafka[partition]]
            for first in range(0, len(gaps), RECORDS_PER_QUERY):
                ids = {
                    self.topic.document_id(partition.partition, offset): offset
                    for offset in gaps[first : first + RECORDS_PER_QUERY]
                }
                for found in (self.sink.documents(list(ids)), self.sink.dead_letters(list(ids))):
                    for document_id in found:
                        unmatched[partition].add(ids[document_id])
        return unmatched

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
                self.reports[partition].add("unexpected", offset)
            outcome = "compacted" if inside and compacts() else "unexpected"
            for offset in inside.all():
                self.reports[partition].add(outcome, offset)


def _chunks(
    log: Iterator[tuple[TopicPartition, Sequence[Record]]],
) -> Iterator[list[tuple[TopicPartition, Record]]]:
    """The records for one query of the sink each: of several partitions, or it were a round trip for each of them."""
    waiting: list[tuple[TopicPartition, Record]] = []
    for partition, records in log:
        waiting.extend((partition, record) for record in records)
        while len(waiting) >= RECORDS_PER_QUERY:
            yield waiting[:RECORDS_PER_QUERY]
            del waiting[:RECORDS_PER_QUERY]
    if waiting:
        yield waiting


def parse_document_id(document_id: object, topic: TopicIdentity) -> tuple[TopicPartition, int]:
    """The partition and the offset in an id of this topic; partition -1: an id of anything else."""
    if isinstance(document_id, str) and document_id.startswith(topic.prefix):
        partition, _, offset = document_id.removeprefix(topic.prefix).partition("/")
        if (
            partition.isdecimal()
            and offset.isdecimal()
            and topic.document_id(int(partition), int(offset)) == document_id
        ):
            return TopicPartition(topic.name, int(partition)), int(offset)
    return TopicPartition(topic.name, -1), -1
