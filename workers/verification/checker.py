"""Verifies parts of one topic, one after the other, on connections that are kept between them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from workers.kafka.log_reader import LogReader
from workers.kafka.options import log_reader_options
from workers.verification.comparison import Comparison
from workers.verification.part_check import PartCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.kafka.admin import Admin
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.topics import Topic
    from workers.settings import Settings
    from workers.sinks.base import SinkReader
    from workers.types import TopicPartition
    from workers.verification.part_check import PartResult
    from workers.verification.segments import Part

    PartProgress = Callable[[str, int], None]

FETCHING = {"max_partition_fetch_bytes": 1024 * 1024, "fetch_max_wait_ms": 100}
"""The client sends one more fetch at the end of each range: it should neither bring much nor wait long."""


class Checker:
    """For one thread. Close it."""

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        offsets: Mapping[TopicPartition, PartitionOffsets],
        admin: Admin,
        sink: SinkReader,
        log: LogReader | None = None,
    ) -> None:
        """Args:
        offsets: asked for before anything is read.
        admin, sink: connected; whoever opened them closes them.
        log: the same; None: one of its own.
        """
        self._settings, self._topic, self._offsets = settings, topic, offsets
        self._admin, self._sink = admin, sink
        self._log = log or LogReader(settings, log_reader_options(settings) | FETCHING)

    def check(self, part: Part, progress: PartProgress) -> PartResult:
        """Verify one part.

        Raises:
            UnavailableError: a part of it could not be read.
        """
        comparison = Comparison(
            self._settings,
            self._topic.identity,
            self._offsets,
            self._sink,
            lambda _what, _done, _total: None,
            lambda _partition, _records: None,
        )
        return PartCheck(comparison, part, self._log.read, self._now, lambda: self._compacts, progress).check()

    def close(self) -> None:
        """Close the connection to the log."""
        self._log.close()

    def _now(self) -> Mapping[TopicPartition, PartitionOffsets]:
        return self._admin.partition_offsets(self._topic, self._settings.group)

    @cached_property
    def _compacts(self) -> bool:
        return self._admin.compacts(self._settings.topic)
