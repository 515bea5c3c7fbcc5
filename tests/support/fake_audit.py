"""An auditor on a log and a sink that are lists, and on a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.support.batches import TOPIC, tp
from workers.auditor.auditor import Auditor
from workers.auditor.full_pass import Span
from workers.auditor.servers import Look
from workers.errors import UnavailableError
from workers.identity import OffsetRange, TopicIdentity
from workers.kafka.partition_offsets import PartitionOffsets
from workers.kafka.topics import Topic
from workers.types import Truncation
from workers.verification.report import PartitionReport

BEGINNING = 1_800_000_000.0
AGAIN = TopicIdentity("numtest", UUID("11111111-0000-4000-8000-000000000000"))


@dataclass
class FakeServers:
    """One partition: a log in which every offset is a record, but for the markers; and what the sink holds of it."""

    committed: int | None = 10
    end: int = 10
    start: int = 0
    unstable: int = 0
    markers: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    truncation: Truncation | None = None
    reused: list[OffsetRange] = field(default_factory=list)
    topic: TopicIdentity | None = TOPIC
    unanswered: list[Any] = field(default_factory=list)
    fails: bool = False
    asked: list[Span] = field(default_factory=list)
    partitions: int = 1
    no_timestamps: bool = False

    def look(self) -> Look | None:
        if self.fails:
            raise UnavailableError("Kafka is away")
        if self.topic is None:
            return None
        each = PartitionOffsets(
            self.start, self.end, self.committed, self.unstable, self.truncation, list(self.reused), 7
        )
        offsets = {tp(p): each for p in range(self.partitions) if tp(p) not in self.unanswered}
        return Look(Topic(self.topic, [tp(0)]), offsets, self.unanswered)

    def hold_no_record(self, _look: Look, ranges: dict[Any, tuple[int, int]]) -> list[Any]:
        return [p for p, (first, end) in ranges.items() if set(range(first, end)) <= self.markers]

    def compare(self, look: Look, spans: list[Span], read: Any = None) -> list[PartitionReport]:
        reports = []
        for span in spans:
            self.asked.append(span)
            report = PartitionReport(span.partition, most_offsets=100_000)
            for offset in range(span.first, span.end):
                if offset in self.markers:
                    continue
                report.counts["kafka"] += 1
                if read is not None:
                    read[span.partition, offset] = None if self.no_timestamps else BEGINNING - 1_000 + offset
                committed = look.offsets[span.partition].next_offset
                report.add("missing" if offset in self.missing and offset < committed else "stored", offset)
            reports.append(report)
        return reports


class Clock:
    def __init__(self) -> None:
        self.now = BEGINNING

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - BEGINNING


def round_at(auditor: Auditor, servers: FakeServers, clock: Clock, seconds: float) -> None:
    clock.now = BEGINNING + seconds
    auditor.round(servers)


def begin(auditor: Auditor, servers: FakeServers, clock: Clock) -> None:
    """The first round, and the first pass, which is over nothing or over what was there."""
    round_at(auditor, servers, clock, 0)
    whole_pass(auditor, servers)
    servers.asked.clear()


def whole_pass(auditor: Auditor, servers: FakeServers) -> None:
    while auditor.step_full_pass(servers):
        pass
