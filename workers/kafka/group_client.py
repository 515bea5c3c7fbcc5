"""The consumer group as the broker reports it, for the watchdog, which runs through outages of Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.connection import KeptConnection
from workers.kafka.admin import WATCH_PATIENCE_SECONDS, Admin
from workers.kafka.client_errors import describe
from workers.kafka.log_reader import read_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition

T = TypeVar("T")

log = structlog.get_logger()


class GroupClient:
    """Keeps one connection. While Kafka is unavailable, every answer is None, and the next question reconnects."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = KeptConnection(
            lambda: Admin(settings, WATCH_PATIENCE_SECONDS).connect(), _log_unavailable, _log_available
        )
        self._empty: dict[TopicPartition, tuple[int, int]] = {}
        """By partition: a range of offsets (first, end) without a record, only transaction markers."""

    def partition_offsets(self) -> dict[TopicPartition, PartitionOffsets] | None:
        """By partition of the topic for which Kafka answers: a worker is judged by those that can be read.

        Offsets that are known to hold no record count as committed.
        """
        return self._ask(self._partition_offsets)

    def evict(self, member_id: str) -> bool | None:
        """Remove a dead member from the group; whether it was still a member."""
        return self._ask(lambda admin: admin.evict(self._settings.group, member_id))

    def can_be_read(self, partition: TopicPartition, offsets: PartitionOffsets) -> bool:
        """Whether this process can read a record there. Only then is a worker that reads none at fault."""
        uncommitted = (offsets.next_offset, offsets.end)

        def read(_admin: Admin) -> bool:
            return any(records for _, records in read_log(self._settings, {partition: uncommitted}))

        found = self._ask(read)
        if found is False:
            self._empty[partition] = uncommitted
        return bool(found)

    def _partition_offsets(self, admin: Admin) -> dict[TopicPartition, PartitionOffsets] | None:
        topic = admin.topic(self._settings.topic)
        if topic is None:
            return None
        return {
            partition: offsets._replace(committed=offsets.end)
            if self._empty.get(partition) == (offsets.next_offset, offsets.end)
            else offsets
            for partition, offsets in admin.answered_offsets(topic, self._settings.group).items()
        }

    def _ask(self, question: Callable[[Admin], T | None]) -> T | None:
        try:
            return self._connection.ask(question)
        except Exception:  # noqa: BLE001 a client without a broker may raise anything; the answer is unknown
            return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _log_unavailable(error: Exception) -> None:
    log.warning("Kafka is unavailable; until it is back, no worker is killed for its lag", error=describe(error))


def _log_available() -> None:
    log.info("Kafka is available again")
