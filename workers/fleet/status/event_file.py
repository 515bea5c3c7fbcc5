"""The event log of the watchdog, as the status reads it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workers.state.event_log import count_starts, read_events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class EventFile:
    """The event log of the watchdog, read again only when it has changed."""

    def __init__(self, path: Path, count: int) -> None:
        self._path, self._count = path, count
        self._version: tuple[int, int] | None = None
        self._last: list[dict[str, Any]] = []
        self._starts: Mapping[str, int] = {}

    def last(self) -> list[dict[str, Any]]:
        self._read()
        return self._last

    def starts(self) -> Mapping[str, int]:
        """By process: how often it was started since the fleet was; empty if there is no event log."""
        self._read()
        return self._starts

    def _read(self) -> None:
        with suppress(OSError):
            found = self._path.stat()
            if (found.st_ino, found.st_size) != self._version:
                self._version = found.st_ino, found.st_size
                self._last, self._starts = read_events(self._path, self._count), count_starts(self._path)
