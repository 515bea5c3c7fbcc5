"""One comparison of Kafka with the sink: every record with what is stored, and every stored id with the records."""

from __future__ import annotations

import time
from bisect import bisect_left
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.decoding import open_decoder
from workers.formats.limits import Limits
from workers.identity import TopicIdentity
from workers.kafka.log_reader import read_log
from workers.kafka.open_transactions import OpenTransactions
from workers.kafka.options import log_reader_options, uncommitted
from workers.records import Record
from workers.types import Insert, RejectReason, TopicPartition
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.report import FAILURES, MAX_OFFSETS, PartitionReport
from workers.verification.second_ids import Doubtful, SecondIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workers.kafka.open_transactions import OpenTransaction
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.records import Records
    from workers.settings import Settings
    from workers.sinks.base import SinkReader

    Progress = Callable[[str, int, int], None]
    ReadLog = Callable[[Mapping[TopicPartition, tuple[int, int]]], Iterator[tuple[TopicPartition, Records]]]

NO_LIMITS = Limits(value_bytes=2**31, depth=90, fields=2**31)
"""Records may have been stored under other limits than the current ones."""
RECORDS_PER_QUERY = 500
MOST_DEAD_LETTERS = 100_000
MAX_DISTANCE = 2**27
"""An offset this far after the end of the log is unexpected, and too far away for a bitmap."""


