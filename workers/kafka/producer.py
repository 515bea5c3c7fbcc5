"""Sends numbers or lines to Kafka. The outcome of every record is known at the end, and memory is bounded."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from workers.kafka.client_errors import describe, not_authorized, unavailable
from workers.kafka.diagnosis import require_admission
from workers.kafka.options import CONNECT_SECONDS, connection_options, find_moved_brokers
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from workers.settings import Settings

IN_FLIGHT = 20_000
"""The most records that were sent and not yet acknowledged: kafka-python 3 has no limit of its own."""
FLUSH_SECONDS = 130
"""A little longer than the client's delivery timeout, after which every record has its outcome."""


@dataclass
class ProduceReport:
    """The outcomes of the records that were sent. Complete once `Producer.send_all` has returned."""

    acknowledged: int = 0
    failed: int = 0
    seconds: float = 0.0
    by_partition: dict[TopicPartition, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    """The number of records that failed, by message."""

    @property
    def rate(self) -> float:
        """Acknowledged records a second."""
        return self.acknowledged / self.seconds if self.seconds else 0.0


class Extras(NamedTuple):
    """What each record has besides its value."""

    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


def numbers(start: int, count: int) -> Iterator[bytes]:
    """The tutorial's values: `{"number": n}` for `count` numbers from `start` on."""
    return (b'{"number": %d}' % number for number in range(start, start + count))


class Producer:
    """An idempotent producer: all in-sync replicas acknowledge each record. Use it with `with`."""

    def __init__(
        self,
        settings: Settings,
        on_acknowledged: Callable[[TopicPartition, int, bytes | None], None] = lambda _partition, _offset, _value: None,
        topics: Sequence[str] = (),
        extras: Extras = Extras(),
    ) -> None:
        """Args:
        on_acknowledged: called with partition, offset and value of every acknowledged record, on the client's thread.
        topics: to which the records go in turn; empty: all to that of the settings.
        extras: of each record.
        """
        self.report = ProduceReport()
        self._settings = settings
        self._name = topics[0] if topics else settings.topic
        self._topics = cycle(topics or (settings.topic,))
        self._on_acknowledged = on_acknowledged
        self._extras = extras
        self._in_flight = threading.BoundedSemaphore(IN_FLIGHT)
        # The client's thread writes the report too.
        self._report_lock = threading.Lock()
        self._client: Any = None

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            UnavailableError: no broker answered, or it refused this client.
        """
        require_admission(self._settings)
        try:
            self._client = KafkaProducer(
                **connection_options(self._settings),
                client_id=f"{self._name}-producer",
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                compression_type="lz4",
                linger_ms=5,
                batch_size=128 * 1024,
                bootstrap_timeout_ms=int(CONNECT_SECONDS * 1000),
            )
        except KafkaError as error:
            raise unavailable(self._settings, error, topic="WRITE") from error
        find_moved_brokers(self._settings, self._client)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=5)

    def send_all(self, values: Iterable[bytes | None], interval: float = 0.0) -> ProduceReport:
        """Send every value, `interval` seconds apart, and wait for all outcomes. An interrupt ends the sending only.

        None is a tombstone. It gets a key, of which it says that it is deleted.
        """
        started = time.monotonic()
        try:
            for value in values:
                self._in_flight.acquire()
                self._send(value)
                if interval:
                    time.sleep(interval)
        finally:
            self._client.flush(timeout=FLUSH_SECONDS)
            self.report.seconds = time.monotonic() - started
        return self.report

    def _send(self, value: bytes | None) -> None:
        key, headers = self._extras
        if value is None and key is None:
            key = b"%d" % self.report.acknowledged
        try:
            future = self._client.send(next(self._topics), value=value, key=key, headers=[*headers])
        except (KafkaError, ValueError) as error:
            self._count_failure(error)
        else:
            future.add_both(lambda outcome: self._on_outcome(outcome, value))

    def _on_outcome(self, outcome: Any, value: bytes | None) -> None:
        if isinstance(outcome, Exception):
            self._count_failure(outcome)
            return
        partition = TopicPartition(outcome.topic, outcome.partition)
        with self._report_lock:
            self.report.acknowledged += 1
            self.report.by_partition[partition] = self.report.by_partition.get(partition, 0) + 1
        self._on_acknowledged(partition, outcome.offset, value)
        self._in_flight.release()

    def _message(self, error: Exception) -> str:
        # The client asks for its producer id before the first record, which any right to WRITE is enough for; refused, it
        # names the cluster, and packs the error into the text of another one.
        if isinstance(error, AuthorizationError) or ClusterAuthorizationFailedError.__name__ in str(error):
            return not_authorized(self._settings, TopicAuthorizationFailedError(), topic="WRITE")
        return describe(error)

    def _count_failure(self, error: Exception) -> None:
        with self._report_lock:
            self.report.failed += 1
            message = self._message(error)
            self.report.errors[message] = self.report.errors.get(message, 0) + 1
        self._in_flight.release()
