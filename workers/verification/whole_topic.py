"""Verifies a whole topic: part by part, in one process or several, from the beginning or behind what was done before."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from workers.identity import OffsetRange
from workers.verification.checker import Checker
from workers.verification.segments import plan, size
from workers.verification.unfinished import Unfinished
from workers.verification.verified_so_far import DOCUMENTS, RECORDS, VerifiedSoFar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from workers.kafka.admin import Admin
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.sinks.base import SinkReader
    from workers.types import TopicPartition
    from workers.verification.comparison import Progress
    from workers.verification.part_check import PartResult
    from workers.verification.report import PartitionReport
    from workers.verification.segments import Part
    from workers.verification.unfinished import UnfinishedFile

    Told = Callable[[int, str, int], None]
    """Called with the number of a part, what was read of it, and how much more of it."""

OFFSETS_BY_INDEX = 500_000
"""In a part, where the sink finds its documents by an index: some seconds of work, and 4 MB."""
OFFSETS_AT_ONCE = 6_000_000
"""In a part, where it does not: every part costs a look at all documents. 48 MB."""
MOST_PROCESSES = 4


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
        resume: bool,
        most: int | None = None,
    ) -> None:
        """Args:
        offsets: asked for before anything is read.
        file: where the results of its parts are kept until it is finished; None: nowhere.
        resume: go on with the run of the file.
        most: offsets in a part; None: as many as pays.

        Raises:
            BadUsageError: there is nothing to resume, or what is done says nothing about what is there now.
        """
        self._settings, self._topic, self._admin, self._sink, self._file = settings, topic, admin, sink, file
        if resume and file:
            self.run = file.read()
            offsets = self.run.go_on(settings, admin, topic, offsets)
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
        self._parts = plan(topic.identity, ranges, self.run.most, by_index=self.run.by_index)
        self._sizes = [size(part, ranges) for part in self._parts]

    def verify(self, progress: Progress, processes: int | None = None) -> None:
        """Verify all parts that are not done; their results are in `run.done`.

        Args: processes: how many work; None: as many as pay.

        Raises:
            UnavailableError: a part could not be read. What is done stays in the file.
        """
        left = [(number, part) for number, part in enumerate(self._parts) if number not in self.run.done]
        so_far, others = VerifiedSoFar(self._sizes, self.run.done), Counter[str]()

        def told(number: int, what: str, more: int) -> None:
            if what in (RECORDS, DOCUMENTS):
                so_far.read(number, what, more)
                progress("verified", so_far.offsets, self.run.offsets)
            else:
                others[what] += more
                progress(what, others[what], 0)

        count = min(processes or self._processes(), len(left))
        try:
            for number, result in self._checked(left, count, told):
                self.run.done[number] = result
                so_far.finish(number)
                progress("verified", so_far.offsets, self.run.offsets)
                if self._file and len(self.run.done) < len(self._parts):
                    self._file.write(self.run)
        except BaseException:  # Ctrl-C above all: what is done is kept
            if self._file:
                self._file.write(self.run, at_once=True)
            raise
        if self._file:
            self._file.remove()

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

    def _processes(self) -> int:
        """Half of the cores: the servers, or the fleet, want the others. One where each part costs a look at all documents."""
        return max(1, min(MOST_PROCESSES, (os.cpu_count() or 1) // 2)) if self.run.by_index else 1

    def _checked(self, left: list[tuple[int, Part]], count: int, told: Told) -> Iterator[tuple[int, PartResult]]:
        if count > 1:
            from workers.verification.processes import check_in_processes

            yield from check_in_processes(self._settings, self._topic, self.offsets, left, count, told)
            return
        checker = Checker(self._settings, self._topic, self.offsets, self._admin, self._sink)
        with closing(checker):
            for number, part in left:
                yield number, checker.check(part, partial(told, number))
