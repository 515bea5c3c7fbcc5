"""Checkers of several topics, on the same connections: to Kafka's admin client, to the log and to the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.kafka.log_reader import LogReader
from workers.kafka.options import log_reader_options
from workers.verification.checker import FETCHING, Checker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.kafka.admin import Admin
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.sinks.readers import SinkReaders
    from workers.types import TopicPartition
    from workers.verification.checker import PartProgress
    from workers.verification.part_check import PartResult
    from workers.verification.segments import Part


class TopicWork(NamedTuple):
    """What is known of a topic before its parts are verified. It is sent to other processes."""

    settings: Settings
    """For this topic alone: see `Settings.for_topic`."""
    topic: Topic
    offsets: Mapping[TopicPartition, PartitionOffsets]
    """Asked for before anything is read."""


class TopicPart(NamedTuple):
    """One part of one of several topics."""

    work: int
    """The number of its topic."""
    part: Part


class Checkers:
    """For one thread. Close it."""

    def __init__(self, works: Sequence[TopicWork], admin: Admin, readers: SinkReaders) -> None:
        """Args: admin, readers: connected; whoever opened them closes them."""
        self._works, self._admin, self._readers = works, admin, readers
        self._checkers: dict[int, Checker] = {}
        settings = works[0].settings
        self._log = LogReader(settings, log_reader_options(settings) | FETCHING)

    def check(self, part: TopicPart, progress: PartProgress) -> PartResult:
        """Verify one part.

        Raises:
            UnavailableError: a part of it could not be read.
        """
        if part.work not in self._checkers:
            settings, topic, offsets = self._works[part.work]
            reader = self._readers.reader(settings)
            self._checkers[part.work] = Checker(settings, topic, offsets, self._admin, reader, self._log)
        return self._checkers[part.work].check(part.part, progress)

    def close(self) -> None:
        """Close the connection to the log."""
        self._log.close()
