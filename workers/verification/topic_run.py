"""One topic in a run of `verify`: its offsets, which are asked for before anything is read, and what is found of it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from workers.settings.policies import chosen, lossy
from workers.verification.comparison import Comparison
from workers.verification.report import TruncatedLog, VerifyReport, left_out
from workers.verification.whole_topic import WholeTopic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.kafka.admin import Admin
    from workers.kafka.open_transactions import OpenTransaction
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.records import Record
    from workers.settings import Settings
    from workers.sinks.base import SinkReader
    from workers.types import TopicPartition
    from workers.verification.comparison import Progress
    from workers.verification.unfinished import Unfinished, UnfinishedFile


class TopicRun:
    """For one thread, and one use: `few`, or `whole` and what it returns, then `report`."""

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        offsets: Mapping[TopicPartition, PartitionOffsets],
        admin: Admin,
        sink: SinkReader,
        since_seconds: float | None,
        from_offsets: Mapping[TopicPartition, int] | None,
    ) -> None:
        """Args:
        settings: of this topic.
        offsets: of the whole log, as they are now.
        since_seconds, from_offsets: see `verify.verify`.

        Raises:
            UnavailableError: Kafka did not answer.
        """
        self.settings, self.topic, self.sink = settings, topic, sink
        self._admin, self._has_gaps = admin, from_offsets is not None
        if since_seconds is not None:
            offsets = admin.since(offsets, since_seconds)
        if from_offsets is not None:
            offsets = {p: each._replace(start=max(each.start, from_offsets.get(p, 0))) for p, each in offsets.items()}
        self.offsets = offsets
        self._comparison: Comparison | None = None
        self._open_transactions: Mapping[TopicPartition, OpenTransaction] = {}

    def few(self, progress: Progress, on_records: Callable[[TopicPartition, Sequence[Record]], None]) -> None:
        """Look up the records one by one; with `from_offsets` also what is stored between them without a record."""
        comparison = self._begin(progress, on_records)
        in_kafka = comparison.compare_records()
        if self._has_gaps:
            unmatched = comparison.unmatched_between(in_kafka)
            now = self._admin.partition_offsets(self.topic, self.settings.group)
            comparison.classify_unmatched(unmatched, now, cache(lambda: self._admin.compacts(self.settings.topic)))

    def whole(
        self,
        file: UnfinishedFile | None,
        *,
        resume: Unfinished | bool = False,
        most: int | None = None,
        alone: bool = True,
    ) -> WholeTopic:
        """What verifies the whole topic. See `WholeTopic`."""
        self._begin(lambda _what, _done, _total: None, lambda _partition, _records: None)
        return WholeTopic(
            self.settings, self.topic, self.offsets, self._admin, self.sink, file, resume=resume, most=most, alone=alone
        )

    def join(self, whole: WholeTopic) -> int:
        """Add what was found; return how many ids are of no partition of the topic."""
        return whole.join(self._compared.reports)

    def report(self) -> VerifyReport:
        """What was found."""
        report = VerifyReport(self.settings.topic, self.settings.group, list(self._compared.reports.values()))
        report.committed = any(each.committed is not None for each in self.offsets.values())
        report.open_transactions = self._open_transactions
        report.starts, report.skips = left_out(self.offsets)
        report.policies = [f"{each.name}={each.value}" for each in chosen(self.settings)] + self.settings.chosen_formats
        report.lossy_policies = [f"{each.name}={each.value}" for each in lossy(self.settings)]
        report.truncated = [
            TruncatedLog(partition, each.committed or 0, each.truncation.divergence)
            for partition, each in self.offsets.items()
            if each.truncation
        ]
        return report

    @property
    def _compared(self) -> Comparison:
        assert self._comparison is not None, "few or whole comes first"  # noqa: S101
        return self._comparison

    def _begin(self, progress: Progress, on_records: Callable[[TopicPartition, Sequence[Record]], None]) -> Comparison:
        self._comparison = Comparison(self.settings, self.topic.identity, self.offsets, self.sink, progress, on_records)
        self._open_transactions = self._comparison.count_unstable()
        return self._comparison
