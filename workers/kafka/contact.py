"""Whether Kafka still answers this member of the group, and the end of a worker that only a new client could help."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import structlog

from workers.errors import CutOffError, UnavailableError
from workers.kafka import compat_brokers
from workers.kafka.admin import Admin
from workers.process import is_no_thread

if TYPE_CHECKING:
    from kafka import KafkaConsumer

    from workers.settings import Settings

TELL_SECONDS = 5.0
"""How long no broker is connected until a new client is tried for the first time, to tell the reason."""
CUT_OFF_SECONDS = 60.0
"""How long no broker is connected until a new client is tried: the client by itself finds one in half of that."""
PROBE_SECONDS = 15.0
"""Between two tries."""
PROBES = 3
"""Tries in a row that must succeed, while the worker's own client finds nothing."""
PROBE_PATIENCE_SECONDS = 2.0
"""For each try, which the loop waits for."""


log = structlog.get_logger()


class Contact:
    """The contact of one consumer with Kafka. For the loop's thread, except `answers`."""

    def __init__(self, settings: Settings, consumer: KafkaConsumer) -> None:
        self._settings = settings
        self._topic = next(iter(settings.route_table.topics), settings.topic)
        self._consumer = consumer
        self._joined_at = -math.inf
        self._connected_at = time.monotonic()
        self._probe_at = 0.0
        self._probes = 0

    def joined(self) -> None:
        """The coordinator has just answered: this member has a new assignment."""
        self._joined_at = time.monotonic()

    def answers(self) -> bool:
        """Whether the coordinator answered within the session timeout. If not, it has removed this member. On any thread."""
        last = max(self._joined_at, compat_brokers.last_answer_to_a_heartbeat(self._consumer))
        return time.monotonic() - last <= self._settings.session_timeout

    def check(self) -> None:
        """Call it with every poll.

        Raises:
            CutOffError: no broker is connected, and a new client reaches one, again and again. While Kafka is unavailable
                for everybody it does not raise: a restart would not help.
        """
        now = time.monotonic()
        if compat_brokers.connected(self._consumer):
            self._connected_at, self._probes = now, 0
            return
        if now - self._connected_at < TELL_SECONDS or now < self._probe_at:
            return
        reaches = self._reaches_kafka()
        self._probe_at = time.monotonic() + PROBE_SECONDS
        if now - self._connected_at < CUT_OFF_SECONDS:
            return
        self._probes = self._probes + 1 if reaches else 0
        if self._probes >= PROBES:
            raise CutOffError(
                f"the client has reached no Kafka broker for {now - self._connected_at:.0f} s, and a new one does; "
                "this worker ends, to be restarted"
            )

    def _reaches_kafka(self) -> bool:
        try:
            with Admin(self._settings, PROBE_PATIENCE_SECONDS) as admin:
                admin.topic(self._topic)
        except (UnavailableError, RuntimeError) as error:
            # At the limit of its threads or its memory this process cannot tell.
            if not (isinstance(error, UnavailableError) or is_no_thread(error)):
                raise
            # The client says nothing of why it is not connected.
            log.warning("waiting for Kafka", error=str(error))
            return False
        return True
