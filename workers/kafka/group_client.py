"""The consumer group by Kafka's word, for whoever watches over it for days while brokers come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.connection import KeptConnection
from workers.kafka.admin import WATCH_PATIENCE_SECONDS, Admin
from workers.kafka.client_errors import describe
from workers.kafka.log_reader import read_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.kafka.admin import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition

T = TypeVar("T")

log = structlog.get_logger()


class GroupClient:
    """Keeps one connection. Where Kafka does not answer, the answer is None, and the next question connects anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = KeptConnection(
            lambda: Admin(settings, WATCH_PATIENCE_SECONDS), _tell_unavailable, _tell_available
        )
        self._empty: dict[TopicPartition, tuple[int, int]] = {}
        """By partition: a range of offsets (first, end) without a record, only markers of transactions."""

    def partition_offsets(self) -> dict[TopicPartition, PartitionOffsets] | None:
        """By partition of the topic: where the group is; offsets that are known to hold no record count as committed."""
        return self._ask(self._partition_offsets)

    def evict(self, member_id: str) -> bool | None:
        """Remove a member that is dead; whether it was still one."""
        return self._ask(lambda admin: admin.evict(self._settings.group, member_id))

    def can_be_read(self, partition: TopicPartition, offsets: PartitionOffsets) -> bool:
        """Whether another client gets a record there: only then it is the worker's fault that it gets none."""
        waiting = (offsets.next_offset, offsets.end)

        def read(_admin: Admin) -> bool:
            return any(records for _, records in read_log(self._settings, {partition: waiting}))

        found = self._ask(read)
        if found is False:
            self._empty[partition] = waiting
        return bool(found)

    def _partition_offsets(self, admin: Admin) -> dict[TopicPartition, PartitionOffsets] | None:
        topic = admin.topic(self._settings.topic)
        if topic is None:
            return None
        return {
            partition: offsets._replace(committed=offsets.end)
            if self._empty.get(partition) == (offsets.next_offset, offsets.end)
            else offsets
            for partition, offsets in admin.partition_offsets(topic, self._settings.group).items()
        }

    def _ask(self, question: Callable[[Admin], T | None]) -> T | None:
        try:
            return self._connection.ask(question)
        except Exception:  # noqa: BLE001 whatever a client raises that lost its broker, the answer is not known
            return None

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()


def _tell_unavailable(error: Exception) -> None:
    log.warning("Kafka does not answer; until it does, nobody is judged by lag", error=describe(error))


def _tell_available() -> None:
    log.info("Kafka answers again")
