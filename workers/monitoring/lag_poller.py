"""Asks Kafka how far the fleet is behind, once an interval, whoever wants to know and however often."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import structlog

from workers.errors import WorkersError
from workers.kafka.admin import Admin
from workers.kafka.log_reader import FirstRecords
from workers.monitoring.lag import Commits, LagSnapshot, Point, lag_snapshot, pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.settings import Settings

HISTORY_SECONDS = 600
STALE_LOOKS = 2
"""A look that is older than so many intervals is not told any more, nor is one that was followed by a failure."""
PATIENCE_SECONDS = 3.0
"""For a broker to be found, and for each of its answers."""
TELL_EVERY = 60.0

log = structlog.get_logger()


class LagPoller:
    """`run` looks until it is stopped, on a thread of its own; everything else only reads what it saw."""

    def __init__(self, settings: Settings, turned: Callable[[], None] = lambda: None) -> None:
        """Args: turned: called after every look, also after one that failed."""
        self._settings = settings
        self.interval = self._every = settings.lag_interval
        """Seconds between two looks."""
        self._turned = turned
        self._admin: Admin | None = None
        self._records = FirstRecords(settings)
        self._commits = Commits()
        self._look: LagSnapshot | None = None
        self._seen = 0.0
        self._told = -TELL_EVERY
        self._points: deque[Point | None] = deque(maxlen=max(2, int(HISTORY_SECONDS / self._every)))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)
        self.last_success: float | None = None
        """Unix time."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        # A question that hangs is left behind: the thread is a daemon.
        self._thread.join(1.0)

    def current(self) -> LagSnapshot | None:
        """The last look; None where there is none that may still be believed."""
        seen, found = self._seen, self._look
        return found if found and time.monotonic() - seen <= STALE_LOOKS * self._every else None

    def points(self) -> list[Point | None]:
        """The sums of the last minutes, one an interval, oldest first; None: Kafka did not answer."""
        return list(self._points)

    def take_snapshot(self) -> LagSnapshot:
        """Ask now.

        Raises:
            UnavailableError: one of the questions was not answered; then nothing is known.
        """
        settings, now = self._settings, time.time()
        try:
            self._admin = self._admin or Admin(settings, PATIENCE_SECONDS)
            group = self._admin.group(settings.group, settings.topic)
            topic = self._admin.topic(settings.topic)
            offsets = topic and self._admin.partition_offsets(topic, settings.group)
        except Exception:
            self._hang_up()
            raise
        if topic is None or offsets is None:
            return lag_snapshot(now, group, None, {}, {})
        return lag_snapshot(
            now,
            group,
            offsets,
            self._records.times(topic.identity, pending(offsets)),
            self._commits.moved(offsets, now),
        )

    def close(self) -> None:
        """Let the connections go. Not for one that runs: its thread does so itself, at its end."""
        self._records.close()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._admin:
            self._admin.__exit__()
            self._admin = None

    def _run(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            self._attempt()
            self._turned()
            self._over.wait(max(0.1, begun + self._every - time.monotonic()))
        self.close()

    def _attempt(self) -> None:
        try:
            found = self.take_snapshot()
        except Exception as error:  # noqa: BLE001 whatever a client raises, nothing is known, and the next look begins afresh
            self._look = None
            self._points.append(None)
            if time.monotonic() - self._told >= TELL_EVERY:
                self._told = time.monotonic()
                told = str(error) if isinstance(error, WorkersError) else type(error).__name__
                log.warning("cannot look at the group; no lag is served", error=told)
            return
        if self._told > 0:
            log.info("the group can be looked at again")
            self._told = -TELL_EVERY
        self._seen, self._look, self.last_success = time.monotonic(), found, found.time
        self._points.append(found.point)
