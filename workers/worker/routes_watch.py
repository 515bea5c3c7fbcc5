"""Tells when the file of routes is changed under a running worker: it takes effect with a restart, and never in between."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from workers.errors import BadConfigurationError
from workers.pipeline.observer import NullObserver
from workers.settings.routes_file import read_routes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.settings import Settings

LOOK_SECONDS = 5.0

log = structlog.get_logger()


class RoutesWatch(NullObserver):
    """The observer that looks at the file now and then. For the loop's thread."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._fingerprint, self._clock = settings.routes, settings.route_table.fingerprint, clock
        self._stamp = _stamp(self._path) if self._path else None
        self._next_look = clock() + LOOK_SECONDS

    def iterated(self) -> None:
        if self._path is None or (now := self._clock()) < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        if (stamp := _stamp(self._path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            changed = read_routes(self._path).fingerprint != self._fingerprint
        except BadConfigurationError as error:
            log.warning(
                "the file of routes has changed and cannot be used: this worker goes on with what it has read, and its next start "
                "will fail; correct the file",
                error="; ".join(error.problems),
            )
            return
        if changed:
            log.warning(
                "the file of routes has changed; it takes effect with a restart: `workers restart`, and then lag, watchdog and "
                "auditor by supervisorctl"
            )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes with the file; None: it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
