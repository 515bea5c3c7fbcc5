"""Reads ranges of Kafka's log outside any consumer group: for `verify`, the auditor, the watchdog and the lag in seconds."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from kafka.errors import AuthorizationError, KafkaError

from workers.errors import UnavailableError
from workers.kafka import compat_logs
from workers.kafka.client_errors import describe, refusal, unavailable
from workers.kafka.log_history import UNKNOWN
from workers.kafka.options import FIRST_RECORDS_SECONDS, first_records_options, log_reader_options, open_consumer
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.identity import TopicIdentity
    from workers.settings import Settings
    from workers.types import Record

MOST_RECORDS = 10_000
"""Decoded at once."""
NO_RECORD_SECONDS = 30.0
"""Reading fails after this long without a record: longer than the restart of a broker takes."""

log = structlog.get_logger()


def read_log(
    settings: Settings,
    ranges: Mapping[TopicPartition, tuple[int, int]],
    options: Mapping[str, Any] | None = None,
) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
    """The same as `LogReader.read`, on a connection of its own."""
    reader = LogReader(settings, options)
    try:
        yield from reader.read(ranges)
    finally:
        reader.close()


class LogReader:
    """Reads ranges of offsets, on a connection that is kept while it works. For one thread."""

    def __init__(self, settings: Settings, options: Mapping[str, Any] | None = None) -> None:
        """Args: options: of the consumer; None: `log_reader_options`."""
        self._settings = settings
        self._options = options or log_reader_options(settings)
        self._consumer: Any = None

    def read(
        self, ranges: Mapping[TopicPartition, tuple[int, int]]
    ) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
        """Every record in these ranges of offsets (first, end), by partition, in offset order.

        As for the workers, without the records of aborted transactions.

        Raises:
            UnavailableError: Kafka stopped answering before the ends were reached. The next call connects again.
        """
        ends = {
            tp: ranges[TopicPartition(*tp)][1]
            for tp in to_client(p for p, (first, end) in ranges.items() if first < end)
        }
        if not ends:
            return
        try:
            self._consumer = consumer = self._consumer or open_consumer(self._settings, self._options)
            consumer.assign(list(ends))
            for tp in ends:
                consumer.seek(tp, ranges[TopicPartition(*tp)][0])
            yield from _records(consumer, ends, sum(max(0, end - first) for first, end in ranges.values()))
        except (
            BaseException
        ) as error:  # also when the caller does not read on, since the next poll would return records of this call
            self.close()
            if isinstance(error, AuthorizationError):
                raise unavailable(self._settings, error, topic="READ") from error
            if isinstance(error, KafkaError):
                raise UnavailableError(f"Kafka stopped answering: {describe(error)}") from error
            raise

    def close(self) -> None:
        """Close the connection. Idempotent; the next call of `read` connects again."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(Exception):
                consumer.close(timeout_ms=2_000)


def _records(consumer: Any, ends: dict[Any, int], left: int) -> Iterator[tuple[TopicPartition, Sequence[Record]]]:
    """From where the consumer is up to these ends. Each partition is given back at its end, and removed from `ends`.

    Given back, not paused: of a paused partition the client keeps what it has fetched aside, and may never take it up again
    when the partition is resumed, nor fetch more of it (`Fetcher.fetched_records` of 3.0.12).

    Args: left: offsets up to the ends. No more are decoded than that: what was fetched behind them is there for the next call.
    """
    progressed = time.monotonic()
    while ends:
        for tp, records in consumer.poll(timeout_ms=200, max_records=min(MOST_RECORDS, max(1, left))).items():
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
        if done and ends:
            consumer.assign(list(ends))
        # A position that is not known yet counts from 0: too much, and no harm.
        left = sum(end - reached.get(tp, 0) for tp, end in ends.items())
        if time.monotonic() - progressed > NO_RECORD_SECONDS:
            raise UnavailableError(
                f"Kafka returned no record for {NO_RECORD_SECONDS:.0f} s, before the end of the log was reached"
            )


class _Asked(NamedTuple):
    """The question about one partition: a range of offsets, and the epoch of the leader that has them."""

    first: int
    end: int
    epoch: int

    def holds_for(self, before: _Asked, *, empty: bool) -> bool:
        """Whether the answer to the question before is one to this, too. Args: empty: it was that there is no record."""
        if self.first != before.first or self.epoch != before.epoch:
            return False
        # Records may have come behind a range without one; a range never gets shorter in a log that only grows.
        return self.end == before.end if empty else self.end >= before.end


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
        self._known: dict[TopicPartition, float | None] = {}
        """What was found in the ranges of the last call; None: no record, only transaction markers."""
        self._asked: dict[TopicPartition, _Asked] = {}
        """The ranges of the last call."""
        self._failed: set[TopicPartition] = set()
        """Partitions of which the last read failed: they are read last, each by itself."""

    def times(
        self,
        topic: TopicIdentity,
        ranges: Mapping[TopicPartition, tuple[int, int]],
        epochs: Mapping[TopicPartition, int] | None = None,
    ) -> dict[TopicPartition, float | None]:
        """By partition: the Unix time of the first record in its range of offsets (first, end).

        None: the range holds no record, only transaction markers. A partition without an answer within
        `FIRST_RECORDS_SECONDS`, or whose record has no timestamp, is left out.

        Args: epochs: of the leaders. Under another leader a log may have been truncated, and hold other records at the
        same offsets, so what is known of them is read again. Without them only a log that is shorter shows that.
        """
        if topic != self._topic:
            self.close()
            self._topic, self._known, self._asked, self._failed = topic, {}, {}, set()
        before = self._asked
        self._asked = {p: _Asked(*each, (epochs or {}).get(p, UNKNOWN)) for p, each in ranges.items()}
        self._known = {
            p: found
            for p, found in self._known.items()
            if p in ranges and self._asked[p].holds_for(before[p], empty=found is None)
        }
        unknown = ranges.keys() - self._known.keys()
        together = sorted(unknown - self._failed)
        groups = [together, *([each] for each in sorted(unknown & self._failed))]
        deadline = time.monotonic() + FIRST_RECORDS_SECONDS
        for group in groups:
            if group and time.monotonic() < deadline and not self._read(group, ranges, deadline):
                # Any of them may be at fault: the others are read without it.
                groups += [[each] for each in group] if len(group) > 1 else []
        return dict(self._known)

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
        for tp, (first, _) in asked.items():
            consumer.seek(tp, first)
        while asked and time.monotonic() < deadline:
            before = len(asked)
            for tp, records in consumer.poll(timeout_ms=100).items():
                del asked[tp]
                if records[0].timestamp >= 0:
                    self._known[TopicPartition(*tp)] = records[0].timestamp / 1000
            reached = compat_logs.positions(consumer)
            for tp in [tp for tp, (_, end) in asked.items() if reached.get(tp, 0) >= end]:
                del asked[tp]
                self._known[TopicPartition(*tp)] = None
            if asked and len(asked) < before:
                # Not paused: see `_records`.
                consumer.assign(list(asked))
