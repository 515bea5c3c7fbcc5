"""The proof: record by record, what Kafka holds against what the sink holds."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.errors import NotFoundError
from workers.formats.json_strict import parse_json
from workers.formats.limits import Limits
from workers.kafka.admin import Admin, PartitionOffsets
from workers.kafka.log_reader import read_log
from workers.pipeline.reader import RecordReader
from workers.sinks.registry import open_reader
from workers.types import Insert, Record, RejectReason, TopicIdentity, TopicPartition
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.report import PartitionReport, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.settings import Settings
    from workers.sinks.base import SinkReader

    Progress = Callable[[str, int, int], None]

NO_LIMITS = Limits(value_bytes=2**31, depth=90, fields=2**31)
"""What is stored was within the limits of its day; today's may be others."""
LOOK_UP = 500
"""Records in one question to the sink."""
MAX_DISTANCE = 2**27
"""An id this far behind the end of the log is no offset of it, and too far for a bitmap."""


def verify(
    settings: Settings, since_seconds: float | None = None, progress: Progress = lambda _what, _done, _of: None
) -> VerifyReport:
    """Look up every record of Kafka's in the sink, and then every document of the sink's in Kafka.

    The commits are read before the log, and the log before the sink, while the fleet may go on: what was committed
    then must be in the sink by now. Memory does not grow with the documents, but for one bit each.

    Args:
        since_seconds: look at records that are no older than this; then documents without a record are not found.
        progress: called with what is being read, how much of it is done, and how much there is (0: not known).

    Raises:
        NotFoundError: there is no such topic.
        UnavailableError: not everything could be looked at, so nothing is claimed.
    """
    with Admin(settings) as admin, closing(open_reader(settings)) as sink:
        sink.connect()
        topic = admin.topic(settings.topic)
        if topic is None:
            raise NotFoundError(f"there is no topic {settings.topic} at {settings.bootstrap_servers}")
        offsets = admin.partition_offsets(topic, settings.group)
        if since_seconds is not None:
            offsets = admin.since(offsets, since_seconds)
        look = _Comparison(settings, topic.identity, offsets, sink, progress)
        in_kafka = look.records()
        committed = any(each.committed is not None for each in offsets.values())
        report = VerifyReport(settings.topic, settings.group, list(look.reports.values()), committed)
        if since_seconds is None:
            strangers, report.foreign = look.ids(in_kafka)
            now = admin.partition_offsets(topic, settings.group)
            look.settle(strangers, now, lambda: admin.compacts(settings.topic))
    return report


def pending(admin: Admin, settings: Settings) -> int | None:
    """How many offsets the group has yet to commit, up to the end of the log; None where there is no topic.

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

    def records(self) -> dict[TopicPartition, OffsetBitmap]:
        """Judge every record; return the offsets at which Kafka holds one."""
        in_kafka = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        few = self.sink.all_dead_letters()
        total, done = sum(each.end - each.start for each in self.offsets.values()), 0
        ranges = {partition: (each.start, each.end) for partition, each in self.offsets.items()}
        for partition, records in read_log(self.settings, ranges):
            for first in range(0, len(records), LOOK_UP):
                some = records[first : first + LOOK_UP]
                self._judge(partition, some, few)
                done += len(some)
                self.progress("records", done, total)
            for record in records:
                in_kafka[partition].add(record.offset)
            self.reports[partition].counts["kafka"] += len(records)
        return in_kafka

    def _judge(self, partition: TopicPartition, records: Sequence[Record], few: Mapping[str, str] | None) -> None:
        report, committed = self.reports[partition], self.offsets[partition].committed or 0
        ids = [self.topic.document_id(record.partition, record.offset) for record in records]
        documents = self.sink.documents(ids)
        dead_letters = self._dead_letters(ids, documents, few)
        for document_id, record in zip(ids, records, strict=True):
            document, reason = documents.get(document_id), dead_letters.get(document_id)
            if document is None and reason is None:
                report.add("missing" if record.offset < committed else "pending", record.offset)
            elif document is None:
                report.add("dead_lettered", record.offset)
            elif reason == RejectReason.CONFLICT:
                report.add("conflicting", record.offset)
            elif reason is not None:
                report.add("twice", record.offset)
            else:
                ours = self._reader.decode(document_id, record)
                right = isinstance(ours, Insert) and self.sink.equal(document, ours.document)
                report.add("stored" if right else "conflicting", record.offset)

    def _dead_letters(
        self, ids: Sequence[str], documents: Mapping[str, object], few: Mapping[str, str] | None
    ) -> Mapping[str, str]:
        """Args: few: the dead letters that there were at the beginning; None: too many."""
        if few is None:
            return self.sink.dead_letters(ids)
        listed = [document_id for document_id in ids if document_id in few]
        found = {document_id: few[document_id] for document_id in listed if document_id not in documents}
        # What was true at the beginning may have changed for those that are documents now: a replay.
        if both := [document_id for document_id in listed if document_id in documents]:
            found |= self.sink.dead_letters(both)
        return found

    def ids(self, in_kafka: Mapping[TopicPartition, OffsetBitmap]) -> tuple[dict[TopicPartition, OffsetBitmap], int]:
        """The offsets of ids that were not among the records, by partition, and how many ids are of no partition."""
        strangers = {partition: OffsetBitmap(each.start) for partition, each in self.offsets.items()}
        before: Counter[TopicPartition] = Counter()
        foreign = 0
        for count, document_id in enumerate(self.sink.ids(), 1):
            if count % 10_000 == 0:
                self.progress("ids", count, 0)
            partition, offset = place(document_id, self.topic)
            if partition not in self.offsets:
                foreign += 1
            elif offset < self.offsets[partition].start:
                before[partition] += 1
            elif offset > self.offsets[partition].end + MAX_DISTANCE:
                self.reports[partition].add("unexpected", offset)
            elif offset not in in_kafka[partition]:
                strangers[partition].add(offset)
        for partition, each in self.offsets.items():
            self.reports[partition].counts["expired"] = max(0, each.start - before[partition])
        return strangers, foreign

    def settle(
        self,
        strangers: Mapping[TopicPartition, OffsetBitmap],
        now: Mapping[TopicPartition, PartitionOffsets],
        compacts: Callable[[], bool],
    ) -> None:
        """Strangers are unexpected, unless the log moved meanwhile: at its start by retention, at its end by records.

        A compacted topic forgets records that were stored. Asked only where it matters: it takes a right of its own.
        """
        for partition, offsets in strangers.items():
            inside = offsets.between(now[partition].start, self.offsets[partition].end)
            beyond = offsets.between(now[partition].end, offsets.end)
            for offset in beyond.all():
                self.reports[partition].add("unexpected", offset)
            word = "compacted" if inside and compacts() else "unexpected"
            for offset in inside.all():
                self.reports[partition].add(word, offset)


def place(document_id: object, topic: TopicIdentity) -> tuple[TopicPartition, int]:
    """The partition and the offset in an id of this topic; partition -1 for any other id."""
    if isinstance(document_id, str) and document_id.startswith(topic.prefix):
        partition, _, offset = document_id.removeprefix(topic.prefix).partition("/")
        if (
            partition.isdecimal()
            and offset.isdecimal()
            and topic.document_id(int(partition), int(offset)) == document_id
        ):
            return TopicPartition(topic.name, int(partition)), int(offset)
    return TopicPartition(topic.name, -1), -1
