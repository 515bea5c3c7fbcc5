"""The connections of the auditor to Kafka and the sink, and its one question to both: are these records accounted for?"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from workers.kafka.admin import WATCH_PATIENCE_SECONDS, Admin
from workers.kafka.client_errors import LOOK, refusal
from workers.kafka.first_records import FirstRecords
from workers.kafka.log_reader import LogReader
from workers.kafka.options import log_reader_options
from workers.kafka.routed_topics import routed_topics
from workers.sinks.registry import open_readers
from workers.verification.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.auditor.findings import Place
    from workers.auditor.full_pass import Span
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.records import Record
    from workers.settings import Settings
    from workers.types import TopicPartition
    from workers.verification.report import PartitionReport

FETCH_BYTES = 256 * 1024
"""Of a partition in one fetch: what was written in some seconds. More would be fetched again with the next piece."""
FETCH_WAIT_MS = 100
"""How long a fetch may wait for records. The client always sends one more, at the end of what is read, and the next read
waits for its answer.
"""
MOST_DEAD_LETTERS = 500
"""Listed for one comparison. Where there are more, looking up those of its records costs less."""
MOST_OFFSETS = 10_000
"""The most failures of one comparison that are known by their offsets. No comparison is of more records."""


class Look(NamedTuple):
    """What Kafka says of topic and group at one moment."""

    topic: Topic
    offsets: Mapping[TopicPartition, PartitionOffsets]
    """Of the partitions for which Kafka answers."""
    unanswered: Sequence[TopicPartition]


class AuditedServers(Protocol):
    """What the auditor of a topic asks. The three: see `Servers`."""

    def look(self) -> Look | None: ...

    def hold_no_record(self, look: Look, ranges: Mapping[TopicPartition, tuple[int, int]]) -> list[TopicPartition]: ...

    def compare(
        self, look: Look, spans: Sequence[Span], read: dict[Place, float | None] | None = None
    ) -> list[PartitionReport]: ...


class Looks(NamedTuple):
    """What Kafka says of all topics of the routes at one moment."""

    time: float
    """Unix time, from before it was asked."""
    topics: Mapping[str, Look | None]
    """By name; None: there is no such topic."""
    unroutable: Mapping[str, str] = {}
    """By topic why no route can have it."""
    refused: Mapping[str, str] = {}
    """By topic why Kafka does not tell this client of it."""


class Servers:
    """Keeps its connections. On any error close it, and open another one. For one thread."""

    def __init__(self, settings: Settings) -> None:
        """Does not connect yet."""
        self._settings = settings
        self._of_topic: Mapping[str, Settings] = {settings.topic: settings}
        """By topic the settings for it alone: of the last look."""
        self._admin = Admin(settings, WATCH_PATIENCE_SECONDS)
        self._sinks = open_readers(settings)
        fetching = {"max_partition_fetch_bytes": FETCH_BYTES, "fetch_max_wait_ms": FETCH_WAIT_MS}
        self._log = LogReader(settings, log_reader_options(settings) | fetching)
        self._first_records: dict[str, FirstRecords] = {}
        """By topic."""

    def connect(self) -> Self:
        """Connect to Kafka and to the sink; the log is connected to when it is first read.

        Raises:
            UnavailableError: one of them does not answer, or refuses this client.
        """
        try:
            self._admin.connect()
            self._sinks.connect()
        except BaseException:  # what has connected already must not be left behind
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close all connections."""
        first_records = [each.close for each in self._first_records.values()]
        for close in (self._log.close, *first_records, self._sinks.close, self._admin.close):
            with suppress(Exception):
                close()

    def look(self) -> Look | None:
        """The topic and its offsets now, the committed ones asked first; None: there is no topic.

        Raises:
            UnavailableError: Kafka answers for none of the partitions, or this client is not authorized.
        """
        topic = self._admin.topic(self._settings.topic)
        if topic is None:
            return None
        return self._look_at(topic)

    def looks(self) -> Looks:
        """The same of all topics of the routes.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        now = time.time()
        routed = routed_topics(self._settings, self._admin)
        self._of_topic = routed.topics
        # Without a name it would be asked for all that there are.
        topics, errors = self._admin.topics(routed.topics.keys()) if routed.topics else ({}, {})
        offsets = self._admin.offsets_of_topics(topics.values(), self._settings.group) if topics else {}
        found: dict[str, Look | None] = {name: None for name in routed.topics if name not in errors}
        for name, topic in topics.items():
            of_topic = {partition: each for partition, each in offsets.items() if partition.topic == name}
            found[name] = Look(topic, of_topic, sorted(set(topic.partitions) - of_topic.keys()))
        refused = {name: refusal(routed.topics[name], error, right=LOOK) for name, error in errors.items()}
        return Looks(now, found, routed.unroutable, refused)

    def _look_at(self, topic: Topic) -> Look:
        offsets = self._admin.answered_offsets(topic, self._settings.group)
        return Look(topic, offsets, sorted(set(topic.partitions) - offsets.keys()))

    def hold_no_record(self, look: Look, ranges: Mapping[TopicPartition, tuple[int, int]]) -> list[TopicPartition]:
        """Those of these ranges (first, end) without a record, only with transaction markers: no commit reaches their end."""
        epochs = {partition: look.offsets[partition].leader_epoch for partition in ranges}
        first_records = self._first_records.setdefault(look.topic.identity.name, FirstRecords(self._settings))
        found = first_records.times(look.topic.identity, ranges, epochs)
        return [partition for partition, first in found.items() if first is None]

    def compare(
        self, look: Look, spans: Sequence[Span], read: dict[Place, float | None] | None = None
    ) -> list[PartitionReport]:
        """Compare the records of these spans, one a partition, with the sink, and what the sink has there with the records.

        What `verify` does with a part of the log: see `verification.verify.verify`.

        Args:
            look: taken before. What was committed then must be in the sink by now.
            read: filled with the records that Kafka holds there, and their Unix times; None: it has none.

        Raises:
            UnavailableError: a part could not be read.
        """

        def note(partition: TopicPartition, records: Sequence[Record]) -> None:
            if read is not None:
                read.update({(partition, r.offset): r.timestamp / 1000 if r.timestamp >= 0 else None for r in records})

        offsets = {
            span.partition: look.offsets[span.partition]._replace(start=span.first, end=span.end, unstable=0)
            for span in spans
        }
        name = look.topic.identity.name
        comparison = Comparison(
            self._of_topic[name],
            look.topic.identity,
            offsets,
            self._sinks.reader(self._of_topic[name]),
            lambda _what, _done, _total: None,
            note,
            read=self._log.read,
            most_dead_letters=MOST_DEAD_LETTERS,
            most_offsets=MOST_OFFSETS,
        )
        unmatched = comparison.unmatched_between(comparison.compare_records())
        if any(len(each) for each in unmatched.values()):
            # Retention may have removed records since the first look.
            now = {**look.offsets, **self._admin.answered_offsets(look.topic, self._settings.group)}
            comparison.classify_unmatched(unmatched, now, cache(lambda: self._admin.compacts(name)))
        return list(comparison.reports.values())
