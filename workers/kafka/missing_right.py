"""A member that lacks a right of Kafka waits for it, as it waits for everything: it keeps its process, and its membership.

A right may be granted at any time, and every worker of the fleet lacks it: had they ended, all would end again and again,
with a rebalance each time.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from kafka.errors import AuthorizationError

from workers.kafka.client_errors import refusal
from workers.pipeline.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.pipeline.observer import Observer
    from workers.settings import Settings

LOG_EVERY_SECONDS = 10.0
"""Between two log lines about the same wait, as for the waits before the loop."""
ITERATION_SECONDS = 0.5
"""Between two signs of life. The client's IO thread sends the heartbeats to Kafka meanwhile."""

log = structlog.get_logger()


class MissingRight:
    """Whether this member lacks a right. For the loop's thread; `missing` may be read on any."""

    def __init__(self, settings: Settings, observer: Observer, stopping: Callable[[], bool]) -> None:
        self._settings = settings
        self._observer = observer
        self._stopping = stopping
        self._backoff = Backoff(first=0.25)
        self._logged_at = -LOG_EVERY_SECONDS
        self.missing = False
        """Whether Kafka refused the last call."""

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Wait a while if Kafka does not authorize what is done within; the block ends there, without an error.

        It is safe to poll again after such an error: the client raises it from an answer of the broker that holds no
        record, and its position stays where it was. Any other error of the client leaves the block.
        """
        try:
            yield
        except AuthorizationError as error:
            if not self.missing:
                self.missing = True
                self._observer.source_refused(True)
            self._log(error)
            self._wait(self._backoff.next_wait())
            return
        if self.missing:
            self.missing = False
            self._observer.source_refused(False)
            self._backoff.reset()
            self._logged_at = -LOG_EVERY_SECONDS
            log.info("Kafka authorizes this worker again; going on")

    def _log(self, error: AuthorizationError) -> None:
        if (now := time.monotonic()) - self._logged_at >= LOG_EVERY_SECONDS:
            self._logged_at = now
            log.warning("waiting for Kafka", error=refusal(self._settings, error, right="READ"))

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping() and (left := until - time.monotonic()) > 0:
            self._observer.iterated()
            time.sleep(min(left, ITERATION_SECONDS))
