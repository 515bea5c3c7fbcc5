"""The consumer group as the broker reports it, for the watchdog, which runs through outages of Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.connection import KeptConnection
from workers.kafka.admin import WATCH_PATIENCE_SECONDS, Admin
from workers.kafka.client_errors import NotAuthorizedError, describe
from workers.kafka.fleet_topics import TopicFinder
from workers.kafka.log_reader import read_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition

T = TypeVar("T")
NOT_JUDGED = "no worker is killed for its lag"
NOT_EVICTED = "a dead worker's partitions wait until its slot starts again, or for WORKERS_SESSION_TIMEOUT"
"""What follows from a right that is missing."""

log = structlog.get_logger()


class GroupClient:
    """Keeps one connection. While Kafka is unavailable, every answer is None, and the next question reconnects.

    An answer is None too where a right is missing. That is logged once, and is no outage: other questions may be answered.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = TopicFinder(settings)
        self._connection = KeptConnection(
            lambda: Admin(settings, WATCH_PATIENCE_SECONDS).connect(), _log_unavailable, _log_available
        )
        self._empty: dict[TopicPartition, tuple[int, int]] = {}
        """By partition: a range of offsets (first, end) without a record, only transaction markers."""
        self._missing_rights: dict[str, str] = {}
        """By kind of question: the message about the right that was missing at the last one."""

    def partition_offsets(self) -> dict[TopicPartition, PartitionOffsets] | None:
        """By partition of the topics for which Kafka answers: a worker is judged by those that can be read.

        Offsets that are known to hold no record count as committed.
        """
        return self._ask("look", NOT_JUDGED, self._partition_offsets)

    def evict(self, member_id: str) -> bool | None:
        """Remove a dead member from the group; whether it was still a member."""
        return self._ask("evict", NOT_EVICTED, lambda admin: admin.evict(self._settings.group, member_id))

    def can_be_read(self, partition: TopicPartition, offsets: PartitionOffsets) -> bool:
        """Whether this process can read a record there. Only then is a worker that reads none at fault."""
        uncommitted = (offsets.next_offset, offsets.end)

        def read(_admin: Admin) -> bool:
            return any(records for _, records in read_log(self._settings, {partition: uncommitted}))

        found = self._ask("read", NOT_JUDGED, read)
        if found is False:
            self._empty[partition] = uncommitted
        return bool(found)

    def _partition_offsets(self, admin: Admin) -> dict[TopicPartition, PartitionOffsets] | None:
        found = self._topics.find(admin)
        if not found.topics:
            return None
        return {
            partition: offsets._replace(committed=offsets.end)
            if self._empty.get(partition) == (offsets.next_offset, offsets.end)
            else offsets
            for partition, offsets in admin.offsets_of_topics(found.topics, self._settings.group).items()
        }

    def _ask(self, kind: str, consequence: str, question: Callable[[Admin], T | None]) -> T | None:
        """Args: consequence: of a right that is missing, for the log."""
        missing: NotAuthorizedError | None = None

        def asked(admin: Admin) -> T | None:
            nonlocal missing
            try:
                return question(admin)
            except NotAuthorizedError as error:
                # Kafka has answered: the connection is good.
                missing = error
                return None

        try:
            answer = self._connection.ask(asked)
        except Exception:  # noqa: BLE001 a client without a broker may raise anything; the answer is unknown
            return None
        self._log_missing(kind, consequence, missing)
        return answer

    def _log_missing(self, kind: str, consequence: str, missing: NotAuthorizedError | None) -> None:
        message, before = missing and str(missing), self._missing_rights.get(kind)
        if message:
            self._missing_rights[kind] = message
            if message != before:
                log.warning(f"the watchdog lacks a right of Kafka; until it is granted, {consequence}", error=message)
        elif before:
            del self._missing_rights[kind]
            log.info("Kafka authorizes the watchdog again", right=before.partition("(")[2].partition(",")[0])

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _log_unavailable(error: Exception) -> None:
    log.warning("Kafka is unavailable; until it is back, no worker is killed for its lag", error=describe(error))


def _log_available() -> None:
    log.info("Kafka is available again")
