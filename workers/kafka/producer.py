"""Numbers, or lines, into Kafka: every record's fate is known in the end, and memory is bounded at any count."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from workers.errors import UnavailableError
from workers.kafka.client_errors import describe, unreachable
from workers.kafka.options import CONNECT_SECONDS, connection_options
from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from workers.settings import Settings

IN_FLIGHT = 20_000
"""Records that were sent and not yet answered, at most: kafka-python 3 has no bound of its own."""
LAST_WORDS_SECONDS = 130
"""A little longer than the client's own delivery timeout, after which every record has its answer."""


@dataclass
class ProduceReport:
    """What became of the records that were sent. Complete once `Producer.send_all` has returned."""

    acknowledged: int = 0
    failed: int = 0
    seconds: float = 0.0
    by_partition: dict[TopicPartition, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    """How often each error came, by its one line."""

    @property
    def rate(self) -> float:
        """Acknowledged records a second."""
        return self.acknowledged / self.seconds if self.seconds else 0.0


def numbers(start: int, count: int) -> Iterator[bytes]:
    """The values of the tutorial: `{"number": n}` for `count` numbers from `start` on."""
    return (b'{"number": %d}' % number for number in range(start, start + count))


class Producer:
    """Idempotent, acknowledged by all in-sync replicas, one answer for every record. Use it with `with`."""

    def __init__(
        self,
        settings: Settings,
        on_acknowledged: Callable[[TopicPartition, int, bytes], None] = lambda _partition, _offset, _value: None,
    ) -> None:
        """Connect.

        Args:
            on_acknowledged: called with partition, offset and value of every acknowledged record, on another thread.
        """
        self.report = ProduceReport()
        self._topic = settings.topic
        self._on_acknowledged = on_acknowledged
        self._room = threading.BoundedSemaphore(IN_FLIGHT)
        self._count = threading.Lock()
        try:
            self._client = KafkaProducer(
                **connection_options(settings),
                client_id=f"{settings.topic}-producer",
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                compression_type="lz4",
                linger_ms=5,
                batch_size=128 * 1024,
                bootstrap_timeout_ms=int(CONNECT_SECONDS * 1000),
            )
        except KafkaError as error:
            raise UnavailableError(unreachable(settings, error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=5)

    def send_all(self, values: Iterable[bytes], interval: float = 0.0) -> ProduceReport:
        """Send every value, `interval` seconds apart, and wait until each is answered. Interrupting stops sending."""
        started = time.monotonic()
        try:
            for value in values:
                self._room.acquire()
                self._send(value)
                if interval:
                    time.sleep(interval)
        finally:
            self._client.flush(timeout=LAST_WORDS_SECONDS)
            self.report.seconds = time.monotonic() - started
        return self.report

    def _send(self, value: bytes) -> None:
        try:
            future = self._client.send(self._topic, value=value)
        except (KafkaError, ValueError) as error:
            self._failed(error)
        else:
            future.add_both(lambda outcome: self._answered(outcome, value))

    def _answered(self, outcome: Any, value: bytes) -> None:
        if isinstance(outcome, Exception):
            self._failed(outcome)
            return
        partition = TopicPartition(outcome.topic, outcome.partition)
        with self._count:
            self.report.acknowledged += 1
            self.report.by_partition[partition] = self.report.by_partition.get(partition, 0) + 1
        self._on_acknowledged(partition, outcome.offset, value)
        self._room.release()

    def _failed(self, error: Exception) -> None:
        with self._count:
            self.report.failed += 1
            line = describe(error)
            self.report.errors[line] = self.report.errors.get(line, 0) + 1
        self._room.release()
