"""The proof of delivery: compares every record in Kafka with what the sink has stored."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

from workers.errors import NotFoundError
from workers.kafka import topics
from workers.kafka.admin import Admin
from workers.sinks.registry import open_reader
from workers.verification.comparison import Comparison
from workers.verification.report import TruncatedLog, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.records import Record
    from workers.settings import Settings
    from workers.types import TopicPartition
    from workers.verification.comparison import Progress


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
            raise NotFoundError(topics.missing(settings))
        offsets = admin.partition_offsets(topic, settings.group)
        if since_seconds is not None:
            offsets = admin.since(offsets, since_seconds)
        if from_offsets is not None:
            offsets = {p: each._replace(start=max(each.start, from_offsets.get(p, 0))) for p, each in offsets.items()}
        comparison = Comparison(settings, topic.identity, offsets, sink, progress, on_records)
        open_transactions = comparison.count_unstable()
        in_kafka = comparison.compare_records()
        committed = any(each.committed is not None for each in offsets.values())
        reports = list(comparison.reports.values())
        report = VerifyReport(settings.topic, settings.group, reports, committed)
        report.open_transactions = open_transactions
        report.truncated = [
            TruncatedLog(partition, each.committed or 0, each.truncation.divergence)
            for partition, each in offsets.items()
            if each.truncation
        ]
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
