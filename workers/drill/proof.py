"""The proof of a drill: compares the records that it sent, and no others, with Kafka's log and with the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.decoding import open_decoder
from workers.drill.load import is_bad, is_ours
from workers.formats.json import parse_json
from workers.settings.route_options import RouteOptions
from workers.sinks.registry import open_reader
from workers.types import Reject, RejectedError
from workers.verification.comparison import NO_LIMITS
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.report import FAILURES
from workers.verification.routes_report import RoutesReport
from workers.verification.verify import verify
from workers.verification.verify_routes import verify_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.drill.report import DrillReport
    from workers.pipeline.decoder import Decoder
    from workers.records import Record
    from workers.settings import Settings
    from workers.types import TopicPartition
    from workers.verification.report import VerifyReport


class Proof:
    """What was in the log from the beginning of the drill on, filled while `verify` reads it."""

    def __init__(
        self,
        settings: Settings,
        ends: Mapping[TopicPartition, int],
        on_records: Callable[[TopicPartition, Sequence[Record]], None] = lambda _partition, _records: None,
    ) -> None:
        """Args:
        ends: by partition: the end of the log before the first record of the drill.
        on_records: called with all records that were compared.
        """
        self._settings, self._ends, self._on_records = settings, ends, on_records
        self._judges: dict[str, Decoder | None] = {}
        self._in_kafka: dict[TopicPartition, OffsetBitmap] = {}
        self._read_to: dict[TopicPartition, int] = {}
        self._bad = 0
        self._foreign = 0

    def prove(
        self,
        report: DrillReport,
        acknowledged: Mapping[TopicPartition, OffsetBitmap],
        progress: Callable[[str, int, int], None],
    ) -> VerifyReport | RoutesReport:
        """Verify, and write the verdict into the report. Returns what `verify` found.

        Args: acknowledged: what Kafka has acknowledged to the drill.

        Raises:
            NotFoundError: the topic was deleted.
            UnavailableError: a part could not be read.
        """
        found = self._verify(progress)
        report.stored = found.total("stored")
        report.dead_letters = found.total("dead_lettered")
        report.ignored = found.total("ignored")
        report.dead_letters_expected = self._bad
        report.twice = found.total("twice")
        report.pending = found.total("pending")
        report.unstable = found.total("unstable")
        report.lost = found.total("missing")
        for partition, offsets in acknowledged.items():
            gone = offsets - self._in_kafka.get(partition, OffsetBitmap(offsets.base))
            read_to = self._read_to.get(partition, 0)
            inside = len(gone.between(gone.base, read_to))
            report.lost += inside
            # Behind a transaction that is open still: nobody can read it yet, so it is neither lost nor proven.
            report.unstable = max(report.unstable, len(gone) - inside)
        # Each bad record is a dead letter, ignored, pending or missing, and never stored: what is more than them was good.
        report.good_dead_lettered = max(0, report.dead_letters + report.ignored - self._bad)
        if self._foreign and report.good_dead_lettered:
            # Whoever else sends to this topic may send what only the database refuses.
            report.remarks.append(f"{self._foreign:,} records came from somebody else, with dead letters of their own")
            report.good_dead_lettered = max(0, report.good_dead_lettered - self._foreign)
        if report.unstable:
            report.remarks.append(
                f"{report.unstable:,} records stand behind an open transaction: nothing is proven of them; see `workers verify`"
            )
        report.unexplained = (
            found.total("conflicting")
            + found.total("unexpected")
            + report.good_dead_lettered
            + (0 if report.interrupted else report.pending)
        )
        report.verified = True
        if isinstance(found, RoutesReport):
            report.remarks += _by_topic(found)
        return found

    def _verify(self, progress: Callable[[str, int, int], None]) -> VerifyReport | RoutesReport:
        table = self._settings.route_table
        if table.has_several_topics:
            return verify_routes(self._settings, None, None, progress, self._ends, self._note)
        return verify(self._settings.for_topic(table.topics[0]), None, progress, self._ends, self._note)

    def _note(self, partition: TopicPartition, records: Sequence[Record]) -> None:
        self._on_records(partition, records)
        if partition not in self._in_kafka:
            self._in_kafka[partition] = OffsetBitmap(self._ends.get(partition, 0))
        self._read_to[partition] = records[-1].offset + 1
        for record in records:
            self._in_kafka[partition].add(record.offset)
            ours = is_ours(record.value)
            self._foreign += not ours
            if (judge := self._judge(partition.topic)) is not None:
                self._bad += isinstance(judge.decode("", record), Reject)
            else:
                self._bad += is_bad(record.value) if ours else _is_rejected(record.value)

    def _judge(self, topic: str) -> Decoder | None:
        """Says what is a reject where the route says it; None: what is no JSON object is."""
        if topic not in self._judges:
            settings = self._settings.for_topic(topic)
            options = {name: getattr(settings, name) for name in RouteOptions.model_fields}
            # A tombstone that is ignored is counted as one of the bad records too.
            is_plain = (
                options | {"on_tombstone": "ignore"}
                == RouteOptions(on_tombstone="ignore", start=settings.start).model_dump()
            )
            self._judges[topic] = None if is_plain else open_decoder(settings, open_reader(settings), NO_LIMITS)
        return self._judges[topic]


def _by_topic(found: RoutesReport) -> list[str]:
    """In which topics something is not as it must be."""
    told = []
    for report in found.reports:
        counts = {outcome: report.total(outcome) for outcome in (*FAILURES, "pending", "unstable")}
        if wrong := ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count):
            told.append(f"{report.topic}: {wrong}")
    return told


def _is_rejected(value: bytes | None) -> bool:
    try:
        parse_json(value, NO_LIMITS)
    except RejectedError:
        return True
    return False
