"""Asks Kafka how far the fleet is behind, once an interval, whoever wants to know and however often."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import structlog

from workers.connection import KeptConnection
from workers.errors import WorkersError
from workers.kafka.admin import WATCH_PATIENCE_SECONDS, Admin
from workers.kafka.log_reader import FirstRecords
from workers.monitoring.lag import Commits, LagSnapshot, Point, lag_snapshot, pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.settings import Settings

HISTORY_SECONDS = 600
STALE_LOOKS = 2
"""A look that is older than so many intervals is not told any more, nor is one that was followed by a failure."""
STOP_SECONDS = 1.0
"""Until a question that hangs is left behind at the end: its thread is a daemon, and supervisord waits for the process."""

log = structlog.get_logger()


class LagPoller:
    """`run` looks until it is stopped, on a thread of its own; everything else only reads what it saw."""

    def __init__(self, settings: Settings, iterated: Callable[[], None] = lambda: None) -> None:
        """Args: iterated: called after every look, also after one that failed."""
        self._settings = settings
        self.interval = self._every = settings.lag_interval
        """Seconds between two looks."""
        self._iterated = iterated
        self._connection = KeptConnection(
            lambda: Admin(settings, WATCH_PATIENCE_SECONDS), _tell_unavailable, _tell_available
        )
        self._records = FirstRecords(settings)
        self._commits = Commits()
        self._look: LagSnapshot | None = None
        self._seen = 0.0
        self._points: deque[Point | None] = deque(maxlen=max(2, int(HISTORY_SECONDS / self._every)))
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)
        self.last_success: float | None = None
        """Unix time."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop_event.set()
        self._thread.join(STOP_SECONDS)

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
        return self._connection.ask(self._ask)

    def _ask(self, admin: Admin) -> LagSnapshot:
        settings, now = self._settings, time.time()
        group = admin.group(settings.group, settings.topic)
        topic = admin.topic(settings.topic)
        offsets = topic and admin.partition_offsets(topic, settings.group)
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
        self._connection.close()

    def _run(self) -> None:
        while not self._stop_event.is_set():
            begun = time.monotonic()
            self._attempt()
            self._iterated()
            self._stop_event.wait(max(0.1, begun + self._every - time.monotonic()))
        self.close()

    def _attempt(self) -> None:
        try:
            found = self.take_snapshot()
        except Exception:  # noqa: BLE001 whatever a client raises, nothing is known, and the next look begins afresh
            self._look = None
            self._points.append(None)
            return
        self._seen, self._look, self.last_success = time.monotonic(), found, found.time
        self._points.append(found.point)


def _tell_unavailable(error: Exception) -> None:
    told = str(error) if isinstance(error, WorkersError) else type(error).__name__
    log.warning("cannot look at the group; no lag is served", error=told)


def _tell_available() -> None:
    log.info("the group can be looked at again")
