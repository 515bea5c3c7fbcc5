"""The proof of a drill: compares the records that it sent, and no others, with Kafka's log and with the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.drill.load import is_bad, is_ours
from workers.formats.json import parse_json
from workers.types import RejectedError
from workers.verification.comparison import NO_LIMITS
from workers.verification.offset_bitmap import OffsetBitmap
from workers.verification.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.drill.report import DrillReport
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
        self._in_kafka: dict[TopicPartition, OffsetBitmap] = {}
        self._read_to: dict[TopicPartition, int] = {}
        self._bad = 0
        self._foreign = 0

    def prove(
        self,
        report: DrillReport,
        acknowledged: Mapping[TopicPartition, OffsetBitmap],
        progress: Callable[[str, int, int], None],
    ) -> VerifyReport:
        """Verify, and write the verdict into the report. Returns what `verify` found.

        Args: acknowledged: what Kafka has acknowledged to the drill.

        Raises:
            NotFoundError: the topic was deleted.
            UnavailableError: a part could not be read.
        """
        found = verify(self._settings, None, progress, self._ends, self._note)
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
        return found

    def _note(self, partition: TopicPartition, records: Sequence[Record]) -> None:
        self._on_records(partition, records)
        if partition not in self._in_kafka:
            self._in_kafka[partition] = OffsetBitmap(self._ends.get(partition, 0))
        self._read_to[partition] = records[-1].offset + 1
        for record in records:
            self._in_kafka[partition].add(record.offset)
            if is_ours(record.value):
                self._bad += is_bad(record.value)
            else:
                self._foreign += 1
                self._bad += _is_rejected(record.value)


def _is_rejected(value: bytes | None) -> bool:
    try:
        parse_json(value, NO_LIMITS)
    except RejectedError:
        return True
    return False