@dataclass
class Comparison:
    """One run of `verify`."""

    settings: Settings
    topic: TopicIdentity
    offsets: Mapping[TopicPartition, PartitionOffsets]
    sink: SinkReader
    progress: Progress
    on_records: Callable[[TopicPartition, Sequence[Record]], None]
    read: ReadLog | None = None
    """Reads the records in ranges of offsets; None: `read_log`, on a connection of its own."""
    most_dead_letters: int = MOST_DEAD_LETTERS
    """All dead letters are listed first, if there are no more; else those of the records are looked up."""
    most_offsets: int = MAX_OFFSETS
    """See `PartitionReport`."""

    def __post_init__(self) -> None:
        self.reports = {p: PartitionReport(p, most_offsets=self.most_offsets) for p in sorted(self.offsets)}
        self.decoder = open_decoder(self.settings, self.sink, NO_LIMITS)
        self.second_ids = SecondIds(self.topic, self.sink, self.decoder)
        self.next_offsets = {partition: each.next_offset for partition, each in self.offsets.items()}

    def compare_records(self) -> dict[TopicPartition, OffsetBitmap]:
        """Count every record by its outcome; return the offsets of the records, by partition."""
        in_kafka = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        all_dead_letters = self.sink.all_dead_letters(self.most_dead_letters)
        total, done = sum(max(0, each.end - each.start) for each in self.offsets.values()), 0
        ranges = {partition: (each.start, each.end) for partition, each in self.offsets.items()}
        for records in chunks(self._read(ranges, in_kafka)):
            self.compare(records, all_dead_letters)
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
        self, ranges: Mapping[TopicPartition, tuple[int, int]], in_kafka: Mapping[TopicPartition, OffsetBitmap]
    ) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
        for partition, records in self.read(ranges) if self.read else read_log(self.settings, ranges):
            self.on_records(partition, records)
            self.reports[partition].counts["kafka"] += len(records)
            in_kafka[partition].add_all([record.offset for record in records])
            yield partition, records

    def compare(
        self, found: Sequence[tuple[TopicPartition, Record]], all_dead_letters: Mapping[str, str] | None = None
    ) -> None:
        """Count each of these records by its outcome, in the report of its partition."""
        records = [record for _, record in found]
        ids = [self.topic.document_id(record.partition, record.offset) for record in records]
        documents = self.sink.documents(ids)
        dead_letters = self._dead_letters(ids, documents, all_dead_letters)
        doubtful: dict[TopicPartition, list[Doubtful]] = {}
        for document_id, (partition, record) in zip(ids, found, strict=True):
            document, reason = documents.get(document_id), dead_letters.get(document_id)
            outcome = self._outcome(document_id, partition, record, document, reason)
            reused = self.is_reused(partition, record.offset)
            if outcome in FAILURES or reused:
                each = Doubtful(document_id, record, outcome, document, reason is not None, reused)
                doubtful.setdefault(partition, []).append(each)
            else:
                self.reports[partition].add(outcome, record.offset)
        for partition, some in doubtful.items():
            self.second_ids.judge(self.reports[partition], some, self.next_offsets[partition])

    def absent(self, partition: TopicPartition, offset: int, *, is_tombstone: bool = False) -> str:
        """The outcome of a record of which nothing is stored."""
        if offset >= self.next_offsets[partition]:
            return "pending"
        if word := self.offsets[partition].left_out.word(offset):
            return word
        # Whatever WORKERS_ON_TOMBSTONE says now, it may have been "ignore" when the record was read.
        return "ignored" if is_tombstone else "missing"

    def not_to_be_stored(self, partition: TopicPartition, offsets: Sequence[int]) -> Sequence[int]:
        """Among these offsets of records, the indices of those that are not committed yet, or left out on purpose."""
        pending = range(bisect_left(offsets, self.next_offsets[partition]), len(offsets))
        left_out = self.offsets[partition].left_out
        if not left_out:
            return pending
        return [*(index for index in range(pending.start) if left_out.word(offsets[index])), *pending]

    def _outcome(
        self, document_id: str, partition: TopicPartition, record: Record, document: object, reason: str | None
    ) -> str:
        """The outcome of a record by what is stored under its own id."""
        if document is None and reason is None:
            return self.absent(partition, record.offset, is_tombstone=record.value is None)
        if document is None or reason == RejectReason.CONFLICT:
            return "dead_lettered" if document is None else "conflicting"
        if reason is not None:
            return "twice"
        decoded = self.decoder.decode(document_id, record)
        equal = isinstance(decoded, Insert) and self.sink.equal(document, decoded.document)
        return "stored" if equal else "conflicting"

    def is_reused(self, partition: TopicPartition, offset: int) -> bool:
        """Whether the commit says that the log has used this offset twice."""
        reused = self.offsets[partition].reused
        return bool(reused) and any(offset in each for each in reused)

    def _dead_letters(
        self, ids: Sequence[str], documents: Mapping[str, object], all_dead_letters: Mapping[str, str] | None
    ) -> Mapping[str, str]:
        """Args: all_dead_letters: at the beginning of this run; None: too many, or not asked for."""
        if all_dead_letters is None:
            return self.sink.dead_letters(ids)
        listed = [document_id for document_id in ids if document_id in all_dead_letters]
        found = {document_id: all_dead_letters[document_id] for document_id in listed if document_id not in documents}
        # Those with a document may have been replayed since the beginning of this run: ask again.
        if both := [document_id for document_id in listed if document_id in documents]:
            found |= self.sink.dead_letters(both)
        return found

    def unmatched_between(self, in_kafka: Mapping[TopicPartition, OffsetBitmap]) -> dict[TopicPartition, OffsetBitmap]:
        """The offsets in the sink's ids without a record in Kafka, by partition, among those that were read.

        Those without a record are few, and are looked up one by one.
        """
        unmatched = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        for partition, each in self.offsets.items():
            if self.reports[partition].counts["kafka"] == each.end - each.start:
                continue
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
                self.add_unmatched(partition, offset)
            outcome = "compacted" if inside and compacts() else "unexpected"
            for offset in inside.all():
                self.add_unmatched(partition, offset, outcome)

    def add_unmatched(self, partition: TopicPartition, offset: int, outcome: str = "unexpected") -> None:
        """Count what is stored at an offset where it belongs to no record that Kafka holds."""
        self.reports[partition].add("replaced" if self.is_reused(partition, offset) else outcome, offset)


def chunks(
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
