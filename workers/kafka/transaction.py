"""A transaction that stays open for a while: what stands behind its records cannot be read until it ends."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from workers.errors import UnavailableError
from workers.kafka.client_errors import describe, unreachable
from workers.kafka.options import CONNECT_SECONDS, connection_options
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.settings import Settings

TIMEOUT_SECONDS = 15
"""After this long without an end the broker aborts the transaction by itself."""


class HeldTransaction:
    """One transaction of a few records, which is ended on a thread of its own: its coordinator may be away."""

    def __init__(self, settings: Settings, transactional_id: str) -> None:
        """Prepare; `begin` connects."""
        self._settings, self._id = settings, transactional_id
        self._client: Any = None
        self._sent: list[Any] = []
        self._end: threading.Thread | None = None
        self.error = ""
        """Why its end is not known, if it is not."""

    def begin(self, values: Sequence[bytes]) -> TopicPartition:
        """Send these values to one partition, in a transaction that stays open.

        Raises:
            UnavailableError: Kafka did not take them.
        """
        try:
            self._client = KafkaProducer(
                **connection_options(self._settings),
                client_id=self._id,
                transactional_id=self._id,
                transaction_timeout_ms=TIMEOUT_SECONDS * 1000,
                max_block_ms=int(CONNECT_SECONDS * 1000),
                acks="all",
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=int(CONNECT_SECONDS * 1000),
            )
            self._client.init_transactions()
            self._client.begin_transaction()
            first = self._client.send(self._settings.topic, values[0]).get(CONNECT_SECONDS)
            self._sent = [first] + [
                self._client.send(self._settings.topic, value, partition=first.partition).get(CONNECT_SECONDS)
                for value in values[1:]
            ]
        except KafkaError as error:
            self.close()
            raise UnavailableError(unreachable(self._settings, error)) from error
        return TopicPartition(first.topic, first.partition)

    def end(self, *, commit: bool, on_committed: Callable[[TopicPartition, int], None]) -> None:
        """Commit or abort, and return at once. Args: on_committed: called with each record's place, once it is committed."""

        def ending() -> None:
            try:
                if not commit:
                    self._client.abort_transaction()
                    return
                self._client.commit_transaction()
            except Exception as error:  # noqa: BLE001 the broker aborts or completes it, and the log shows which
                self.error = describe(error)
                return
            for record in self._sent:
                on_committed(TopicPartition(record.topic, record.partition), record.offset)

        self._end = threading.Thread(target=ending, name=self._id, daemon=True)
        self._end.start()

    def ended(self, seconds: float) -> bool:
        """Wait at most so long for the end; return whether it has come."""
        if self._end:
            self._end.join(seconds)
        return self._end is not None and not self._end.is_alive()

    def close(self) -> None:
        """Close the connection. A transaction that is open still is aborted by the broker."""
        if self._client is not None:
            with suppress(Exception):
                self._client.close(timeout=2)
            self._client = None
