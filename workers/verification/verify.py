"""The proof of delivery: compares every record in Kafka with what the sink has stored."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import NotFoundError
from workers.kafka import topics
from workers.kafka.admin import Admin
from workers.settings.policies import lossy
from workers.sinks.registry import open_reader
from workers.verification.comparison import Comparison
from workers.verification.report import TruncatedLog, VerifyReport
from workers.verification.whole_topic import WholeTopic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.records import Record
    from workers.settings import Settings
    from workers.types import TopicPartition
    from workers.verification.comparison import Progress
    from workers.verification.unfinished import UnfinishedFile


class WholeRun(NamedTuple):
    """How a whole topic is verified. See `WholeTopic`."""

    file: UnfinishedFile | None = None
    resume: bool = False
    processes: int | None = None
    most: int | None = None


def verify(
    settings: Settings,
    since_seconds: float | None = None,
    progress: Progress = lambda _what, _done, _total: None,
    from_offsets: Mapping[TopicPartition, int] | None = None,
    on_records: Callable[[TopicPartition, Sequence[Record]], None] = lambda _partition, _records: None,
    whole: WholeRun | None = None,
) -> VerifyReport:
    """Compare every record of Kafka with the sink, and every document of the sink with Kafka.

    The fleet may run meanwhile. The committed offsets are read before the log, and the log before the sink: a record
    that was committed then must be in the sink by now. A whole topic is verified in parts, each in one pass over both
    sides, in bounded memory; few records are looked up one by one.

    Args:
        since_seconds: compare only records that are no older; then documents without a record are not found.
        progress: called with what is being read, how much is done, and the total (0: not known).
        from_offsets: compare only records from these offsets on; then documents without a record are found among the
            offsets in between, and not elsewhere. The time does not grow with what is older.
        on_records: called with all records that were compared; not for a whole topic.
        whole: how a whole topic is verified; None: from its beginning, and nothing is kept if it is interrupted.

    Raises:
        NotFoundError: the topic does not exist.
        BadUsageError: there is nothing to resume, or it cannot be resumed.
        UnavailableError: a part could not be read, so there is no report.
    """
    with Admin(settings) as admin, closing(open_reader(settings)) as sink:
        sink.connect()
        topic = admin.topic(settings.topic)
        if topic is None:
            raise NotFoundError(topics.missing(settings))
        offsets: Mapping[TopicPartition, PartitionOffsets] = admin.partition_offsets(topic, settings.group)
        if since_seconds is not None:
            offsets = admin.since(offsets, since_seconds)
        if from_offsets is not None:
            offsets = {p: each._replace(start=max(each.start, from_offsets.get(p, 0))) for p, each in offsets.items()}
        comparison = Comparison(settings, topic.identity, offsets, sink, progress, on_records)
        open_transactions = comparison.count_unstable()
        foreign = None
        if since_seconds is None and from_offsets is None:
            how = whole or WholeRun()
            run = WholeTopic(settings, topic, offsets, admin, sink, how.file, resume=how.resume, most=how.most)
            run.verify(progress, how.processes)
            foreign = run.join(comparison.reports)
        else:
            in_kafka = comparison.compare_records()
            if from_offsets is not None:
                unmatched = comparison.unmatched_between(in_kafka)
                now = admin.partition_offsets(topic, settings.group)
                comparison.classify_unmatched(unmatched, now, cache(lambda: admin.compacts(settings.topic)))
        report = VerifyReport(settings.topic, settings.group, list(comparison.reports.values()))
        report.committed = any(each.committed is not None for each in offsets.values())
        report.foreign = foreign
        report.open_transactions = open_transactions
        report.lossy_policies = [f"{each.name}={each.value}" for each in lossy(settings)]
        report.truncated = [
            TruncatedLog(partition, each.committed or 0, each.truncation.divergence)
            for partition, each in offsets.items()
            if each.truncation
        ]
    return report
