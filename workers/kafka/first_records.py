"""Reads the first records of ranges of Kafka's log: for the lag in seconds, and to tell records from transaction markers."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from workers.identity import TopicIdentity
from workers.kafka import compat_logs
from workers.kafka.client_errors import refusal
from workers.kafka.fetched_records import from_poll
from workers.kafka.log_history import UNKNOWN
from workers.kafka.options import FIRST_RECORDS_SECONDS, first_records_options, open_consumer
from workers.kafka.partitions import to_client
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.settings import Settings

log = structlog.get_logger()


def by_name(topics: TopicIdentity | Iterable[TopicIdentity]) -> dict[str, TopicIdentity]:
    """One topic, or several, by name."""
    return {each.name: each for each in ([topics] if isinstance(topics, TopicIdentity) else topics)}


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
        self._topics: dict[str, TopicIdentity] = {}
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
        topics: TopicIdentity | Iterable[TopicIdentity],
        ranges: Mapping[TopicPartition, tuple[int, int]],
        epochs: Mapping[TopicPartition, int] | None = None,
    ) -> dict[TopicPartition, float | None]:
        """By partition: the Unix time of the first record in its range of offsets (first, end).

        None: the range holds no record, only transaction markers. A partition without an answer within
        `FIRST_RECORDS_SECONDS`, or whose record has no timestamp, is left out.

        Args:
            topics: all those of the ranges.
            epochs: of the leaders. Under another leader a log may have been truncated, and hold other records at the same
                offsets, so what is known of them is read again. Without them only a log that is shorter shows that.
        """
        self._forget_others(by_name(topics))
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

    def _forget_others(self, topics: Mapping[str, TopicIdentity]) -> None:
        """What is known of a topic that was deleted, and perhaps made again, is of another one."""
        gone = {name for name, topic in self._topics.items() if topics.get(name) != topic}
        if gone:
            self.close()
            self._known = {p: found for p, found in self._known.items() if p.topic not in gone}
            self._asked = {p: asked for p, asked in self._asked.items() if p.topic not in gone}
            self._failed = {p for p in self._failed if p.topic not in gone}
        self._topics = dict(topics)

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
            for tp, records in from_poll(consumer.poll(timeout_ms=100)).items():
                del asked[tp]
                if records[0].timestamp >= 0:
                    self._known[tp] = records[0].timestamp / 1000
            reached = compat_logs.positions(consumer)
            for tp in [tp for tp, (_, end) in asked.items() if reached.get(tp, 0) >= end]:
                del asked[tp]
                self._known[TopicPartition(*tp)] = None
            if asked and len(asked) < before:
                # Not paused: see `log_reader._records`.
                consumer.assign(list(asked))
