"""The proof of delivery: compares every record in Kafka with what the sink has stored."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import NotFoundError
from workers.kafka import topics
from workers.kafka.admin import Admin
from workers.sinks.registry import open_reader
from workers.verification.topic_run import TopicRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.records import Record
    from workers.settings import Settings
    from workers.types import TopicPartition
    from workers.verification.comparison import Progress
    from workers.verification.report import VerifyReport
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
        offsets = admin.partition_offsets(topic, settings.group)
        run = TopicRun(settings, topic, offsets, admin, sink, since_seconds, from_offsets)
        foreign = None
        if since_seconds is None and from_offsets is None:
            how = whole or WholeRun()
            of_topic = run.whole(how.file, resume=how.resume, most=how.most)
            of_topic.verify(progress, how.processes)
            foreign = run.join(of_topic)
        else:
            run.few(progress, on_records)
        report = run.report()
        report.foreign = foreign
    return report
