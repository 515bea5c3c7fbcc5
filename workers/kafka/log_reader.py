"""Reads ranges of Kafka's log outside any consumer group, for `verify`, the watchdog and the lag in seconds."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from kafka.errors import AuthorizationError, KafkaError

from workers.errors import UnavailableError
from workers.kafka import compat_logs
from workers.kafka.client_errors import describe, refusal, unavailable
from workers.kafka.options import FIRST_RECORDS_SECONDS, first_records_options, log_reader_options, open_consumer
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.identity import TopicIdentity
    from workers.settings import Settings
    from workers.types import Record

NO_RECORD_SECONDS = 30.0
"""Reading fails after this long without a record: longer than the restart of a broker takes."""

log = structlog.get_logger()


def read_log(
    settings: Settings,
    ranges: Mapping[TopicPartition, tuple[int, int]],
    options: Mapping[str, Any] | None = None,
) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
    """Every record in these ranges of offsets (first, end), by partition, in offset order.

    As for the workers, without the records of aborted transactions.

    Args:
        options: of the consumer; None: `log_reader_options`.

    Raises:
        UnavailableError: Kafka stopped answering before the ends were reached.
    """
    ends = {
        tp: ranges[TopicPartition(*tp)][1] for tp in to_client(p for p, (first, end) in ranges.items() if first < end)
    }
    if not ends:
        return
    consumer = open_consumer(settings, options or log_reader_options(settings))
    try:
        consumer.assign(list(ends))
        for tp in ends:
            consumer.seek(tp, ranges[TopicPartition(*tp)][0])
        progressed = time.monotonic()
        while ends:
            for tp, records in consumer.poll(timeout_ms=200, max_records=10_000).items():
                progressed = time.monotonic()
                end = ends.get(tp, 0)
                inside = records if records[-1].offset < end else [record for record in records if record.offset < end]
                if inside:
                    yield TopicPartition(*tp), inside
            # The position, not the last record: a transaction marker has an offset, and is never returned.
            reached = compat_logs.positions(consumer)
            done = [tp for tp, end in ends.items() if reached.get(tp, 0) >= end]
            for tp in done:
                del ends[tp]
                consumer.pause(tp)
            if time.monotonic() - progressed > NO_RECORD_SECONDS:
                raise UnavailableError(
                    f"Kafka returned no record for {NO_RECORD_SECONDS:.0f} s, before the end of the log was reached"
                )
    except AuthorizationError as error:
        raise unavailable(settings, error, topic="READ") from error
    except KafkaError as error:
        raise UnavailableError(f"Kafka stopped answering: {describe(error)}") from error
    finally:
        consumer.close(timeout_ms=2_000)


class FirstRecords:
    """The timestamps of the first records at or after some offsets: one small fetch each, on a connection that is kept.

    For one thread. A partition that cannot be read makes no other unknown, and the next call tries it again.
    """

    def __init__(self, settings: Settings, options: Mapping[str, Any] | None = None) -> None:
        """Args: options: of the consumer; None: `first_records_options`."""
        self._settings = settings
        self._options = options or first_records_options(settings)
        self._consumer: Any = None
        self._topic: TopicIdentity | None = None
        self._said: str | None = None
        """The error that was logged last; None: the last answer was none. The lag is polled every few seconds, for months."""
        self._known: dict[TopicPartition, tuple[int, float]] = {}
        """By partition: an offset, and the timestamp that was found for it. A record's timestamp never changes."""
        self._empty: dict[TopicPartition, tuple[int, int]] = {}
        """By partition: a range without a record. Only transaction markers are in it, and will ever be."""
        self._failed: set[TopicPartition] = set()
        """Partitions of which the last read failed: they are read last, each by itself."""

    def times(
        self, topic: TopicIdentity, ranges: Mapping[TopicPartition, tuple[int, int]]
    ) -> dict[TopicPartition, float | None]:
        """By partition: the Unix time of the first record in its range of offsets (first, end).

        None: the range holds no record, only transaction markers. A partition without an answer within
        `FIRST_RECORDS_SECONDS`, or whose record has no timestamp, is left out.
        """
        if topic != self._topic:
            self.close()
            self._topic, self._known, self._empty, self._failed = topic, {}, {}, set()
        self._known = {p: known for p, known in self._known.items() if p in ranges and ranges[p][0] == known[0]}
        self._empty = {p: empty for p, empty in self._empty.items() if ranges.get(p) == empty}
        unknown = ranges.keys() - self._known.keys() - self._empty.keys()
        together = sorted(unknown - self._failed)
        groups = [together, *([each] for each in sorted(unknown & self._failed))]
        deadline = time.monotonic() + FIRST_RECORDS_SECONDS
        for group in groups:
            if group and time.monotonic() < deadline and not self._read(group, ranges, deadline):
                # Any of them may be at fault: the others are read without it.
                groups += [[each] for each in group] if len(group) > 1 else []
        return {p: time for p, (_, time) in self._known.items()} | dict.fromkeys(self._empty)

    def close(self) -> None:
        """Close the connection."""
        if self._consumer:
            with suppress(Exception):
                self._consumer.close(timeout_ms=1_000)
            self._consumer = None

    def _read(
        self, group: Sequence[TopicPartition], ranges: Mapping[TopicPartition, tuple[int, int]], deadline: float
    ) -> bool:
        """Add what is found to the known and the empty; whether it could be read."""
        asked = {tp: ranges[TopicPartition(*tp)] for tp in to_client(group) if TopicPartition(*tp) not in self._known}
        try:
            self._fetch(asked, deadline)
        except Exception as error:  # noqa: BLE001 a record may be corrupt, or larger than the memory
            self._log(error)
            self._failed.update(TopicPartition(*tp) for tp in asked)
            # The client's next poll may never return.
            self.close()
            return False
        self._failed.difference_update(group)
        if not self._failed:
            self._said = None
        if asked:
            # The fetches in flight may never end: reconnect at the next call.
            self.close()
        return True

    def _log(self, error: Exception) -> None:
        message = refusal(self._settings, error, right="READ")
        # Commands have no log: what is logged there lands in their report.
        if message != self._said and structlog.is_configured():
            self._said = message
            log.warning("cannot read the timestamps of the oldest records", error=message)

    def _fetch(self, asked: dict[Any, tuple[int, int]], deadline: float) -> None:
        """Remove from `asked` what is answered."""
        if not asked:
            return
        self._consumer = self._consumer or open_consumer(self._settings, self._options)
        consumer = self._consumer
        consumer.assign(list(asked))
        consumer.resume(*asked)
        for tp, (first, _) in asked.items():
            consumer.seek(tp, first)
        while asked and time.monotonic() < deadline:
            for tp, records in consumer.poll(timeout_ms=100).items():
                first, _ = asked.pop(tp)
                consumer.pause(tp)
                if records[0].timestamp >= 0:
                    self._known[TopicPartition(*tp)] = first, records[0].timestamp / 1000
            reached = compat_logs.positions(consumer)
            for tp in [tp for tp, (_, end) in asked.items() if reached.get(tp, 0) >= end]:
                self._empty[TopicPartition(*tp)] = asked.pop(tp)
                consumer.pause(tp)
