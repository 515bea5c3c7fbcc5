"""How a member asks its client for records: no more than a limit allows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.kafka import compat
from workers.kafka.fetched_records import from_poll

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kafka import KafkaConsumer

    from workers.kafka.position import Fetch
    from workers.kafka.unread_partitions import UnreadPartitions
    from workers.pipeline.observer import Observer
    from workers.pipeline.rate_limit import RateLimit
    from workers.records import Records
    from workers.types import TopicPartition

POLL_SECONDS = 0.25
"""How long one poll waits, and so the delay of a stop: poll cannot be woken up."""
LINGER_SECONDS = 2.0
"""Without a wait for the limit for so long, a worker is not limited any more: it reads in steps."""


class ClientPolls:
    """Of one consumer. For the loop's thread only."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        unread: UnreadPartitions,
        observer: Observer,
        limit: RateLimit | None,
    ) -> None:
        self._consumer, self._unread, self._observer = consumer, unread, observer
        self._limit = limit
        self._limited_at: float | None = None
        """When it last waited for the limit; None: the observer knows that it does not."""

    def poll(self, most: int, *, wait: bool) -> Fetch:
        """What the client has, at most so many records; with nothing to take it waits, if it may."""
        if self._limit:
            if not (allowed := self._limit.allowed(most)):
                return self._without_records(self._limit) if wait else {}
            if self._limited_at and time.monotonic() - self._limited_at > LINGER_SECONDS:
                self._limited_at = None
                self._observer.limited(None, 0.0)
            most = allowed
        if wait:
            return from_poll(self._consumer.poll(timeout_ms=int(POLL_SECONDS * 1000), max_records=most))
        with compat.suppress_rejoin(self._consumer):
            return from_poll(self._consumer.poll(timeout_ms=0, max_records=most))

    def returned(self, records: Mapping[TopicPartition, Records]) -> None:
        """The source returned these to the loop: only they count against the limit."""
        if self._limit:
            self._limit.spend(records.values())

    def _without_records(self, limit: RateLimit) -> Fetch:
        """Stay a member, and take part in rebalances, until more may be read; at most as long as any poll waits."""
        began, timeout_ms = time.monotonic(), max(1, round(min(POLL_SECONDS, limit.seconds) * 1000))
        self._consumer.pause(*self._consumer.assignment())
        try:
            # What is assigned in this very poll is not paused yet: the caller admits it as it does after any poll.
            return from_poll(self._consumer.poll(timeout_ms=timeout_ms, max_records=1))
        finally:
            self._unread.resume_others()
            self._limited_at = time.monotonic()
            self._observer.limited(limit.name, self._limited_at - began)
