"""Records beside what became of them: the outcome by the same rules as `verify`, for one place or the newest records."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from workers.errors import BadUsageError, NotFoundError, UnavailableError
from workers.kafka.admin import Admin
from workers.kafka.log_reader import read_log
from workers.kafka.options import few_records_options, uncommitted
from workers.kafka.recent_records import recent_records
from workers.settings.route import UnroutableError
from workers.sinks.registry import open_dead_letters, open_reader
from workers.types import TopicPartition
from workers.verification.place import OF_DOCUMENT
from workers.verification.record_outcomes import (
    ABORTED,
    EARLIER_TOPIC,
    NO_RECORD,
    NOT_WRITTEN,
    Peeked,
    letters_of,
    record_outcomes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.records import Record
    from workers.settings import Settings
    from workers.verification.place import Place


class Peek:
    """Looks at records and documents, and changes nothing. Use it with `with`, which connects.

    It is no member of the group and commits nothing; it needs the rights of `verify`.
    """

    def __init__(self, settings: Settings, place: Place) -> None:
        """Args: place: what to look at; a topic in it takes the place of the settings' one.

        Raises:
            BadUsageError: there are several topics, and the place names none of them.
        """
        self._place = place
        self._of_document = OF_DOCUMENT.fullmatch(place.topic or "")
        named = self._of_document[1] if self._of_document else place.topic
        self._of_all = settings
        # Errors name the topic of the settings. A topic may be called like the first part of an id.
        self.settings = settings = _of_topic(settings, named, place.topic)
        self.sink = open_reader(settings)
        self._letters = open_dead_letters(settings)
        self._admin = Admin(settings)
        self._topic: Topic | None = None

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            UnavailableError: Kafka or the sink does not answer, or refuses this client.
        """
        try:
            self._admin.connect()
            self.sink.connect()
        except UnavailableError:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._admin.close()
        self.sink.close()
        self._letters.close()

    @property
    def topic(self) -> Topic:
        """The topic that was opened."""
        assert self._topic is not None, "open comes first"  # noqa: S101
        return self._topic

    def open(self) -> bool:
        """Find the topic of the place; whether its id, if it has one, is of the topic that is there now.

        Raises:
            NotFoundError: there is no such topic.
            UnavailableError: Kafka did not answer, or this client has no right to look.
        """
        name = self._place.topic or self.settings.topic
        found = self._admin.topic(self.settings.topic, right="READ") if self._of_document else None
        if found and found.identity.prefix == f"{name}/":
            return self._use(found)
        # A topic may be called like the first part of an id.
        if exact := self._admin.topic(name, right="READ"):
            return self._use(exact)
        if found:
            self._use(found)
            return False
        raise NotFoundError(f"there is no topic {name} at {self.settings.bootstrap_servers}")

    def offsets(self, partition: int | None = None) -> dict[TopicPartition, PartitionOffsets]:
        """Log and commits of all partitions, or of one.

        Raises:
            NotFoundError: the topic has no such partition.
        """
        # It may have been made again since, or have got partitions.
        self._topic = self._admin.topic(self.settings.topic, right="READ") or self._topic
        found = self._admin.partition_offsets(self.topic, self.settings.group)
        if partition is None:
            return found
        where = TopicPartition(self.settings.topic, partition)
        if where not in found:
            raise NotFoundError(f"{where.topic} has no partition {partition}: it has 0 to {len(found) - 1}")
        return {where: found[where]}

    def last(self, count: int, partition: int | None = None) -> list[Peeked]:
        """The newest records that can be read, oldest first."""
        offsets = self.offsets(partition)
        return self.newest({each: (found.start, found.end) for each, found in offsets.items()}, count, offsets)

    def newest(
        self,
        ranges: Mapping[TopicPartition, tuple[int, int]],
        count: int,
        offsets: Mapping[TopicPartition, PartitionOffsets],
    ) -> list[Peeked]:
        """The newest records in these ranges of offsets. Args: offsets: what `offsets` returned, just before."""
        found = recent_records(self.settings, ranges, count)
        return record_outcomes(self.settings, self.topic.identity, self.sink, self._letters, found, offsets)

    def at(self, partition: int, offset: int) -> Peeked:
        """What is at one place."""
        offsets = self.offsets(partition)
        ((where, each),) = offsets.items()
        record = self._read(where, offset) if each.start <= offset < each.end else None
        if record is not None:
            found = [(where, record)]
            return record_outcomes(self.settings, self.topic.identity, self.sink, self._letters, found, offsets)[0]
        return self._without_record(where, offset, each)

    def _without_record(self, where: TopicPartition, offset: int, each: PartitionOffsets) -> Peeked:
        """What is at a place that has no record which a worker could read."""
        found = self._stored(where, offset, self.topic.identity.document_id(where.partition, offset))
        if offset >= each.high_watermark:
            ends = f"the log ends at {each.high_watermark:,}"
            return replace(
                found, outcome="unexpected" if found.document else NOT_WRITTEN, detail=f"{ends}: nothing is there yet"
            )
        if offset < each.start:
            gone = f"Kafka has removed its record: the log starts at {each.start:,}"
            kept = found.document is not None or found.letter is not None
            outcome = ("stored" if found.document is not None else "dead_lettered") if kept else "expired"
            return replace(found, outcome=outcome, detail=gone)
        record = self._read(where, offset, is_committed=False)
        if record is not None and offset >= each.end:
            open_at = f"a transaction is open at offset {each.end:,}: nobody can read this record before it ends"
            return replace(found, outcome="unstable", detail=open_at, record=record)
        if record is not None:
            ended = "its transaction was aborted: nobody reads it, and it is stored nowhere"
            return replace(found, outcome=ABORTED, detail=ended, record=record)
        none = "a transaction marker, or a record that compaction has removed"
        return replace(found, outcome=NO_RECORD, detail=none)

    def of_earlier_topic(self) -> Peeked:
        """What is stored under the id of a topic that is not there any more."""
        place, name = self._place, self.topic.identity.name
        where = TopicPartition(name, place.partition or 0)
        found = self._stored(where, place.offset or 0, place.document_id or "")
        now = f"{self.topic.identity.prefix.rstrip('/')} now"
        return replace(found, outcome=EARLIER_TOPIC, detail=f"of a topic {name} that was deleted: it is {now}")

    def _use(self, topic: Topic) -> bool:
        self._topic = topic
        before, self.settings = self.settings, _of_topic(self._of_all, topic.identity.name)
        if self.settings.collection != before.collection:
            self.sink.close()
            self._letters.close()
            self.sink, self._letters = open_reader(self.settings), open_dead_letters(self.settings)
        return True

    def _read(self, partition: TopicPartition, offset: int, *, is_committed: bool = True) -> Record | None:
        options = few_records_options(self.settings)
        ranges = {partition: (offset, offset + 1)}
        with closing(read_log(self.settings, ranges, options if is_committed else uncommitted(options))) as log:
            return next((record for _, records in log for record in records), None)

    def _stored(self, partition: TopicPartition, offset: int, document_id: str) -> Peeked:
        """What the sink has under an id without a record to compare it with."""
        document = self.sink.documents([document_id]).get(document_id)
        letter = letters_of(self._letters, [document_id]).get(document_id)
        return Peeked(partition, offset, document_id, "", document=document, letter=letter)


def _of_topic(settings: Settings, named: str | None, or_else: str | None = None) -> Settings:
    """For the topic that was named, or the only one. Args: or_else: the name, if no route has the first one."""
    table = settings.route_table
    if named is None:
        if table.has_several_topics:
            raise BadUsageError(f"which topic? Write TOPIC, or TOPIC/PARTITION/OFFSET, with {table.names}")
        return settings.for_topic(table.topics[0])
    try:
        return settings.for_topic(named)
    except UnroutableError as error:
        if or_else not in (None, named):
            with suppress(BadUsageError):
                return _of_topic(settings, or_else)
        raise BadUsageError(
            f"{error}: it is not known where its documents are, and nobody reads its records"
        ) from error
