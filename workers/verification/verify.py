"""The proof: record by record, what Kafka holds against what the database holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from workers.errors import NotFoundError
from workers.formats.json_strict import decode_record
from workers.formats.limits import Limits
from workers.kafka.admin import Admin, PartitionOffsets
from workers.kafka.log_reader import read_log
from workers.sinks.mongodb.equality import documents_equal
from workers.sinks.mongodb.reader import MongoReader
from workers.sinks.mongodb.sink import LOOK_UP
from workers.types import Document, Record, RejectReason, TopicIdentity
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.report import PartitionReport, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.settings import Settings

    Progress = Callable[[str, int, int], None]

NO_LIMITS = Limits(value_bytes=2**31, depth=90, fields=2**31)
"""What is stored was within the limits of its day; today's may be others."""
FAR = 2**27
"""An id this far behind the end of the log is no offset of it, and too far for a bitmap."""


def verify(
    settings: Settings, since_seconds: float | None = None, progress: Progress = lambda _what, _done, _of: None
) -> VerifyReport:
    """Look up every record of Kafka's in the database, and then every document of the database's in Kafka.

    The commits are read before the log, and the log before the database, while the fleet may go on: what was
    committed then must be in the database by now. Memory does not grow with the documents, but for one bit each.

    Args:
        since_seconds: look at records that are no older than this; then documents without a record are not found.
        progress: called with what is being read, how much of it is done, and how much there is (0: not known).

    Raises:
        NotFoundError: there is no such topic.
        UnavailableError: not everything could be looked at, so nothing is claimed.
    """
    with Admin(settings) as admin, MongoReader(settings) as stored:
        topic = admin.topic(settings.topic)
        if topic is None:
            raise NotFoundError(f"there is no topic {settings.topic} at {settings.bootstrap_servers}")
        spans = admin.partition_offsets(topic, settings.group)
        if since_seconds is not None:
            spans = admin.since(spans, settings.topic, since_seconds)
        accounts = {partition: PartitionReport(partition) for partition in sorted(spans)}
        in_kafka = _look_up_records(settings, topic.identity, spans, stored, accounts, progress)
        committed = any(span.committed is not None for span in spans.values())
        found = VerifyReport(settings.topic, settings.group, list(accounts.values()), committed)
        if since_seconds is None:
            strangers, found.foreign = _look_up_ids(topic.identity, spans, stored, accounts, in_kafka, progress)
            now = admin.partition_offsets(topic, settings.group)
            _settle(strangers, spans, now, accounts, lambda: admin.compacts(settings.topic))
    return found


def pending(admin: Admin, settings: Settings) -> int | None:
    """How many offsets the group has yet to commit, up to the end of the log; None where there is no topic.

    Raises:
        UnavailableError: Kafka did not answer.
    """
    topic = admin.topic(settings.topic)
    return topic and sum(offsets.lag for offsets in admin.partition_offsets(topic, settings.group).values())


def _look_up_records(
    settings: Settings,
    topic: TopicIdentity,
    spans: Mapping[int, PartitionOffsets],
    stored: MongoReader,
    accounts: Mapping[int, PartitionReport],
    progress: Progress,
) -> dict[int, OffsetBitmap]:
    """Judge every record; return the offsets at which Kafka holds one."""
    in_kafka = {partition: OffsetBitmap(span.start) for partition, span in spans.items()}
    few = stored.few_dead_letters()
    total, done = sum(span.end - span.start for span in spans.values()), 0
    for partition, records in read_log(settings, {p: (span.start, span.end) for p, span in spans.items()}):
        for first in range(0, len(records), LOOK_UP):
            some = records[first : first + LOOK_UP]
            _judge(topic, some, spans[partition].committed or 0, stored, few, accounts[partition])
            done += len(some)
            progress("records", done, total)
        for record in records:
            in_kafka[partition].add(record.offset)
        accounts[partition].counts["kafka"] += len(records)
    return in_kafka


