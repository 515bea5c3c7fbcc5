"""Waits for what a worker needs before its loop, for hours if need be, with the reason in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import structlog

from workers.errors import LoginRefusedError, SinkRefusesError
from workers.pipeline.backoff import Backoff
from workers.process import is_no_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.pipeline.observer import Observer
    from workers.worker.signals import StopSignal
    from workers.worker.stall_timer import StallTimer

T = TypeVar("T")
ATTEMPT_SECONDS = 60.0
"""The longest attempt to connect: all timeouts of the client, and the waits between its requests."""
BEAT_SECONDS = 1.0
"""Between two heartbeats of a worker that waits."""
LOGIN_CAP_SECONDS = 30.0
"""The longest wait after a login was refused: every attempt counts where accounts are locked."""
LOG_EVERY_SECONDS = 10.0
"""Between two log lines about the same wait."""

log = structlog.get_logger()


class Wait:
    """Waits on the main thread, with heartbeats, until a stop is requested."""

    def __init__(self, stop: StopSignal, observer: Observer, stall: StallTimer) -> None:
        self._stop = stop
        self._observer = observer
        self._stall = stall

    def until(self, service: str, attempt: Callable[[], T], unavailable: type[Exception]) -> T | None:
        """Retry until it succeeds: after an exit supervisord would retry, with worse backoff.

        Returns:
            What the attempt returned, or None if a stop was requested.
        """
        backoff, login_backoff = Backoff(first=0.2), Backoff(first=2.0, cap=LOGIN_CAP_SECONDS)
        logged_at, said = -LOG_EVERY_SECONDS, ""
        while not self._stop():
            self._observer.iterated()
            self._stall.allow(ATTEMPT_SECONDS)
            try:
                return attempt()
            except (unavailable, RuntimeError) as error:
                # A client that cannot start a thread of its own is waited for like one that cannot connect.
                if not (isinstance(error, unavailable) or is_no_thread(error)):
                    raise
                # Another reason is told at once.
                if (now := time.monotonic()) - logged_at >= LOG_EVERY_SECONDS or str(error) != said:
                    logged_at, said = now, str(error)
                    log.warning(f"waiting for {service}", error=said)
                refused = isinstance(error, LoginRefusedError) or (
                    isinstance(error, SinkRefusesError) and error.is_login
                )
                at_least = getattr(error, "retry_after", 0.0)
                self.pause((login_backoff if refused else backoff).next_wait(at_least))
        return None

    def pause(self, seconds: float) -> None:
        """Wait so long, or until a stop is requested."""
        until = time.monotonic() + seconds
        while not self._stop() and (left := until - time.monotonic()) > 0:
            self._observer.iterated()
            self._stop.wait(min(left, BEAT_SECONDS))
