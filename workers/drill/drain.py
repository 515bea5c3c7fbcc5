"""The wait after a drill: until the fleet has committed every record, as long as it makes progress."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from workers.connection import KeptConnection
from workers.drill.drill_topics import offsets_of_all, offsets_of_each
from workers.errors import UnavailableError
from workers.kafka.admin import Admin
from workers.kafka.first_records import FirstRecords
from workers.kafka.partition_offsets import leader_epochs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.drill.interrupt import Interrupts
    from workers.drill.load import Load
    from workers.settings import Settings
    from workers.types import TopicPartition

NO_PROGRESS_SECONDS = 180.0
"""The wait ends after this long without any progress."""
INTERRUPTED_SECONDS = 30.0
"""The longest wait after Ctrl-C."""
PAST_SECONDS = 60.0
"""The same, for the records of one kill."""
POLL_SECONDS = 0.3


def wait_until_committed(settings: Settings, load: Load, interrupts: Interrupts, tell: Callable[[str], None]) -> None:
    """Return once every record is committed, or when it is no use to wait longer: what is left is pending then.

    Raises:
        LeftUnprovenError: a second signal has come.
    """
    least: int | None = None
    progressed = began = time.monotonic()
    with closing(KeptConnection(lambda: Admin(settings).connect())) as kafka, closing(_Left(settings, load)) as counter:
        while True:
            interrupts.leave_if_asked_again()
            left, over = None, load.over(POLL_SECONDS)
            with suppress(UnavailableError):
                left = kafka.ask(counter.count)
            if over and not left and left is not None:
                return
            if left is not None and (least is None or left < least):
                least, progressed = left, time.monotonic()
            what = "Kafka does not answer" if left is None else f"{left:,} records are not committed yet"
            hint = "; Ctrl-C again leaves without the proof" if interrupts else ""
            tell(f"waiting for the fleet: {what}{hint}")
            if interrupts and time.monotonic() - began > INTERRUPTED_SECONDS:
                return
            if time.monotonic() - progressed > NO_PROGRESS_SECONDS:
                return
            time.sleep(POLL_SECONDS if over else 0)


def wait_until_past(
    settings: Settings, ends: Mapping[TopicPartition, int], interrupts: Interrupts, tell: Callable[[str], None]
) -> int:
    """Wait until the group has committed up to these offsets, whatever is sent meanwhile. Returns how many are left.

    Args: ends: by partition. Behind the marker of a transaction nothing is committed until a record follows: that ends the
        wait for want of progress.

    Raises:
        LeftUnprovenError: a second signal has come.
    """
    left, began = sum(ends.values()), time.monotonic()
    progressed = began
    with closing(KeptConnection(lambda: Admin(settings).connect())) as kafka:
        while True:
            interrupts.leave_if_asked_again()
            now: int | None = None
            with suppress(UnavailableError):
                now = kafka.ask(lambda admin: _left_before(admin, settings, ends))
            if now is not None and now < left:
                left, progressed = now, time.monotonic()
            waited = time.monotonic() - progressed
            if not left or waited > PAST_SECONDS or (interrupts and time.monotonic() - began > INTERRUPTED_SECONDS):
                return left
            tell("waiting for Kafka" if now is None else f"{left:,} records are not committed yet")
            time.sleep(POLL_SECONDS)


def _left_before(admin: Admin, settings: Settings, ends: Mapping[TopicPartition, int]) -> int | None:
    offsets = offsets_of_all(settings, admin, answered=True)
    if not offsets:
        return None
    return sum(max(0, end - offsets[part].next_offset) if part in offsets else end for part, end in ends.items())


class _Left:
    """What the group has not committed yet. For one thread."""

    def __init__(self, settings: Settings, load: Load) -> None:
        self._settings, self._load = settings, load
        self._first_records: dict[str, FirstRecords] = {}
        """By topic."""
        self._before: dict[TopicPartition, tuple[int, int]] = {}

    def count(self, admin: Admin) -> int | None:
        """The number of offsets, up to what was acknowledged, also where a transaction that is open still hides it from
        all readers; None: there is no topic.
        """
        by_topic = offsets_of_each(self._settings, admin)
        if not by_topic:
            return None
        offsets = {partition: each for found in by_topic.values() for partition, each in found.offsets.items()}
        left = {
            partition: (each.next_offset, max(each.end, self._load.next_offsets.get(partition, 0)))
            for partition, each in offsets.items()
        }
        left = {partition: (first, end) for partition, (first, end) in left.items() if first < end}
        # A commit never reaches behind the marker of a transaction at the end of a log, since that is no record. It is
        # asked only where nothing moved since the last look.
        still = {
            partition: each
            for partition, each in left.items()
            if self._before.get(partition) == each and each[0] >= self._load.next_offsets.get(partition, 0)
        }
        self._before = left
        times: dict[TopicPartition, float | None] = {}
        for name, found in by_topic.items():
            if of_topic := {partition: each for partition, each in still.items() if partition.topic == name}:
                first_records = self._first_records.setdefault(name, FirstRecords(self._settings))
                times |= first_records.times(found.topic.identity, of_topic, leader_epochs(found.offsets))
        return sum(end - first for partition, (first, end) in left.items() if times.get(partition, 0.0) is not None)

    def close(self) -> None:
        for each in self._first_records.values():
            each.close()