def _judge(
    topic: TopicIdentity,
    records: Sequence[Record],
    committed: int,
    stored: MongoReader,
    few: Mapping[str, str] | None,
    account: PartitionReport,
) -> None:
    ids = [topic.document_id(record.partition, record.offset) for record in records]
    documents = stored.documents(ids)
    if few is None:
        dead_letters = stored.dead_letters(ids)
    else:
        # What was true when they were read may have changed for those that are documents now: a replay.
        listed = [document_id for document_id in ids if document_id in few]
        dead_letters = {document_id: few[document_id] for document_id in listed if document_id not in documents}
        if both := [document_id for document_id in listed if document_id in documents]:
            dead_letters |= stored.dead_letters(both)
    for document_id, record in zip(ids, records, strict=True):
        document, reason = documents.get(document_id), dead_letters.get(document_id)
        if document is None and reason is None:
            account.add("missing" if record.offset < committed else "pending", record.offset)
        elif document is None:
            account.add("dead_lettered", record.offset)
        elif reason == RejectReason.CONFLICT:
            account.add("conflicting", record.offset)
        elif reason is not None:
            account.add("twice", record.offset)
        else:
            ours = decode_record(record, topic, NO_LIMITS)
            right = isinstance(ours, Document) and documents_equal(document, ours.bson)
            account.add("stored" if right else "conflicting", record.offset)


def _look_up_ids(
    topic: TopicIdentity,
    spans: Mapping[int, PartitionOffsets],
    stored: MongoReader,
    accounts: Mapping[int, PartitionReport],
    in_kafka: Mapping[int, OffsetBitmap],
    progress: Progress,
) -> tuple[dict[int, OffsetBitmap], int]:
    """The offsets of ids that were not among the records, by partition, and how many ids are of no partition."""
    strangers = {partition: OffsetBitmap(span.start) for partition, span in spans.items()}
    before: Counter[int] = Counter()
    foreign = 0
    for count, document_id in enumerate(stored.ids(), 1):
        if count % 10_000 == 0:
            progress("ids", count, 0)
        partition, offset = place(document_id, topic)
        if partition not in spans:
            foreign += 1
        elif offset < spans[partition].start:
            before[partition] += 1
        elif offset > spans[partition].end + FAR:
            accounts[partition].add("unexpected", offset)
        elif offset not in in_kafka[partition]:
            strangers[partition].add(offset)
    for partition, span in spans.items():
        accounts[partition].counts["expired"] = max(0, span.start - before[partition])
    return strangers, foreign


def _settle(
    strangers: Mapping[int, OffsetBitmap],
    spans: Mapping[int, PartitionOffsets],
    now: Mapping[int, PartitionOffsets],
    accounts: Mapping[int, PartitionReport],
    compacts: Callable[[], bool],
) -> None:
    """Strangers are unexpected, unless the log moved meanwhile: at its beginning by retention, at its end by records.

    A compacted topic forgets records that were stored. Asked only where it matters: it takes a right of its own.
    """
    for partition, offsets in strangers.items():
        inside = offsets.between(now[partition].start, spans[partition].end)
        beyond = offsets.between(now[partition].end, offsets.end)
        for offset in beyond.all():
            accounts[partition].add("unexpected", offset)
        word = "compacted" if inside and compacts() else "unexpected"
        for offset in inside.all():
            accounts[partition].add(word, offset)


def place(document_id: object, topic: TopicIdentity) -> tuple[int, int]:
    """The partition and the offset in an id of this topic; partition -1 for any other id."""
    if isinstance(document_id, str) and document_id.startswith(topic.prefix):
        partition, _, offset = document_id.removeprefix(topic.prefix).partition("/")
        if (
            partition.isdecimal()
            and offset.isdecimal()
            and topic.document_id(int(partition), int(offset)) == document_id
        ):
            return int(partition), int(offset)
    return -1, -1
