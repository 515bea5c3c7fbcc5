"""Reads ranges of Kafka's log outside any consumer group: for `verify`, the auditor and the watchdog."""

from __future__ import annotations

import time
from bisect import bisect_left
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kafka.errors import AuthorizationError, KafkaError

from workers.errors import UnavailableError
from workers.kafka import compat_logs
from workers.kafka.client_errors import describe, unavailable
from workers.kafka.fetched_records import from_poll
from workers.kafka.options import log_reader_options, open_consumer
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from workers.records import Records
    from workers.settings import Settings

MOST_RECORDS = 10_000
"""Decoded at once."""
NO_RECORD_SECONDS = 30.0
"""Reading fails after this long without a record: longer than the restart of a broker takes."""


def read_log(
    settings: Settings,
    ranges: Mapping[TopicPartition, tuple[int, int]],
    options: Mapping[str, Any] | None = None,
) -> Generator[tuple[TopicPartition, Records], None, None]:
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

    def read(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> Iterator[tuple[TopicPartition, Records]]:
        """Every record in these ranges of offsets (first, end), by partition, in offset order.

        As for the workers, without the records of aborted transactions.

        Raises:
            UnavailableError: Kafka stopped answering before the ends were reached, or a log was truncated meanwhile. The
                next call connects again.
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
            yield from _records(consumer, ends, {tp: ranges[TopicPartition(*tp)][0] for tp in ends})
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


def _records(
    consumer: Any, ends: dict[Any, int], firsts: Mapping[Any, int]
) -> Iterator[tuple[TopicPartition, Records]]:
    """From where the consumer is up to these ends. Each partition is given back at its end, and removed from `ends`.

    Given back, not paused: of a paused partition the client keeps what it has fetched aside, and may never take it up again
    when the partition is resumed, nor fetch more of it (`Fetcher.fetched_records` of 3.0.12).

    Args: firsts: where it is. Of an offset that is not there any more, behind the end, the client begins at the log start.
    """
    # Offsets up to the ends. No more are decoded than that: what was fetched behind them is there for the next call.
    left = sum(end - firsts[tp] for tp, end in ends.items())
    progressed = time.monotonic()
    while ends:
        for tp, records in from_poll(
            consumer.poll(timeout_ms=200, max_records=min(MOST_RECORDS, max(1, left)))
        ).items():
            progressed = time.monotonic()
            end = ends.get(tp, 0)
            if end and records.offsets[0] < firsts[tp]:
                raise UnavailableError(
                    f"{tp} ends before offset {firsts[tp]}, which was asked for: the log was truncated"
                )
            if inside := records[: bisect_left(records.offsets, end)]:
                yield tp, inside
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
