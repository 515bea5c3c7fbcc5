"""Verifies a whole topic: part by part, in one process or several, from the beginning or behind what was done before."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from workers.identity import OffsetRange
from workers.verification.checker import Checker
from workers.verification.checkers import TopicWork
from workers.verification.segments import plan, size
from workers.verification.unfinished import Unfinished
from workers.verification.verify_parts import most_processes, verify_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.kafka.admin import Admin
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.sinks.base import SinkReader
    from workers.types import TopicPartition
    from workers.verification.checkers import TopicPart
    from workers.verification.comparison import Progress
    from workers.verification.part_check import PartResult
    from workers.verification.report import PartitionReport
    from workers.verification.unfinished import UnfinishedFile
    from workers.verification.verify_parts import Told

OFFSETS_BY_INDEX = 500_000
"""In a part, where the sink finds its documents by an index: some seconds of work, and 4 MB."""
OFFSETS_AT_ONCE = 6_000_000
"""In a part, where it does not: every part costs a look at all documents. 48 MB."""


class WholeTopic:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        offsets: Mapping[TopicPartition, PartitionOffsets],
        admin: Admin,
        sink: SinkReader,
        file: UnfinishedFile | None,
        *,
        resume: Unfinished | bool = False,
        most: int | None = None,
        alone: bool = True,
    ) -> None:
        """Args:
        offsets: asked for before anything is read.
        file: where the results of its parts are kept until it is finished; None: nowhere.
        resume: go on with the run of the file, or with this one.
        most: offsets in a part; None: as many as pays.
        alone: whether the collection is that of this topic only, so that all ids in it are counted here.

        Raises:
            BadUsageError: there is nothing to resume, or what is done says nothing about what is there now.
        """
        self._settings, self._topic, self._admin, self._sink, self._file = settings, topic, admin, sink, file
        begun = resume if isinstance(resume, Unfinished) else file.read() if resume and file else None
        if begun:
            self.run = begun
            offsets = self.run.go_on(settings, admin, topic, offsets)
            if file:
                file.begun = self.run
        else:
            by_index = sink.finds_ranges()
            most = most or (OFFSETS_BY_INDEX if by_index else OFFSETS_AT_ONCE)
            if file:
                file.remove()
            self.run = Unfinished.begin(settings, topic, offsets, most, by_index=by_index)
        self.offsets = offsets
        """With which it is verified."""
        ranges = {p: OffsetRange(each.start, each.end) for p, each in offsets.items()}
        self.parts = plan(topic.identity, ranges, self.run.most, by_index=self.run.by_index, with_rest=alone)
        self.sizes = [size(part, ranges) for part in self.parts]

    def verify(self, progress: Progress, processes: int | None = None) -> None:
        """Verify all parts that are not done; their results are in `run.done`.

        Args: processes: how many work; None: as many as pay.

        Raises:
            UnavailableError: a part could not be read. What is done stays in the file.
        """
        verify_parts([self], self._check_here, self._keep, progress, processes or most_processes([self]))
        if self._file:
            self._file.remove()

    @property
    def work(self) -> TopicWork:
        """What whoever verifies a part of it must know."""
        return TopicWork(self._settings, self._topic, self.offsets)

    def join(self, reports: Mapping[TopicPartition, PartitionReport]) -> int:
        """Add what was found to these reports; return how many ids are of no partition of the topic."""
        before: Counter[TopicPartition] = Counter()
        for result in self.run.done.values():
            before += result.before
            for partition, report in result.reports.items():
                reports[partition].join(report)
        for partition, each in self.offsets.items():
            to_be_read = each.start - each.left_out.count(0, each.start)
            reports[partition].counts["expired"] = max(0, to_be_read - before[partition])
        return sum(result.foreign for result in self.run.done.values())

    def _check_here(self, parts: Sequence[tuple[int, TopicPart]], told: Told) -> Iterator[tuple[int, PartResult]]:
        checker = Checker(self._settings, self._topic, self.offsets, self._admin, self._sink)
        with closing(checker):
            for number, part in parts:
                yield number, checker.check(part.part, partial(told, number))

    def _keep(self, *, at_once: bool) -> None:
        """Write what is done, but not that all is."""
        if self._file and (at_once or len(self.run.done) < len(self.parts)):
            self._file.write(self.run, at_once=at_once)
